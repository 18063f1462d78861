"""Removing old final rows, with their parts; and the buckets they leave empty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
from longshore.task import FINAL
from longshore_adapters.dynamodb.listing import READ_AHEAD, Range, buckets, day_of, merged
from longshore_adapters.dynamodb.parts import keys_of, references_in
from longshore_adapters.dynamodb.places import META
from longshore_adapters.dynamodb.scalars import blob, micros, sortable, text
from longshore_adapters.dynamodb.schema import LIST
from longshore_adapters.dynamodb.statements import Kind, Write
from longshore_adapters.dynamodb.wire import row_key, to_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.identity import TaskId
    from longshore.task import Task, TaskState
    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.table import Table

_IN_USE: Final = timedelta(days=2)
"""How long a bucket may still be written to by a host whose clock is late."""


class Pruner:
    """Removes old rows of one table, and remembers of which days there is nothing to remove yet."""

    def __init__(self, table: Table) -> None:
        """Know of no day: the first round reads them all."""
        self._table = table
        self._quiet: dict[tuple[str, frozenset[TaskState]], datetime] = {}

    async def prune(
        self, *, states: frozenset[TaskState], before: datetime, limit: int, now: datetime
    ) -> int:
        """Remove rows that came in first, as many as the limit, the oldest write first."""
        old: list[tuple[Task, Item]] = []
        late = sortable(micros(before))
        for day, hashes in (await buckets(self._table)).items():
            if day > day_of(late) or len(old) >= limit:
                break
            if before <= self._quiet.get((day, states), datetime.min.replace(tzinfo=UTC)):
                continue
            look = Look(states & FINAL, before, now)
            await self._go_through(
                Range(LIST, hashes, late, READ_AHEAD, oldest_first=True), look, limit - len(old)
            )
            old += look.old
            if not look.seen and day < f"{now - _IN_USE:%Y%m%d}":
                await self._table.remove([{"p": text(META), "s": text(name)} for name in hashes])
            elif not look.old and day < day_of(late):
                self._quiet[day, states] = look.quiet
        old.sort(key=lambda pair: pair[0].updated_at)
        return await _remove(self._table, [item for _, item in old[:limit]])

    async def _go_through(self, asked: Range, look: Look, limit: int) -> None:
        batch: list[TaskId] = []
        places = merged(self._table, asked)
        async for _, task_id in places:
            batch.append(task_id)
            if len(batch) == READ_AHEAD:
                await self._judge(batch, look)
                batch = []
                if len(look.old) >= limit:
                    break
        await places.aclose()
        await self._judge(batch, look)

    async def _judge(self, ids: Sequence[TaskId], look: Look) -> None:
        for item in await self._table.read([row_key(task_id) for task_id in ids]):
            look.judge(to_task(item), item)


class Look:
    """What a day has: rows that are old enough, and when the next one may be.

    What ends after the look, or was not in the index yet, is written then: nothing of it can be
    older than `quiet`.
    """

    def __init__(self, states: frozenset[TaskState], before: datetime, now: datetime) -> None:
        """Look for rows in these final states that were last written before a time."""
        self._states = states
        self._before = before
        self.quiet = now
        self.seen = False
        self.old: list[tuple[Task, Item]] = []

    def judge(self, row: Task, item: Item) -> None:
        """Take a row that is old enough, or note when it will be."""
        self.seen = True
        if row.state not in self._states:
            return
        if row.updated_at < self._before:
            self.old.append((row, item))
        else:
            self.quiet = min(self.quiet, row.updated_at)


async def _remove(table: Table, items: Sequence[Item]) -> int:
    """Remove rows as they were seen; then their parts, and none that a new row may have."""
    writes = [
        Write(Kind.DELETE, {"p": item["p"], "s": item["s"]}, where={"v": item["v"]})
        for item in items
    ]
    parts = [key for item in items for key in await _parts(table, item)]
    wrote = await table.write(writes)
    removed = [item for item, became in zip(items, wrote, strict=True) if became is None]
    gone = {item["p"]["S"] for item in removed}
    await table.remove([key for key in parts if key["p"]["S"] in gone])
    errors = [became for became in wrote if isinstance(became, LongshoreError)]
    if errors:
        raise errors[0]
    return len(removed)


async def _parts(table: Table, item: Item) -> list[Item]:
    """Name the items of all parts that a row refers to, or its attempts do."""
    left, found = references_in(str(item)), set[str]()
    while left:
        found |= left
        folded = [key for each in left if "t#" in each for key in keys_of(each)]
        read = await table.read([{"p": item["p"], "s": text(key)} for key in folded])
        texts = [blob(one["z"]).decode() for one in read]
        left = set[str]().union(*map(references_in, texts)) - found
    return [{"p": item["p"], "s": text(key)} for each in found for key in keys_of(each)]
