"""Finding rows: the list by time of insertion, the failed, the due, and all of them.

The list and the sparse index hold keys only; what they name is read from the table and filtered
here, by the query's own definition. Indexes follow the table a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from longshore.task import TaskState
from longshore.task_log import Page
from longshore_adapters.dynamodb import reading, schema
from longshore_adapters.dynamodb.places import META
from longshore_adapters.dynamodb.scalars import micros, moment, sortable, text, unsorted
from longshore_adapters.dynamodb.schema import LIST, WAKE
from longshore_adapters.dynamodb.wire import id_of, row_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.task import Task
    from longshore.task_log import TaskQuery
    from longshore_adapters.dynamodb.table import Table

READ_AHEAD: Final = 100
"""Rows read at once while a page is filled: one BatchGetItem."""
_SLACK: Final = timedelta(days=1)
"""How far clocks may differ before a search by time of creation misses rows."""
Found: TypeAlias = "tuple[str, TaskId]"
"""A place in an index, and whose it is."""
_FAILED: Final = frozenset({TaskState.FAILED})


async def find(
    table: Table, query: TaskQuery, shards: int, *, limit: int, cursor: str | None
) -> Page:
    """List rows, newest first; the cursor is the place of the last row shown."""
    shown: list[tuple[str, Task]] = []
    places = _places(table, query, shards, cursor, min(limit + 1, READ_AHEAD))
    batch: list[Found] = []
    async for place in places:
        batch.append(place)
        if len(batch) >= min(limit + 1 - len(shown), READ_AHEAD):
            shown += await _matching(table, query, batch)
            batch = []
        if len(shown) > limit:
            break
    await places.aclose()
    shown += await _matching(table, query, batch)
    page = tuple(task for _, task in shown[:limit])
    return Page(tasks=page, cursor=shown[limit - 1][0] if len(shown) > limit else None)


async def _matching(
    table: Table, query: TaskQuery, batch: Sequence[Found]
) -> list[tuple[str, Task]]:
    found = await reading.tasks(table, [task_id for _, task_id in batch])
    rows = [(order, found[task_id]) for order, task_id in batch if task_id in found]
    return [(order, row) for order, row in rows if query.matches(row)]


async def _places(
    table: Table, query: TaskQuery, shards: int, cursor: str | None, ahead: int
) -> AsyncGenerator[Found]:
    """Go through the places of whatever may match, newest first."""
    if not query.states:
        return
    if query.ids:
        items = await table.read([row_key(task_id) for task_id in set(query.ids)])
        for place in sorted(((item["o"]["S"], id_of(item)) for item in items), reverse=True):
            if cursor is None or place[0] < cursor:
                yield place
        return
    if query.states == _FAILED:
        hashes = [f"F#{shard}" for shard in range(shards)]
        async for place in merged(table, Range(WAKE, hashes, cursor, ahead)):
            yield place
        return
    first = query.created_after and f"{query.created_after - _SLACK:%Y%m%d}"
    last = cursor and day_of(cursor)
    for day, hashes in reversed((await buckets(table)).items()):
        if (first and day < first) or (last and day > last):
            continue
        async for place in merged(table, Range(LIST, hashes, cursor, ahead)):
            yield place


def day_of(order: str) -> str:
    """Tell the day of a place in the list."""
    return f"{moment(unsorted(order[:18])):%Y%m%d}"


async def buckets(table: Table) -> dict[str, list[str]]:
    """List the days that have rows, the oldest first, and the buckets of each."""
    days: dict[str, list[str]] = {}
    asked = {
        "KeyConditionExpression": "p = :p AND begins_with(s, :s)",
        "ExpressionAttributeValues": {":p": text(META), ":s": text("L#")},
        "ConsistentRead": True,
    }
    async for items, _ in table.pages("Query", asked):
        for item in items:
            name = item["s"]["S"]
            days.setdefault(name.split("#")[1], []).append(name)
    return days


async def due(table: Table, shards: int, *, before: datetime, limit: int) -> list[Task]:
    """List rows whose wake-up has come, the earliest first."""
    hashes = [f"W#{shard}" for shard in range(shards)]
    past = sortable(micros(before) + 1)
    ids: list[TaskId] = []
    places = merged(table, Range(WAKE, hashes, past, limit, oldest_first=True))
    async for _, task_id in places:
        ids.append(task_id)
        if len(ids) == limit:
            break
    await places.aclose()
    rows = (await reading.tasks(table, ids)).values()
    waiting = [(row.wake_at, row) for row in rows if row.wake_at and row.wake_at <= before]
    return [row for _, row in sorted(waiting, key=lambda pair: pair[0])]


@dataclass(frozen=True, slots=True)
class Range:
    """A part of an index: its partitions, up to a place; `ahead` keys are read at a time."""

    index: str
    hashes: Sequence[str]
    before: str | None
    ahead: int
    oldest_first: bool = False


async def merged(table: Table, asked: Range) -> AsyncGenerator[Found]:
    """Go through some partitions of an index as if they were one."""
    sources = [_partition(table, asked, each) for each in asked.hashes]
    heads = [(head, source) for source in sources if (head := await anext(source, None))]
    best = min if asked.oldest_first else max
    while heads:
        chosen = best(range(len(heads)), key=lambda at: heads[at][0])
        head, source = heads[chosen]
        yield head
        after = await anext(source, None)
        if after is None:
            del heads[chosen]
        else:
            heads[chosen] = (after, source)


async def _partition(table: Table, asked: Range, hashed: str) -> AsyncGenerator[Found]:
    """Go through one partition of an index: places and ids."""
    by, order = schema.INDEXES[asked.index]
    condition, values = f"{by} = :h", {":h": text(hashed)}
    if asked.before is not None:
        condition, values = f"{condition} AND {order} < :b", {**values, ":b": text(asked.before)}
    query: dict[str, Any] = {
        "IndexName": asked.index,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": asked.oldest_first,
        "Limit": max(1, asked.ahead),
    }
    async for items, _ in table.pages("Query", query):
        for item in items:
            yield item[order]["S"], id_of(item)
