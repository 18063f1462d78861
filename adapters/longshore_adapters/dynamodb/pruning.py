"""Removing old final rows, with their parts; and the buckets they leave empty."""

from __future__ import annotations

from datetime import timedelta
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
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.task import Task, TaskState
    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.table import Table

_IN_USE: Final = timedelta(days=2)
"""How long a bucket may still be written to by a host whose clock is late."""


async def prune(
    table: Table, *, states: frozenset[TaskState], before: datetime, limit: int, now: datetime
) -> int:
    """Remove rows that came in first, as many as the limit, the oldest write first."""
    old: list[tuple[Task, Item]] = []
    late = sortable(micros(before))
    for day, hashes in (await buckets(table)).items():
        if day > day_of(late) or len(old) >= limit:
            break
        empty = True
        batch: list[TaskId] = []
        async for _, task_id in merged(
            table, Range(LIST, hashes, late, READ_AHEAD, oldest_first=True)
        ):
            empty = False
            batch.append(task_id)
            if len(batch) == READ_AHEAD:
                old += await _old(table, batch, states, before)
                batch = []
                if len(old) >= limit:
                    break
        old += await _old(table, batch, states, before)
        if empty and day < f"{now - _IN_USE:%Y%m%d}":
            await table.remove([{"p": text(META), "s": text(name)} for name in hashes])
    old.sort(key=lambda pair: pair[0].updated_at)
    return await _remove(table, [item for _, item in old[:limit]])


async def _old(
    table: Table, ids: Sequence[TaskId], states: frozenset[TaskState], before: datetime
) -> list[tuple[Task, Item]]:
    items = await table.read([row_key(task_id) for task_id in ids])
    rows = [(to_task(item), item) for item in items]
    return [
        (row, item) for row, item in rows if row.state in states & FINAL and row.updated_at < before
    ]


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
