"""Whole rows: items with their parts put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore.quick import replace
from longshore_adapters.dynamodb import attempts as tried
from longshore_adapters.dynamodb.parts import filled, keys_of, references
from longshore_adapters.dynamodb.scalars import text
from longshore_adapters.dynamodb.wire import (
    ELSEWHERE,
    ERROR_ELSEWHERE,
    ROW,
    id_of,
    pk,
    row_key,
    to_task,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from longshore.identity import TaskId
    from longshore.task import Attempt, Task
    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.table import Table

_LOOKS: Final = 3
"""Times a row is read whose parts were replaced between the two reads."""


async def tasks(table: Table, ids: Iterable[TaskId | str]) -> dict[str, Task]:
    """Read rows with all they hold, by id."""
    left = list(dict.fromkeys(ids))
    found: dict[str, Task] = {}
    for _ in range(_LOOKS):
        if not left:
            break
        items = await table.read([row_key(task_id) for task_id in left])
        whole = await filled_all(table, items)
        found |= {id_of(item): to_task(item) for item in whole if item is not None}
        there = {id_of(item) for item in items}
        left = [task_id for task_id in left if task_id in there and task_id not in found]
    return found


async def filled_all(table: Table, items: Sequence[Item]) -> list[Item | None]:
    """Fetch the parts of items; None for one that lacks a part by now."""
    keys = [
        {"p": item["p"], "s": text(key)}
        for item in items
        for reference in references(item).values()
        for key in keys_of(reference)
    ]
    if not keys:
        return list(items)
    parts = {(part["p"]["S"], part["s"]["S"]): part for part in await table.read(keys)}
    return [
        filled(item, {key: part for (owner, key), part in parts.items() if owner == item["p"]["S"]})
        if references(item)
        else item
        for item in items
    ]


async def attempts(table: Table, task_id: TaskId) -> list[Attempt]:
    """Read a task's whole partition, and list the attempts in it."""
    asked = {
        "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": {":p": pk(task_id)},
        "ConsistentRead": True,
    }
    items: dict[str, Item] = {}
    async for page, _ in table.pages("Query", asked):
        items |= {item["s"]["S"]: item for item in page}
    row = items.get(ROW)
    return [] if row is None else tried.read(task_id, items, row)


def completed(task: Task, whole: Task) -> Task:
    """Put values in place of their stand-ins, from the row as it was left."""
    if task.body is ELSEWHERE:
        spec = replace(task.spec, body=whole.body or b"")
        task = replace(task, body=whole.body or b"", spec=spec)
    if task.result is ELSEWHERE:
        task = replace(task, result=whole.result)
    if task.report is ELSEWHERE:
        task = replace(task, report=whole.report)
    if task.error is ERROR_ELSEWHERE:
        task = replace(task, error=whole.error)
    return task
