"""The queue on SQS: messages are taken by long polls and settled in batches of ten."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
from longshore_adapters.sqs import limits
from longshore_adapters.sqs.batching import all_unavailable
from longshore_adapters.sqs.capabilities import capabilities_of
from longshore_adapters.sqs.declaring import declare, delete, purge
from longshore_adapters.sqs.depth import depth_of
from longshore_adapters.sqs.letters import to_letter
from longshore_adapters.sqs.morgue import Morgue
from longshore_adapters.sqs.names import names_of
from longshore_adapters.sqs.receipts import held_for
from longshore_adapters.sqs.receiving import Receiver
from longshore_adapters.sqs.settling import Requests
from longshore_adapters.sqs.wire import to_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from longshore.queue import (
        DeadLetter,
        Delivery,
        Depth,
        Outgoing,
        QueueCapabilities,
        Rejection,
        Release,
    )
    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.wire import Entry

LAST_REQUESTS: Final = 10.0
"""Seconds that closing waits for answers. What it leaves behind comes again after its lease."""


class SqsQueue:
    """A named queue: one of SQS, or one for each band of priorities, and its dead-letter queue."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Serve the queue `name`; `ConfigurationError` where SQS cannot have one of that name."""
        self._connection = connection
        self._names = names_of(name, connection.options)
        self._capabilities = capabilities_of(self._names, connection.options)
        self._requests = Requests(connection, self._names)
        self._receiver = Receiver(connection, self._names, self._give_back)
        self._morgue = Morgue(connection, self._names, self._requests)

    @property
    def name(self) -> str:
        """The queue's name, without the prefix."""
        return self._names.name

    @property
    def capabilities(self) -> QueueCapabilities:
        """As the name and the URL's bands have it."""
        return self._capabilities

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Add messages; what SQS would refuse is refused before it is asked."""
        self._connection.check()
        answers: list[LongshoreError | None] = [None] * len(messages)
        by_queue: dict[str, list[tuple[int, Entry]]] = {}
        for place, message in enumerate(messages):
            try:
                entry = to_entry(
                    message, fifo=self._names.fifo, priorities=self._capabilities.priorities
                )
            except LongshoreError as error:
                answers[place] = error
                continue
            queue = self._names.band_of(message.priority)
            by_queue.setdefault(queue, []).append((place, entry))
        await asyncio.gather(
            *(self._send(queue, entries, answers) for queue, entries in by_queue.items())
        )
        return _answered(answers)

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Take messages by long polls; a wait or lease that is no whole second is rounded up."""
        self._connection.check()
        if refusal := limits.lease_refusal(lease):
            raise refusal
        if limit < 1:
            return []
        return await self._receiver.receive(
            limit=limit, wait=wait.total_seconds(), lease=limits.seconds(lease)
        )

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Delete deliveries; SQS says yes to one that is gone, or another's by now."""
        self._connection.check()
        return _answered(await self._requests.delete(deliveries))

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Make deliveries visible, each after its delay in whole seconds."""
        self._connection.check()
        return await self._change(
            [one.delivery for one in releases],
            [one.delay for one in releases],
            limits.release_refusal,
        )

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Set each visibility timeout anew; one past twelve hours since its receive is refused."""
        self._connection.check()
        return await self._change(deliveries, [lease] * len(deliveries), limits.lease_refusal)

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Send a copy to the dead-letter queue, and delete what has one."""
        self._connection.check()
        now, fifo = self._connection.clock.now(), self._names.fifo
        entries = [to_letter(one, now, fifo=fifo) for one in rejections]
        answers = await self._requests.send(self._names.dead, entries)
        copied = [place for place, answer in enumerate(answers) if answer is None]
        gone = await self._requests.delete([rejections[place].delivery for place in copied])
        for place, answer in zip(copied, gone, strict=True):
            answers[place] = answer
        return _answered(answers)

    async def depth(self) -> Depth:
        """Count as SQS does: about right, and exact a minute after the last send."""
        self._connection.check()
        return await depth_of(self._connection, self._names)

    async def declare(self) -> bool:
        """Make what is not there; what is there stays as it is."""
        self._connection.check()
        return await declare(self._connection, self._names)

    async def delete(self) -> None:
        """Remove all queues of it; SQS takes up to a minute, and as long for the same name."""
        self._connection.check()
        await delete(self._connection, self._names)

    async def purge(self) -> int:
        """Remove all messages, those in flight as well; answer about how many. Once a minute."""
        self._connection.check()
        return await purge(self._connection, self._names)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters, which are hidden from others meanwhile; see the README."""
        self._connection.check()
        return await self._morgue.listed(limit=limit, after=after)

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send dead letters again, stamped, and delete them."""
        self._connection.check()
        return await self._morgue.redrive(ids)

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Delete dead letters."""
        self._connection.check()
        return await self._morgue.discard(ids)

    async def redrive_all(self, *, rate: int | None = None) -> str:
        """Let SQS move the dead letters, with their stamps, in the background."""
        self._connection.check()
        return await self._morgue.redrive_all(rate=rate)

    async def close(self) -> None:
        """Let what is on its way come to its end; the connection is closed already."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_REQUESTS):
                await self._receiver.close()
                await self._requests.settled()

    async def _send(
        self,
        queue: str,
        entries: Sequence[tuple[int, Entry]],
        answers: list[LongshoreError | None],
    ) -> None:
        found = await self._requests.send(queue, [entry for _, entry in entries])
        for (place, _), answer in zip(entries, found, strict=True):
            answers[place] = answer

    async def _change(
        self,
        deliveries: Sequence[Delivery],
        ends: Sequence[timedelta],
        refusal: Callable[[timedelta], LongshoreError | None],
    ) -> list[LongshoreError | None]:
        answers = [
            refusal(end) or self._ceiling(one, end)
            for one, end in zip(deliveries, ends, strict=True)
        ]
        good = [place for place, answer in enumerate(answers) if answer is None]
        found = await self._requests.change(
            [deliveries[place] for place in good], [limits.seconds(ends[place]) for place in good]
        )
        for place, answer in zip(good, found, strict=True):
            answers[place] = answer
        return _answered(answers)

    def _ceiling(self, delivery: Delivery, end: timedelta) -> LongshoreError | None:
        """Refuse what would end too late; what is to be visible at once never does."""
        if not end:
            return None
        return limits.hold_refusal(held_for(delivery, self._connection.clock), end)

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        await self._requests.change(deliveries, [0] * len(deliveries))


def _answered(answers: list[LongshoreError | None]) -> list[LongshoreError | None]:
    """Raise where no item could be answered."""
    if error := all_unavailable(answers):
        raise error
    return answers
