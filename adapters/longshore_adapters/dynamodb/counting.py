"""Counting rows by reading them all: a Scan of the table, consistent and exact.

A table may hold more rows than a process has memory for: of each page only the counts are kept.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from longshore.task_log import QueueTally
from longshore_adapters.dynamodb import reading
from longshore_adapters.dynamodb.scalars import text
from longshore_adapters.dynamodb.wire import ROW, to_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.task import Task
    from longshore.task_log import QueueStats, TaskQuery
    from longshore_adapters.dynamodb.table import Table

_HEADS: Final = {
    "FilterExpression": "s = :row",
    "ExpressionAttributeValues": {":row": text(ROW)},
    "ProjectionExpression": "p, s, a, d, u, l, x",
    "ConsistentRead": True,
}


async def count(table: Table, query: TaskQuery) -> int:
    """Count matching rows."""
    if query.ids:
        asked_for = await reading.tasks(table, query.ids)
        return sum(map(query.matches, asked_for.values()))
    total = 0
    async for rows in _heads(table, errors=query.error is not None):
        total += sum(map(query.matches, rows))
    return total


async def stats(table: Table) -> list[QueueStats]:
    """Count rows by queue and state, in order of queue names."""
    queues: defaultdict[str, QueueTally] = defaultdict(QueueTally)
    async for rows in _heads(table):
        for row in rows:
            if row.deleted_at is None:
                queues[row.spec.queue].add(row)
    return [tally.stats(queue) for queue, tally in sorted(queues.items())]


async def _heads(table: Table, *, errors: bool = False) -> AsyncIterator[list[Task]]:
    """Go through all rows, page by page, without their bodies and results."""
    async for items, _ in table.pages("Scan", _HEADS):
        whole = await reading.filled_all(table, items) if errors else items
        yield [to_task(item) for item in whole if item is not None]
