"""One long poll: a ReceiveMessage call that goes on when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from longshore.errors import UnavailableError
from longshore_adapters.sqs.limits import MAX_ENTRIES
from longshore_adapters.sqs.purpose import Purpose
from longshore_adapters.sqs.receipts import Receipt
from longshore_adapters.sqs.wire import to_delivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.queue import Delivery
    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.names import Names

WIDER: Final = 1.25
"""By how much more is asked for after a poll that brought no two messages of a group."""
_SECOND: Final = timedelta(seconds=1)
REPEATABLE: Final = 240.0
"""Seconds in which a FIFO receive may be repeated under its id; SQS forgets it after 5 minutes."""


@dataclass(slots=True, eq=False)
class Poll:
    """A poll for `wait` seconds and up to `places` messages, asked `since` by the loop's time."""

    band: Band
    wait: int
    lease: int
    places: int
    since: float = inf
    task: asyncio.Task[Sequence[Delivery]] = field(init=False)


class Band:
    """One queue of SQS that messages are received from; the lowest `rank` comes first."""

    def __init__(
        self, connection: Connection, names: Names, *, threshold: int, name: str, rank: int
    ) -> None:
        """`name` is the one SQS knows; deliveries bear that of the whole queue."""
        self.rank = rank
        self.name = name
        self._threshold = threshold
        self._connection = connection
        self._queue = names.name
        self._fifo = names.fifo
        self._unanswered: tuple[str, float] | None = None
        self._width = float(MAX_ENTRIES)

    def poll(self, *, wait: int, lease: int, limit: int) -> Poll:
        """Begin a poll; `wait` and `lease` in seconds, a wait of 0 asks once."""
        places = min(limit, int(self._width))
        poll = Poll(self, wait, lease, places)
        poll.task = asyncio.ensure_future(self._receive(poll))
        return poll

    def heads(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Find the first of each group; where others came with it, ask for fewer from now on."""
        by_group = {each.group: each for each in reversed(deliveries)}
        heads = [one for one in deliveries if by_group[one.group] is one]
        if len(heads) < len(deliveries):
            self._width = float(len(heads))
        elif heads:
            self._width = min(self._width * WIDER, MAX_ENTRIES)
        return heads

    async def _receive(self, poll: Poll) -> Sequence[Delivery]:
        given: dict[str, Any] = {
            "MaxNumberOfMessages": poll.places,
            "WaitTimeSeconds": poll.wait,
            "VisibilityTimeout": poll.lease,
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
        }
        if self._fifo:
            given["ReceiveRequestAttemptId"] = self._attempt()
        # Finding the queue and opening the client may take longer than any answer.
        await self._connection.prepare(Purpose.RECEIVE, self.name)
        poll.since = self._connection.loop.time()
        try:
            response = await self._connection.ask(
                Purpose.RECEIVE, "ReceiveMessage", self.name, **given
            )
        except UnavailableError:
            if self._fifo:
                now = self._connection.clock.monotonic()
                self._unanswered = given["ReceiveRequestAttemptId"], now
            raise
        messages: Sequence[Mapping[str, Any]] = response.get("Messages", ())
        self._count(poll.wait, len(messages))
        return self._deliveries(messages, poll.lease)

    def _deliveries(self, messages: Sequence[Mapping[str, Any]], lease: int) -> Sequence[Delivery]:
        since = self._connection.clock.monotonic()
        until = self._connection.clock.now() + lease * _SECOND
        return [
            to_delivery(
                message,
                queue=self._queue,
                receipt=str(Receipt(self._threshold, since, message["ReceiptHandle"])),
                lease_until=until,
            )
            for message in messages
        ]

    def _attempt(self) -> str:
        """Name a receive: as the last one, where that was not answered and is not too long ago."""
        unanswered, self._unanswered = self._unanswered, None
        if unanswered is not None:
            attempt, at = unanswered
            if self._connection.clock.monotonic() - at < REPEATABLE:
                return attempt
        return uuid4().hex

    def _count(self, wait: int, came: int) -> None:
        if not wait:
            self._connection.calls["ReceiveMessage.short"] += 1
        if not came:
            self._connection.calls["ReceiveMessage.empty"] += 1
