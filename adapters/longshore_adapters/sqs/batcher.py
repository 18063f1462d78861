"""Entries of concurrent calls gathered into full requests.

A request goes as soon as it is full, or after a moment's linger. While as many are on their way
as may be, what comes gathers behind them, so that load makes full requests by itself. Requests on
their way at once overtake each other: where order counts, a group is in one of them at most.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from random import random
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.errors import ConfigurationError, LongshoreError, UnavailableError
from longshore_adapters.sqs.backlog import Backlog
from longshore_adapters.sqs.batching import FIRST_PAUSE, TRIES, Batch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.purpose import Purpose
    from longshore_adapters.sqs.wire import Entry

MOST_REQUESTS: Final = 8
"""Requests of one kind on their way at once."""


@dataclass(slots=True, eq=False)
class _Call:
    """A caller's entries: the answers so far, how many lack, and who waits for them."""

    answers: list[LongshoreError | None]
    lacking: int
    done: asyncio.Future[list[LongshoreError | None]]

    def take(self, place: int, answer: LongshoreError | None) -> None:
        self.answers[place] = answer
        self.lacking -= 1
        if not self.lacking and not self.done.done():
            self.done.set_result(self.answers)


_Item: TypeAlias = "tuple[int, Entry, tuple[_Call, int]]"
"""When it came, an entry, and whose it is with its place among the caller's."""


class Batcher:
    """Sends one operation's entries to one queue of SQS."""

    def __init__(  # noqa: PLR0913 - what a request is made of
        self,
        connection: Connection,
        purpose: Purpose,
        operation: str,
        queue: str,
        *,
        linger: float,
        eager: bool = False,
        ordered: bool = False,
    ) -> None:
        """`linger` is seconds; an `eager` one does not wait while nothing else is on its way.

        An `ordered` one keeps the order in which the messages of a group were added.
        """
        self._connection = connection
        self._purpose = purpose
        self._operation = operation
        self._queue = queue
        self._linger = linger
        self._eager = eager
        self._ordered = ordered
        self._waiting: Backlog[tuple[_Call, int]] = Backlog(ordered=ordered)
        self._timer: asyncio.Handle | None = None
        self._requests: set[asyncio.Task[None]] = set()

    async def add(self, entries: Sequence[Entry]) -> list[LongshoreError | None]:
        """Answer each entry, when its request is answered; a cancelled call's entries still go."""
        if not entries:
            return []
        call = _Call([None] * len(entries), len(entries), asyncio.Future())
        for place, entry in enumerate(entries):
            self._waiting.add(entry, (call, place))
        self._pump(due=False)
        return await call.done

    async def settled(self) -> None:
        """Wait until nothing is left to send."""
        while self._waiting or self._requests:
            self._pump(due=True)
            await asyncio.wait(self._requests)

    def _pump(self, *, due: bool) -> None:
        """Send what is full; where the linger is over, the rest as well."""
        while self._waiting and len(self._requests) < MOST_REQUESTS:
            batch, full = self._waiting.take()
            if not batch:  # the groups of all that wait are on their way
                return
            if not full and not due:
                self._waiting.put_back(batch)
                self._wait()
                return
            self._begin(batch)
        if self._timer is not None and not self._waiting:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        if self._timer is None:
            pause = 0 if self._eager and not self._requests else self._linger
            self._timer = asyncio.get_running_loop().call_later(pause, self._over)

    def _begin(self, batch: Sequence[_Item]) -> None:
        """Send what was taken out; nothing else of its groups goes until it is answered."""
        groups = self._waiting.hold(entry for _, entry, _ in batch)
        request = asyncio.ensure_future(self._request(batch))
        self._requests.add(request)
        request.add_done_callback(partial(self._ended, groups))

    def _over(self) -> None:
        self._timer = None
        self._pump(due=True)

    def _ended(self, groups: AbstractSet[str | None], request: asyncio.Task[None]) -> None:
        self._requests.discard(request)
        self._waiting.free(groups)
        self._pump(due=False)

    async def _request(self, items: Sequence[_Item]) -> None:
        batch = Batch(self._operation, self._queue, [entry for _, entry, _ in items])
        try:
            await self._ask(batch)
        except BaseException:
            batch.fail(UnavailableError(f"{self._operation} was interrupted"))
            raise
        finally:
            for (_, _, (call, place)), answer in zip(items, batch.answers, strict=True):
                call.take(place, answer)

    async def _ask(self, batch: Batch) -> None:
        pause = FIRST_PAUSE
        for attempt in range(1, TRIES + 1):
            try:
                response = await self._connection.ask(
                    self._purpose, self._operation, self._queue, Entries=batch.entries
                )
            except ConfigurationError as error:
                await self._apart(batch, error)
                return
            except LongshoreError as error:
                batch.fail(error)
                return
            if not batch.read(response) or attempt == TRIES:
                return
            await self._connection.clock.sleep(pause * (0.5 + random() / 2))  # noqa: S311 - spread
            pause *= 2

    async def _apart(self, batch: Batch, error: LongshoreError) -> None:
        """A request refused as a whole: ask for each entry alone, so that one harms no other."""
        if batch.single:
            batch.fail(error)
            return
        parts = batch.split()
        if self._ordered:
            for part in parts:
                await self._ask(part)
        else:
            await asyncio.gather(*(self._ask(part) for part in parts))
        batch.joined(parts)
