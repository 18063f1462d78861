"""The queue in a file: rows of the table `message`, found by an index in the order they go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError
from longshore.queue import Depth, QueueCapabilities, Release
from longshore_adapters.sqlite import delivering, statements
from longshore_adapters.sqlite.letters import to_dead_letter, to_delivery
from longshore_adapters.sqlite.limits import FIT, MAX_BATCH, MAX_BODY
from longshore_adapters.sqlite.scalars import MICROSECOND, micros, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from longshore.queue import DeadLetter, Delivery, Outgoing, Rejection
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.delivering import Taken
    from longshore_adapters.sqlite.file import File

CAPABILITIES = QueueCapabilities(adapter="sqlite", max_body=MAX_BODY, max_batch=MAX_BATCH)


class SqliteQueue:
    """A named queue of an open file."""

    def __init__(self, file: File, name: str) -> None:
        """Serve the queue `name`, which exists as soon as it is used."""
        self._file = file
        self._name = name

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def capabilities(self) -> QueueCapabilities:
        """Everything, for the processes of one host."""
        return CAPABILITIES

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Add messages; a body above the limit is refused."""
        errors = [FIT.message(message) for message in messages]
        fitting = [m for m, error in zip(messages, errors, strict=True) if error is None]
        await self._file.write(partial(delivering.put, queue=self._name, messages=fitting))
        return errors

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Take the best visible messages, waiting for the first."""
        if limit < 1:
            return []
        clock = self._file.clock
        end = clock.monotonic() + wait.total_seconds()
        if self._file.went_back(self._name):
            await self._file.write(partial(delivering.cut, queue=self._name, lease=lease))
        take = partial(delivering.take, queue=self._name, limit=limit, lease=lease)
        taken = await self._taken(take)
        if taken.rows or end <= clock.monotonic():
            return self._deliveries(taken)
        with self._file.waiting.one(self._name) as waiter:
            while True:
                waiter.event.clear()
                taken = await self._taken(take)
                left = end - clock.monotonic()
                if taken.rows or left <= 0:
                    return self._deliveries(taken)
                waiter.soonest = taken.soonest
                await clock.wait(waiter.event, min(left, self._until(taken)))

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Forget deliveries; one that is gone already is fine."""
        return await self._file.write(partial(delivering.forget, deliveries=deliveries))

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give deliveries back."""
        return await self._file.write(partial(delivering.give_back, releases=releases))

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move deliveries to the dead letters, each in one step."""
        return await self._file.write(partial(delivering.bury, rejections=rejections))

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Move the end of each lease."""
        hold = partial(delivering.hold, deliveries=deliveries, lease=lease)
        return await self._file.write(hold)

    async def depth(self) -> Depth:
        """Count, exactly. It takes longer the more waits: a tenth of a second for a million."""
        return await self._file.read(self._depth)

    async def declare(self) -> bool:
        """Note that the queue exists."""

        def declare(transaction: Transaction) -> bool:
            [(used,)] = transaction.all(statements.IS_USED, (self._name,))
            new = transaction.run(statements.DECLARE, (self._name,)).rowcount == 1
            return new and not used

        return await self._file.write(declare)

    async def delete(self) -> None:
        """Remove the queue and its dead letters."""
        await self._purge(held=True)

        def delete(transaction: Transaction) -> int:
            values = (self._name, delivering.PURGE_AT_ONCE)
            transaction.run(statements.UNDECLARE, (self._name,))
            return transaction.run(statements.PURGE_DEAD, values).rowcount

        while await self._file.write(delete):
            pass

    async def purge(self) -> int:
        """Remove what is not in flight, some thousand messages in each transaction."""
        return await self._purge(held=False)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters in the order they died."""
        start = 0 if after is None else delivering.letter_number(after)

        def read(transaction: Transaction) -> list[DeadLetter]:
            rows = transaction.all(statements.DEAD_LETTERS, (self._name, start, limit))
            return [to_dead_letter(row, self._name) for row in rows]

        return await self._file.read(read)

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send dead letters again, stamped, in the priority they had."""

        def revive(transaction: Transaction) -> list[bool]:
            return [delivering.revive(transaction, self._name, letter_id) for letter_id in ids]

        revived = await self._file.write(revive)
        return [
            None if done else LongshoreError(f"no dead letter {id_} in queue {self._name!r}")
            for id_, done in zip(ids, revived, strict=True)
        ]

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Remove dead letters."""
        await self._file.write(partial(delivering.discard, queue=self._name, ids=ids))
        return [None] * len(ids)

    async def _purge(self, *, held: bool) -> int:
        purge = partial(delivering.purge, queue=self._name, held=held)
        total = 0
        while removed := await self._file.write(purge):
            total += removed
        return total

    async def _taken(self, take: Callable[[Transaction], Taken]) -> Taken:
        """Take what there is; a call that is cancelled meanwhile gives it back at once."""
        taking = asyncio.ensure_future(self._file.write(take))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(LongshoreError):  # nothing was taken, or it is left to its lease
                taken = await taking
                if taken.rows:
                    await self.release([Release(delivery=one) for one in self._deliveries(taken)])
            raise

    def _deliveries(self, taken: Taken) -> list[Delivery]:
        lease_until = moment(taken.lease_until)
        return [to_delivery(row, self._name, lease_until) for row in taken.rows]

    def _until(self, taken: Taken) -> float:
        if taken.soonest is None:
            return float("inf")
        return (taken.soonest - micros(self._file.clock.now())) / 1_000_000

    def _depth(self, transaction: Transaction) -> Depth:
        queue, now = self._name, transaction.now
        [(ready, in_flight, delayed, dead)] = transaction.all(statements.DEPTH, (queue, now))
        [(one,)] = transaction.all(statements.OLDEST_READY, (queue,))
        [(other,)] = transaction.all(statements.OLDEST_DUE, (queue, now))
        oldest = min((at for at in (one, other) if at is not None), default=None)
        return Depth(
            ready=ready,
            in_flight=in_flight,
            delayed=delayed,
            dead=dead,
            oldest_age=None if oldest is None else (now - oldest) * MICROSECOND,
        )
