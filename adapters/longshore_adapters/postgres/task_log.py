"""The log in a database: rows of the table `task`, attempts of the table `attempt`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from longshore import protocol
from longshore.errors import ConfigurationError
from longshore.protocol import Finished, Recorded
from longshore.task import FINAL
from longshore.task_log import Count, TaskLogCapabilities
from longshore_adapters.postgres import (
    claiming,
    finishing,
    listing,
    pruning,
    recording,
    statements,
)
from longshore_adapters.postgres.connection import LONG_ANSWER, patience_for
from longshore_adapters.postgres.limits import FIT, MAX_ROW
from longshore_adapters.postgres.wire import to_attempt, to_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.identity import TaskId
    from longshore.protocol import (
        Change,
        Changed,
        Claim,
        Claimed,
        Note,
        Outcome,
        Record,
        Renewal,
        Renewed,
    )
    from longshore.task import Attempt, Task, TaskState
    from longshore.task_log import Page, QueueStats, TaskQuery
    from longshore_adapters.postgres.database import Database


class PostgresTaskLog:
    """The rows of an open database."""

    def __init__(self, database: Database) -> None:
        """Serve the database's rows."""
        self._database = database

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """Durable as the server is set up, shared by all who reach it, by its clock."""
        return TaskLogCapabilities(
            adapter="postgres",
            clock=self._database.options.clock,
            max_row=MAX_ROW,
            survives=self._database.survives,
        )

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows that are absent."""
        errors = [FIT.record(record) for record in records]
        if any(errors):
            return await self._record_fitting(records, errors)
        return await self._database.run(partial(recording.record, records=records, sends=False))

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim."""
        return await claiming.claim(self._database, claims)

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Decide each renewal."""
        patience = min((patience_for(renewal.lease) for renewal in renewals), default=None)
        renew = partial(claiming.renew, renewals=renewals)
        return await self._database.run(renew, patience=patience)

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """Decide each finish."""
        errors = [FIT.outcome(outcome) for outcome in outcomes]
        fitting = [
            outcome for outcome, error in zip(outcomes, errors, strict=True) if error is None
        ]
        finished = iter(await finishing.finish(self._database, fitting))
        return [
            next(finished) if error is None else await refused(self._database, outcome, error)
            for outcome, error in zip(outcomes, errors, strict=True)
        ]

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Decide each change."""
        return await self._database.run(partial(finishing.transition, changes=changes))

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress under the token."""
        return await self._database.run(partial(claiming.note, notes=notes))

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows."""
        rows = await self._database.run(lambda s: s.all(statements.TASKS_BY_ID, ids=list(ids)))
        found = {row[1]: to_task(row) for row in rows}
        return [found.get(task_id) for task_id in ids]

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows, newest first."""
        look = partial(listing.find, query=query, limit=limit, cursor=cursor)
        return await self._database.run(look, patience=LONG_ANSWER)

    async def count(self, query: TaskQuery) -> Count:
        """Count matching rows."""
        number = partial(listing.count, query=query)
        return Count(value=await self._database.run(number, patience=LONG_ANSWER))

    async def stats(self) -> list[QueueStats]:
        """Count rows by queue and state; see `listing.stats` for how far it looks."""
        return await self._database.run(listing.stats, patience=LONG_ANSWER)

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List rows whose wake-up has come."""
        rows = await self._database.run(
            lambda session: session.all(statements.DUE, before=before, limit=limit)
        )
        return list(map(to_task, rows))

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List ended attempts."""
        rows = await self._database.run(lambda s: s.all(statements.ATTEMPTS, id=task_id))
        return [to_attempt(task_id, row) for row in rows]

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove old final rows, but none that has a message in this database."""
        if not states <= FINAL:
            message = "only final states can be pruned: succeeded, failed, cancelled, expired"
            raise ConfigurationError(message)
        prune = partial(pruning.prune, states=states, before=before, limit=limit)
        return await self._database.run(prune, patience=LONG_ANSWER)

    async def _record_fitting(
        self, records: Sequence[Record], errors: Sequence[LongshoreError | None]
    ) -> list[Recorded]:
        pairs = list(zip(records, errors, strict=True))
        recorded = iter(await self.record([record for record, error in pairs if error is None]))
        return [
            next(recorded)
            if error is None
            else Recorded(task_id=record.spec.id, inserted=False, state=record.state, error=error)
            for record, error in pairs
        ]


async def refused(database: Database, outcome: Outcome, error: LongshoreError) -> Finished:
    """Answer a finish that the log cannot hold: nothing changed."""
    [row] = await PostgresTaskLog(database).get([outcome.task_id])
    return protocol.refused(outcome, row, error)
