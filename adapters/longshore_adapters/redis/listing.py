"""Finding, counting and statistics, by an index of state, visibility, queue and number."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from longshore.identity import TaskId
from longshore.task import OPEN, TaskState
from longshore.task_log import Page, QueueTally, TaskQuery
from longshore_adapters.redis import scripts
from longshore_adapters.redis.limits import PORTION
from longshore_adapters.redis.scalars import micros, raw, text
from longshore_adapters.redis.wire import STATES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from longshore.task import Task
    from longshore.task_log import QueueStats
    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.ledger import Ledger
    from longshore_adapters.redis.wire import Seen

SAMPLE: Final = 100
"""Rows of a queue and state that `stats` reads for the oldest open task and the mean duration."""
_NUMBER: Final = 8
_ARCHIVED, _DELETED = 1, 2
_INDEXED: Final = frozenset({"states", "queues", "include_deleted", "include_archived"})
_NO_QUERY: Final = TaskQuery()


@dataclass(frozen=True, slots=True)
class Place:
    """A state, a visibility and a queue, as the index writes them, and how many rows are there."""

    written: bytes
    rows: int

    @property
    def state(self) -> TaskState:
        """The state."""
        return STATES[self.written[0] - ord("A")]

    @property
    def queue(self) -> str:
        """The queue."""
        return text(self.written[2:-1])

    @property
    def hidden(self) -> int:
        """Whether archived, deleted, or both."""
        return self.written[1] - ord("0")

    def meets(self, query: TaskQuery) -> bool:
        """Whether a query may find something here."""
        return (
            self.state in query.states
            and (not query.queues or self.queue in query.queues)
            and (query.include_archived or not self.hidden & _ARCHIVED)
            and (query.include_deleted or not self.hidden & _DELETED)
        )


class Listing:
    """Reads the rows of an open server."""

    def __init__(self, connection: Connection, ledger: Ledger) -> None:
        """Serve one connection."""
        self._connection = connection
        self._ledger = ledger
        self._keys = (*connection.keys.common, *connection.keys.log)

    async def find(self, query: TaskQuery, limit: int, cursor: str | None) -> Page:
        """List rows, newest first; the cursor is the number of the last row shown."""
        page: list[Seen] = []
        async for seen in self._matching(query, None if cursor is None else int(cursor), limit + 1):
            page.append(seen)
            if len(page) > limit:
                break
        shown = await self._with_bodies(page[:limit])
        more = len(page) > limit
        return Page(tasks=tuple(shown), cursor=str(page[limit - 1].number) if more else None)

    async def count(self, query: TaskQuery) -> int:
        """Count rows: by the index where that says enough, else by reading them."""
        asked = {each.name for each in fields(TaskQuery) if _asks(query, each.name)}
        if asked <= _INDEXED:
            return sum(place.rows for place in await self._places(query))
        return len([True async for _ in self._matching(query, None, PORTION)])

    async def stats(self) -> list[QueueStats]:
        """Count by queue and state; what is read for it is a sample."""
        tallies: dict[str, QueueTally] = {}
        for place in await self._places(TaskQuery(include_archived=True)):
            tally = tallies.setdefault(place.queue, QueueTally())
            tally.by_state[place.state] += place.rows
            if place.state in OPEN | {TaskState.SUCCEEDED}:
                await self._sample(place, tally)
        return [tally.stats(queue) for queue, tally in sorted(tallies.items())]

    async def due(self, before: datetime, limit: int) -> list[Task]:
        """List rows whose wake-up has come, earliest first."""
        wakes = self._connection.keys.log[4]
        words = (b"-inf", micros(before), b"LIMIT", 0, limit)
        found = await self._connection.command(b"ZRANGEBYSCORE", wakes, *words)
        ids = [_id(member) for member in found]
        _, seen = await self._ledger.seen(ids, whole=True)
        tasks = [seen[task_id].task for task_id in ids]
        return [task for task in tasks if task and task.wake_at and task.wake_at <= before]

    async def _places(self, query: TaskQuery) -> list[Place]:
        found = await self._connection.run(scripts.PLACES, self._keys)
        places = [Place(found[at], found[at + 1]) for at in range(0, len(found), 2)]
        return [place for place in places if place.meets(query)]

    async def _matching(
        self, query: TaskQuery, before: int | None, portion: int
    ) -> AsyncGenerator[Seen]:
        """Go through matching rows, newest first, without their bodies."""
        if query.ids:
            for seen in await self._named(query, before):
                yield seen
            return
        places = [place.written for place in await self._places(query)]
        while places:
            members = await self._members(b"newest", portion, before, places)
            newest = sorted(members, reverse=True)[:portion]
            for seen in await self._read([_id(member) for member in newest]):
                if seen.task is not None and query.matches(seen.task):
                    yield seen
            if len(newest) < portion:
                return
            before, portion = int.from_bytes(newest[-1][:_NUMBER], "big"), PORTION

    async def _named(self, query: TaskQuery, before: int | None) -> list[Seen]:
        found = [
            seen
            for seen in await self._read(query.ids)
            if seen.task is not None
            and query.matches(seen.task)
            and (before is None or seen.number < before)
        ]
        return sorted(found, key=lambda seen: -seen.number)

    async def _read(self, ids: Sequence[TaskId]) -> list[Seen]:
        _, seen = await self._ledger.seen(ids, whole=False)
        return list(seen.values())

    async def _members(
        self, order: bytes, most: int, before: int | None, places: Sequence[bytes]
    ) -> list[bytes]:
        bound = b"" if before is None else before
        return list(
            await self._connection.run(scripts.PAGE, self._keys, order, most, bound, *places)
        )

    async def _sample(self, place: Place, tally: QueueTally) -> None:
        """Look at the oldest of the open rows, and at the newest that succeeded."""
        order = b"oldest" if place.state in OPEN else b"newest"
        members = await self._members(order, SAMPLE, None, [place.written])
        seen = QueueTally()
        for row in await self._read([_id(member) for member in members]):
            if row.task is not None and row.task.state is place.state:
                seen.add(row.task)
        tally.timed += seen.timed
        tally.took += seen.took
        if seen.oldest_open and (not tally.oldest_open or seen.oldest_open < tally.oldest_open):
            tally.oldest_open = seen.oldest_open

    async def _with_bodies(self, page: Sequence[Seen]) -> list[Task]:
        tasks = [seen.task for seen in page if seen.task is not None]
        if not tasks:
            return []
        ids = [raw(task.id) for task in tasks]
        bodies = await self._connection.command(b"HMGET", self._connection.keys.log[1], *ids)
        return [
            task
            if task.body is None
            else replace(task, body=body or b"", spec=replace(task.spec, body=body or b""))
            for task, body in zip(tasks, bodies, strict=True)
        ]


def _id(member: bytes) -> TaskId:
    return TaskId(text(member[_NUMBER:]))


def _asks(query: TaskQuery, name: str) -> bool:
    return bool(getattr(query, name) != getattr(_NO_QUERY, name))
