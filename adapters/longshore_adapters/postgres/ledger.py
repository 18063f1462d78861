"""Rows that `longshore.protocol` decides about: locked and read, changed in memory, written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from longshore_adapters.postgres import statements
from longshore_adapters.postgres.wire import attempt_row, changing_row, spec_row, to_task

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.task import Attempt, Task
    from longshore_adapters.postgres.session import Session


class Ledger:
    """Some rows inside one transaction. Items of a batch see what those before them wrote."""

    def __init__(self, session: Session, tasks: Iterable[Task], now: datetime) -> None:
        """Hold rows as they stood at `now`."""
        self.now = now
        self._session = session
        self._tasks = {task.id: task for task in tasks}
        self._there = frozenset(self._tasks)
        self._changed: dict[TaskId, Task] = {}
        self._attempts: list[Attempt] = []

    @classmethod
    async def read(cls, session: Session, ids: Iterable[TaskId]) -> Self:
        """Lock the rows of `ids`, and read them; the time is taken once they are ours."""
        locking = await session.begun(statements.LOCK_BY_ID, ids=list(set(ids)))
        now = await session.now()
        return cls(session, map(to_task, await locking.fetchall()), now)

    def get(self, task_id: TaskId) -> Task | None:
        """Give the row as it stands."""
        return self._tasks.get(task_id)

    def write(self, task: Task | None, attempt: Attempt | None) -> None:
        """Take a decision over; None means that there is nothing to write."""
        if task is not None:
            self._tasks[task.id] = self._changed[task.id] = task
        if attempt is not None:
            self._attempts.append(attempt)

    async def flush(self) -> None:
        """Write what has changed, and the attempts.

        Rows that are new are inserted in the order of their ids, so that of two claims of the same
        ones neither waits for the other in a circle.
        """
        for task_id, task in sorted(self._changed.items()):
            row = changing_row(task)
            if task_id in self._there:
                await self._session.put(statements.UPDATE_TASK, (*row, task_id))
            else:
                await self._session.put(statements.INSERT_TASK, (*spec_row(task.spec), *row))
        for attempt in self._attempts:
            await self._session.put(statements.INSERT_ATTEMPT, attempt_row(attempt))
