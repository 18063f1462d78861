"""A log that keeps nothing: every task is new to it, and every end is accepted.

It answers so that a worker settles each message by the outcome alone. What it cannot take over
from the broker it does not pretend to: no answer of its own lets a message be acknowledged
before the task has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore import protocol
from longshore.errors import ConfigurationError
from longshore.protocol import Changed, Recorded, Renewed
from longshore.task import FINAL
from longshore.task_log import Count, Page, TaskLogCapabilities

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.protocol import (
        Change,
        Claim,
        Claimed,
        Finished,
        Note,
        Outcome,
        Record,
        Renewal,
    )
    from longshore.task import Attempt, Task, TaskState
    from longshore.task_log import QueueStats, TaskQuery
    from longshore_adapters.null.connection import Connection

CAPABILITIES = TaskLogCapabilities(
    adapter="null", durable=False, shared=False, clock="host", exact_counts=False
)


class NullTaskLog:
    """No rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """Nothing is kept, so nothing can be counted."""
        return CAPABILITIES

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Say that each row is new, and forget it."""
        self._connection.check()
        return [Recorded(task_id=each.spec.id, inserted=True, state=each.state) for each in records]

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Let everybody win whatever is due and not expired, at the attempt the broker counts.

        An early task is not scheduled here: its message must be released, not acknowledged.
        """
        self._connection.check()
        now = self._connection.clock.now()
        return [protocol.claim_unlogged(bid, now) for bid in claims]

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Say that each lease holds: the broker's is all there is."""
        self._connection.check()
        return [Renewed(task_id=each.task_id, ok=True) for each in renewals]

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """Accept each end; a retry or a give-back is its message's, released with the delay."""
        self._connection.check()
        return [protocol.finish_unlogged(outcome) for outcome in outcomes]

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Refuse: there is no row to change."""
        self._connection.check()
        return [Changed(task_id=each.task_id, applied=False, task=None) for each in changes]

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Discard progress."""
        self._connection.check()
        return [True] * len(notes)

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Know no row."""
        self._connection.check()
        return [None] * len(ids)

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Find nothing."""
        del query, limit, cursor
        self._connection.check()
        return Page(tasks=())

    async def count(self, query: TaskQuery) -> Count:
        """Count nothing, which says nothing of how many there are."""
        del query
        self._connection.check()
        return Count(value=0, exact=False)

    async def stats(self) -> list[QueueStats]:
        """Know no queue."""
        self._connection.check()
        return []

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """Know of nothing that is due."""
        del before, limit
        self._connection.check()
        return []

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """Know of no attempt."""
        del task_id
        self._connection.check()
        return []

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove nothing."""
        del before, limit
        self._connection.check()
        if not states <= FINAL:
            message = "only final states can be pruned: succeeded, failed, cancelled, expired"
            raise ConfigurationError(message)
        return 0
