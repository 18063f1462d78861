"""Finding, counting and summing up rows, for the reader.

A list of some states is read from the index `task_state`, one (state, queue) after the other,
each newest first; so the few failed of a million rows are found at once. A list of all states is
read from the newest row down.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from longshore.task import ALL, OPEN, TaskState
from longshore.task_log import Page, QueueStats
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.scalars import json_list, micros, moment, text
from longshore_adapters.sqlite.wire import STATES, to_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from longshore.task_log import TaskQuery
    from longshore_adapters.sqlite.connection import Transaction

Condition: TypeAlias = "tuple[str, *tuple[object, ...]]"
"""Words for a WHERE, and what goes in for their question marks."""

_NEWEST = 2**63 - 1
_IN = "IN (SELECT value FROM json_each(?))"
_TAGGED = (
    "NOT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE wanted.value NOT IN "
    "(SELECT value FROM json_each(coalesce(task.tags, '[]'))))"
)


def find(transaction: Transaction, query: TaskQuery, limit: int, cursor: str | None) -> Page:
    """List rows, newest first. A cursor is the number of the last row shown."""
    before = _NEWEST if cursor is None else int(cursor)
    seqs = _newest(transaction, query, before, limit + 1) if limit > 0 else []
    page = seqs[:limit]
    rows = transaction.all(statements.TASKS_BY_SEQ, (json_list(page),))
    rows.sort(reverse=True)
    more = len(seqs) > limit
    return Page(tasks=tuple(map(to_task, rows)), cursor=str(page[-1]) if more else None)


def _newest(transaction: Transaction, query: TaskQuery, before: int, limit: int) -> list[int]:
    found: list[int] = []
    for statement, values in _parts(transaction, query, statements.NEWEST, statements.NEWEST_OF):
        rows = transaction.all(statement, (*values[0], before, *values[1], limit))
        found += [row[0] for row in rows]
    return sorted(found, reverse=True)[:limit]


def count(transaction: Transaction, query: TaskQuery) -> int:
    """Count matching rows."""
    parts = _parts(transaction, query, statements.COUNT, statements.COUNT_OF)
    return sum(
        transaction.all(statement, (*values[0], _NEWEST, *values[1]))[0][0]
        for statement, values in parts
    )


def _parts(
    transaction: Transaction, query: TaskQuery, whole: str, of_pair: str
) -> Iterator[tuple[str, tuple[Sequence[object], Sequence[object]]]]:
    """Give the statements whose results together are the query's, and the values of each."""
    conditions = list(_conditions(query))
    if not _is_by_state(query):
        conditions += _of_rows(query)
        yield _with(whole, conditions), ((), _values(conditions))
        return
    for state in sorted(query.states):
        for queue in query.queues or _queues(transaction, state):
            yield _with(of_pair, conditions), ((state.value, queue), _values(conditions))


def _is_by_state(query: TaskQuery) -> bool:
    """Whether the index serves: it leaves hidden rows out, and has archived ones apart."""
    narrow = query.states != ALL or bool(query.queues)
    other_index = bool(query.ids) or query.parent_id is not None
    return narrow and not (other_index or query.include_deleted or query.include_archived)


def _queues(transaction: Transaction, state: TaskState) -> list[str]:
    return [row[0] for row in transaction.all(statements.QUEUES_OF, (state.value,))]


def _conditions(query: TaskQuery) -> Iterator[Condition]:
    if query.ids:
        yield f"id {_IN}", json_list(query.ids)
    if query.names:
        yield f"name {_IN}", json_list(query.names)
    if query.tags:
        yield _TAGGED, json_list(query.tags)
    for column in ("category", "tenant", "owner", "parent_id", "reason"):
        wanted: str | None = getattr(query, column)
        if wanted is not None:
            yield f"{column} = ?", text(wanted)
    if query.error is not None:
        yield "error IS NOT NULL AND error_has(error, ?)", text(query.error.casefold())
    if query.armed is not None:
        yield (f"wake_at IS {'NOT ' if query.armed else ''}NULL",)
    yield from _times(query)


def _times(query: TaskQuery) -> Iterator[Condition]:
    for words, wanted in (
        ("updated_at < ?", query.updated_before),
        ("created_at >= ?", query.created_after),
        ("created_at < ?", query.created_before),
    ):
        if wanted is not None:
            yield words, micros(wanted)


def _of_rows(query: TaskQuery) -> Iterator[Condition]:
    """Give the conditions that the index would have met."""
    if query.states != ALL:
        yield f"state {_IN}", json_list(query.states)
    if query.queues:
        yield f"queue {_IN}", json_list(query.queues)
    if not query.include_deleted:
        yield ("deleted_at IS NULL",)
    if not query.include_archived:
        yield ("archived_at IS NULL",)


def _with(statement: str, conditions: Sequence[Condition]) -> str:
    return statement.format("".join(f" AND {words}" for words, *_ in conditions))


def _values(conditions: Sequence[Condition]) -> list[object]:
    return list(chain.from_iterable(values for _, *values in conditions))


def stats(transaction: Transaction) -> list[QueueStats]:
    """Count rows by queue and state.

    The oldest open task is looked for among the first thousand of each state, and the mean
    duration is that of the last thousand that succeeded, and of as many archived ones: neither
    reads a whole backlog.
    """
    by_queue: defaultdict[str, dict[TaskState, int]] = defaultdict(dict)
    for queue, state, number in transaction.all(statements.STATS):
        by_queue[queue][STATES[state]] = number
    return [
        QueueStats(
            queue=queue,
            by_state=by_state,
            oldest_open=_oldest_open(transaction, queue, by_state),
            mean_duration=_mean_duration(transaction, queue),
        )
        for queue, by_state in sorted(by_queue.items())
    ]


def _oldest_open(
    transaction: Transaction, queue: str, by_state: dict[TaskState, int]
) -> datetime | None:
    oldest = [
        transaction.all(statements.OLDEST_OPEN, (state.value, queue))[0][0]
        for state in OPEN & by_state.keys()
    ]
    return moment(min(oldest)) if oldest else None


def _mean_duration(transaction: Transaction, queue: str) -> timedelta | None:
    rows = [transaction.all(each, (queue,))[0] for each in statements.DURATIONS]
    number = sum(row[0] for row in rows)
    total = sum(row[1] or 0 for row in rows)
    return timedelta(microseconds=total) / number if number else None
