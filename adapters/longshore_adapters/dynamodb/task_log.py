"""The log in a table: one item for each task, decided about by `longshore.protocol`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.errors import ConfigurationError
from longshore.task import FINAL
from longshore.task_log import Count, TaskLogCapabilities
from longshore_adapters.dynamodb import counting, listing, reading
from longshore_adapters.dynamodb.claiming import Claims
from longshore_adapters.dynamodb.finishing import CHANGE, FINISH, RECORD
from longshore_adapters.dynamodb.ledger import Ledger
from longshore_adapters.dynamodb.limits import MAX_ROW
from longshore_adapters.dynamodb.places import Places
from longshore_adapters.dynamodb.pruning import Pruner
from longshore_adapters.dynamodb.wire import NOT_YET, to_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
        Recorded,
        Renewal,
        Renewed,
    )
    from longshore.task import Attempt, Task, TaskState
    from longshore.task_log import Page, QueueStats, TaskQuery
    from longshore_adapters.dynamodb.connection import Connection
    from longshore_adapters.dynamodb.table import Table
    from longshore_adapters.dynamodb.wire import Seen

CAPABILITIES = TaskLogCapabilities(
    adapter="dynamodb",
    clock="host",
    max_row=MAX_ROW,
    indexed=False,
    survives="the loss of an availability zone: an answered write is in three; a restored backup, "
    "or a global table written in two regions, forgets or doubles writes",
)


class DynamoDbTaskLog:
    """The rows of an open table."""

    def __init__(self, connection: Connection, table: Table, shards: int) -> None:
        """Serve one connection."""
        self._connection = connection
        self._table = table
        self._shards = shards
        self._pruner = Pruner(table)
        self._ledger = Ledger(table, Places(table, shards), connection.clock)
        self._claims = Claims(self._ledger, table, lambda: connection.skewed)

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """Durable and shared; it goes by the caller's clock."""
        return CAPABILITIES

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows that are absent."""
        self._connection.check_open()
        absent = {record.spec.id: NOT_YET for record in records}
        answers, _ = await self._ledger.decide(RECORD, records, absent)
        return answers

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim."""
        self._connection.check_open()
        return await self._claims.claim(claims)

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Move the ends of leases."""
        self._connection.check_open()
        return await self._claims.renew(renewals, self._connection.clock.now())

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """Decide each finish."""
        self._connection.check_open()
        held = self._claims.held([outcome.task_id for outcome in outcomes])
        answers, _ = await self._ledger.decide(FINISH, outcomes, held)
        self._claims.forget(held)
        return answers

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Decide each change; the rows answered are whole."""
        self._connection.check_open()
        answers, rows = await self._ledger.decide(CHANGE, changes, {})
        items = [row.item for row in rows.values() if row.item]
        filled = await reading.filled_all(self._table, items)
        whole = {task.id: task for item in filled if item is not None for task in [to_task(item)]}
        return [_completed(answer, rows, whole) for answer in answers]

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress under the token."""
        self._connection.check_open()
        return await self._claims.note(notes)

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows."""
        self._connection.check_open()
        found = await reading.tasks(self._table, ids)
        return [found.get(task_id) for task_id in ids]

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows, newest first."""
        self._connection.check_open()
        return await listing.find(self._table, query, self._shards, limit=limit, cursor=cursor)

    async def count(self, query: TaskQuery) -> Count:
        """Count matching rows by reading all; see the README for what that costs."""
        self._connection.check_open()
        return Count(value=await counting.count(self._table, query))

    async def stats(self) -> list[QueueStats]:
        """Count rows by queue and state by reading all."""
        self._connection.check_open()
        return await counting.stats(self._table)

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List rows whose wake-up has come."""
        self._connection.check_open()
        return await listing.due(self._table, self._shards, before=before, limit=limit)

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List ended attempts."""
        self._connection.check_open()
        return await reading.attempts(self._table, task_id)

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove old final rows; of more than the limit, those that came in first."""
        self._connection.check_open()
        if not states <= FINAL:
            message = "only final states can be pruned: succeeded, failed, cancelled, expired"
            raise ConfigurationError(message)
        now = self._connection.clock.now()
        return await self._pruner.prune(states=states, before=before, limit=limit, now=now)


def _completed(
    answer: Changed, rows: Mapping[TaskId, Seen], whole: Mapping[TaskId, Task]
) -> Changed:
    """Put the row as it can be read into an answer, with what it keeps in parts."""
    task, left = answer.task, rows[answer.task_id].task
    if task is None or task.id not in whole:
        return answer
    if task is left:
        return replace(answer, task=whole[task.id])
    return replace(answer, task=reading.completed(task, whole[task.id]))
