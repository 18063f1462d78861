"""Rows that `longshore.protocol` decides about: read once, changed in memory, written once."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.scalars import json_list
from longshore_adapters.sqlite.wire import attempt_row, changing_row, spec_row, to_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from longshore.identity import TaskId
    from longshore.task import Attempt, Task
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.wire import Row


class Ledger:
    """Some rows inside one transaction. Items of a batch see what those before them wrote."""

    def __init__(self, transaction: Transaction, ids: Iterable[TaskId]) -> None:
        """Read the rows of `ids`."""
        self._transaction = transaction
        rows = transaction.all(statements.TASKS_BY_ID, (json_list(ids),))
        self._tasks = {row[1]: to_task(row) for row in rows}
        self._seqs = {row[1]: row[0] for row in rows}
        self._had_body = {task_id: task.body is not None for task_id, task in self._tasks.items()}
        self._changed: dict[TaskId, Task] = {}
        self._attempts: list[Attempt] = []

    def get(self, task_id: TaskId) -> Task | None:
        """Give the row as it stands."""
        return self._tasks.get(task_id)

    def write(self, task: Task | None, attempt: Attempt | None) -> None:
        """Take a decision over; None means that there is nothing to write."""
        if task is not None:
            self._tasks[task.id] = self._changed[task.id] = task
        if attempt is not None:
            self._attempts.append(attempt)

    def flush(self) -> None:
        """Write what has changed, and the attempts."""
        new = [task for task_id, task in self._changed.items() if task_id not in self._seqs]
        old = [task for task_id, task in self._changed.items() if task_id in self._seqs]
        self._update(old)
        self._insert(new)
        rows = [attempt_row(self._seqs[attempt.task_id], attempt) for attempt in self._attempts]
        insert(self._transaction, statements.INSERT_ATTEMPTS, rows)

    def _update(self, tasks: Sequence[Task]) -> None:
        stripped: list[int] = []
        for task in tasks:
            seq = self._seqs[task.id]
            self._transaction.run(statements.UPDATE_TASK, (*changing_row(task), seq))
            if task.body is not None and not self._had_body[task.id]:
                self._transaction.run(statements.KEEP_PAYLOAD, (seq, task.body))
            if task.body is None and self._had_body[task.id]:
                stripped.append(seq)
        if stripped:
            self._transaction.run(statements.DROP_PAYLOADS, (json_list(stripped),))

    def _insert(self, tasks: Sequence[Task]) -> None:
        rows = [(*spec_row(task.spec), *changing_row(task)) for task in tasks]
        for row in insert(self._transaction, statements.INSERT_TASKS, rows):
            self._seqs[row[1]] = row[0]
        bodies = [
            (self._seqs[task.id], task.spec.body if task.body is None else task.body)
            for task in tasks
        ]
        insert(self._transaction, statements.INSERT_PAYLOADS, bodies)


def insert(transaction: Transaction, sized: Mapping[int, str], rows: Sequence[Row]) -> list[Row]:
    """Insert many rows with few statements; answer what those return."""
    returned: list[Row] = []
    for portion in statements.portions(rows):
        values = list(chain.from_iterable(portion))
        returned += transaction.all(sized[len(portion)], values)
    return returned
