"""Finding, counting and summing up rows, for the reader.

A list of some states is read from the index `task_state`, one (state, queue) after the other,
each newest first; so the few failed of a million rows are found at once. A list of all states is
read from the newest row down.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from longshore.task import ALL, OPEN, TaskState
from longshore.task_log import Page, QueueStats
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.scalars import json_list, maybe_moment, micros, moment, text
from longshore_adapters.sqlite.wire import STATES, to_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.task import Task
    from longshore.task_log import TaskQuery
    from longshore_adapters.sqlite.connection import Transaction

_NEWEST = 2**63 - 1


class _Conditions(NamedTuple):
    """What a statement adds to its WHERE, and the parameters of it."""

    words: str
    values: list[object]


def find(transaction: Transaction, query: TaskQuery, limit: int, cursor: str | None) -> Page:
    """List rows, newest first."""
    before = _NEWEST if cursor is None else int(cursor)
    seqs = _newest(transaction, query, before, limit + 1) if limit > 0 else []
    page = seqs[:limit]
    rows = transaction.all(statements.TASKS_BY_SEQ, (json_list(page),))
    rows.sort(reverse=True)
    more = len(seqs) > limit
    return Page(tasks=tuple(map(to_task, rows)), cursor=str(page[-1]) if more else None)


def count(transaction: Transaction, query: TaskQuery) -> int:
    """Count matching rows."""
    if not _by_index(query):
        conditions = _conditions(query, _states(query), *_hidden(query), *_queues(query))
        statement = statements.COUNT.format(conditions.words)
        [(found,)] = transaction.all(statement, (_NEWEST, *conditions.values))
        return int(found)
    conditions = _conditions(query)
    statement = statements.COUNT_OF.format(conditions.words)
    return sum(
        transaction.all(statement, (state, queue, _NEWEST, *conditions.values))[0][0]
        for state, queue in _pairs(transaction, query)
    )
