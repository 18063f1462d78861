"""The log on a server: rows in a hash, indexes beside it, attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.errors import ConfigurationError
from longshore.protocol import Recorded
from longshore.task import FINAL
from longshore.task_log import Count, TaskLogCapabilities
from longshore.together import Settlement
from longshore_adapters.redis import finishing, recording
from longshore_adapters.redis.claiming import Claims
from longshore_adapters.redis.finishing import CHANGE
from longshore_adapters.redis.ledger import Ledger
from longshore_adapters.redis.limits import FIT, MAX_ROW
from longshore_adapters.redis.listing import Listing
from longshore_adapters.redis.pruning import Pruner
from longshore_adapters.redis.scalars import raw
from longshore_adapters.redis.wire import to_attempt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.protocol import (
        Change,
        Changed,
        Claim,
        Claimed,
        Finished,
        Note,
        Outcome,
        Record,
        Renewal,
        Renewed,
    )
    from longshore.task import Attempt, Task, TaskState
    from longshore.task_log import Page, QueueStats, TaskQuery
    from longshore_adapters.redis.connection import Connection

_ONLY_FINAL = "only final states can be pruned: succeeded, failed, cancelled, expired"


class RedisTaskLog:
    """The rows of an open server."""

    def __init__(self, connection: Connection, capabilities: TaskLogCapabilities) -> None:
        """Serve one connection."""
        self._connection = connection
        self._capabilities = capabilities
        self._ledger = Ledger(connection)
        self._claims = Claims(connection, self._ledger)
        self._listing = Listing(connection, self._ledger)
        self._pruner = Pruner(connection, self._ledger)

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """As durable as the server was found to be when it was opened."""
        return self._capabilities

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows that are absent."""
        self._connection.check_open()
        errors = [FIT.record(record) for record in records]
        fitting = [one for one, error in zip(records, errors, strict=True) if error is None]
        done = await recording.insert(self._connection, fitting, silent=True) if fitting else []
        inserted = iter(done)
        return [
            next(inserted)
            if error is None
            else Recorded(task_id=one.spec.id, inserted=False, state=one.state, error=error)
            for one, error in zip(records, errors, strict=True)
        ]

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim."""
        self._connection.check_open()
        return await self._claims.claim(claims)

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Move the ends of leases."""
        self._connection.check_open()
        return await self._claims.renew(renewals) if renewals else []

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """Decide each finish."""
        self._connection.check_open()
        ends = [Settlement(outcome=outcome, delivery=None) for outcome in outcomes]
        return await finishing.settle(self._connection, self._ledger, ends)

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Decide each change."""
        self._connection.check_open()
        return await self._ledger.decide(CHANGE, changes)

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress under the token."""
        self._connection.check_open()
        return await self._claims.note(notes)

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows."""
        self._connection.check_open()
        _, seen = await self._ledger.seen(ids, whole=True)
        return [seen[task_id].task for task_id in ids]

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows, newest first."""
        return await self._listing.find(query, limit, cursor)

    async def count(self, query: TaskQuery) -> Count:
        """Count matching rows; exact."""
        return Count(value=await self._listing.count(query))

    async def stats(self) -> list[QueueStats]:
        """Count rows by queue and state."""
        return await self._listing.stats()

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List rows whose wake-up has come."""
        return await self._listing.due(before, limit)

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List ended attempts, by the tokens that the task has had."""
        _, seen = await self._ledger.seen([task_id], whole=False)
        task = seen[task_id].task
        if task is None or task.token == 0:
            return []
        names = [raw(f"{task_id}:{token}") for token in range(1, task.token + 1)]
        found = await self._connection.command(b"HMGET", self._connection.keys.log[2], *names)
        return [to_attempt(task_id, tried) for tried in found if tried is not None]

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove old final rows, but none that has a message on this server."""
        self._connection.check_open()
        if not states <= FINAL:
            raise ConfigurationError(_ONLY_FINAL)
        return await self._pruner.prune(states, before, limit)


def capabilities(*, clock: str, survives: str) -> TaskLogCapabilities:
    """Say what the log can do, by whose clock, on a server that keeps what `survives` says."""
    return TaskLogCapabilities(adapter="redis", clock=clock, max_row=MAX_ROW, survives=survives)
