"""The queue in a database: rows of the table `message`, found by an index in the order they go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError
from longshore.queue import Depth, QueueCapabilities, Release
from longshore_adapters.postgres import delivering, statements
from longshore_adapters.postgres.connection import LONG_ANSWER, patience_for
from longshore_adapters.postgres.letters import to_dead_letter, to_delivery
from longshore_adapters.postgres.limits import FIT, MAX_BATCH, MAX_BODY
from longshore_adapters.postgres.scalars import text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta

    from longshore.queue import DeadLetter, Delivery, Outgoing, Rejection
    from longshore_adapters.postgres.database import Database
    from longshore_adapters.postgres.delivering import Taken
    from longshore_adapters.postgres.session import Session
    from longshore_adapters.postgres.wire import Row

CAPABILITIES = QueueCapabilities(adapter="postgres", max_body=MAX_BODY, max_batch=MAX_BATCH)


class PostgresQueue:
    """A named queue of an open database."""

    def __init__(self, database: Database, name: str) -> None:
        """Serve the queue `name`, which exists as soon as it is used."""
        self._database = database
        self._name = name

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def capabilities(self) -> QueueCapabilities:
        """Everything but order in groups."""
        return CAPABILITIES

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Add messages; a body above the limit is refused."""
        errors = [FIT.message(message) for message in messages]
        fitting = [m for m, error in zip(messages, errors, strict=True) if error is None]
        await self._database.run(partial(delivering.put, queue=self._name, messages=fitting))
        return errors

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Take the best visible messages, waiting for the first."""
        if limit < 1:
            return []
        clock = self._database.clock
        end = clock.monotonic() + wait.total_seconds()
        take = partial(delivering.take, queue=self._name, limit=limit, lease=lease)
        taken = await self._taken(take)
        if taken.rows or end <= clock.monotonic():
            return self._deliveries(taken)
        listener, poll = self._database.listener, self._database.options.poll / 1000
        with listener.one(self._name) as waiter:
            while True:
                await listener.expect(waiter)
                taken = await self._taken(take)
                left = end - clock.monotonic()
                if taken.rows or left <= 0:
                    return self._deliveries(taken)
                soonest = poll if taken.soonest is None else max(taken.soonest, 0.001)
                await clock.wait(waiter.event, min(left, poll, soonest))

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Forget deliveries; one that is gone already is fine."""
        return await self._database.run(partial(delivering.forget, deliveries=deliveries))

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give deliveries back."""
        return await self._database.run(partial(delivering.give_back, releases=releases))

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move deliveries to the dead letters, each in one step."""
        return await self._database.run(partial(delivering.bury, rejections=rejections))

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Move the end of each lease."""
        hold = partial(delivering.hold, deliveries=deliveries, lease=lease)
        return await self._database.run(hold, patience=patience_for(lease))

    async def depth(self) -> Depth:
        """Count, exactly. It takes longer the more waits: a tenth of a second for a million."""
        [row] = await self._database.run(self._named(statements.DEPTH), patience=LONG_ANSWER)
        ready, in_flight, delayed, dead, oldest_age = row
        return Depth(
            ready=ready, in_flight=in_flight, delayed=delayed, dead=dead, oldest_age=oldest_age
        )

    async def declare(self) -> bool:
        """Note that the queue exists."""

        async def declare(session: Session) -> bool:
            [(used,)] = await self._named(statements.IS_USED)(session)
            new = await session.run(statements.DECLARE, queue=text(self._name)) == 1
            return new and not used

        return await self._database.run(declare)

    async def delete(self) -> None:
        """Remove the queue and its dead letters."""
        await self._purge(held=True)

        async def delete(session: Session) -> int:
            name = text(self._name)
            await session.run(statements.UNDECLARE, queue=name)
            return await session.run(
                statements.PURGE_DEAD, queue=name, most=delivering.PURGE_AT_ONCE
            )

        while await self._database.run(delete, patience=LONG_ANSWER):
            pass

    async def purge(self) -> int:
        """Remove what is not in flight, some thousand messages in each step."""
        return await self._purge(held=False)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters in the order they died."""
        start = 0 if after is None else delivering.letter_number(after)
        rows = await self._database.run(
            self._named(statements.DEAD_LETTERS, after=start, limit=limit), patience=LONG_ANSWER
        )
        return [to_dead_letter(row, self._name) for row in rows]

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send dead letters again, stamped, in the priority they had."""
        revived = await self._database.run(partial(delivering.revive, queue=self._name, ids=ids))
        answers: list[LongshoreError | None] = []
        for id_ in ids:
            done = delivering.letter_number(id_) in revived
            revived.discard(delivering.letter_number(id_))
            unknown = LongshoreError(f"no dead letter {id_} in queue {self._name!r}")
            answers.append(None if done else unknown)
        return answers

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Remove dead letters."""
        numbers = list(map(delivering.letter_number, ids))
        await self._database.run(
            lambda session: session.run(statements.DISCARD, queue=text(self._name), seqs=numbers)
        )
        return [None] * len(ids)

    def _named(self, statement: str, **values: object) -> Callable[[Session], Awaitable[list[Row]]]:
        return lambda session: session.all(statement, queue=text(self._name), **values)

    async def _purge(self, *, held: bool) -> int:
        purge = partial(delivering.purge, queue=self._name, held=held)
        total = 0
        while removed := await self._database.run(purge, patience=LONG_ANSWER):
            total += removed
        return total

    async def _taken(self, take: Callable[[Session], Awaitable[Taken]]) -> Taken:
        """Take what there is; a call that is cancelled meanwhile gives it back at once."""
        taking = asyncio.ensure_future(self._database.run(take))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(LongshoreError):  # nothing was taken, or it is left to its lease
                taken = await taking
                if taken.rows:
                    await self.release([Release(delivery=one) for one in self._deliveries(taken)])
            raise

    def _deliveries(self, taken: Taken) -> list[Delivery]:
        return [to_delivery(row, self._name) for row in taken.rows]
