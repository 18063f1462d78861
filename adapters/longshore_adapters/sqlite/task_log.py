"""The log in a file: rows of the table `task`, attempts of the table `attempt`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from longshore import protocol
from longshore.errors import ConfigurationError
from longshore.protocol import Finished, Recorded
from longshore.task import FINAL
from longshore.task_log import Count, TaskLogCapabilities
from longshore_adapters.sqlite import claiming, finishing, listing, pruning, recording, statements
from longshore_adapters.sqlite.drafting import silent_drafts
from longshore_adapters.sqlite.limits import FIT, MAX_ROW
from longshore_adapters.sqlite.scalars import json_list, micros
from longshore_adapters.sqlite.wire import to_attempt, to_task

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
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.file import File

_SURVIVES: Final = {
    "off": "the death of a process, not that of the system",
    "normal": "the death of a process; a power cut may undo the last seconds",
    "full": "the death of a process, and a power cut",
    "extra": "the death of a process, and a power cut",
}


class SqliteTaskLog:
    """The rows of an open file."""

    def __init__(self, file: File) -> None:
        """Serve the file's rows."""
        self._file = file

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """Durable and shared by the processes of one host, whose clock it goes by."""
        synchronous = self._file.options.synchronous
        survives = f"{_SURVIVES[synchronous]} (WAL, synchronous={synchronous.upper()})"
        return TaskLogCapabilities(
            adapter="sqlite", clock="host", max_row=MAX_ROW, survives=survives
        )

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows that are absent."""
        errors = [FIT.record(record) for record in records]
        if any(errors):
            return await self._record_fitting(records, errors)
        drafts = silent_drafts(records, micros(self._file.clock.now()))
        states = await self._file.write(partial(recording.insert_drafts, drafts=drafts))
        return recording.answers(records, states)

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim."""
        return await self._file.write(partial(claiming.claim, bids=claims))

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Decide each renewal."""
        return await self._file.write(partial(claiming.renew, renewals=renewals))

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """Decide each finish."""
        errors = [FIT.outcome(outcome) for outcome in outcomes]
        fitting = [
            outcome for outcome, error in zip(outcomes, errors, strict=True) if error is None
        ]
        finished = iter(await self._file.write(partial(finishing.finish, outcomes=fitting)))
        return [
            next(finished) if error is None else await refused(self._file, outcome, error)
            for outcome, error in zip(outcomes, errors, strict=True)
        ]

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Decide each change."""
        return await self._file.write(partial(finishing.transition, changes=changes))

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress under the token."""
        return await self._file.write(partial(claiming.note, notes=notes))

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows."""

        def read(transaction: Transaction) -> dict[str, Task]:
            rows = transaction.all(statements.TASKS_BY_ID, (json_list(ids),))
            return {row[1]: to_task(row) for row in rows}

        found = await self._file.read(read)
        return [found.get(task_id) for task_id in ids]

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows, newest first."""
        look = partial(listing.find, query=query, limit=limit, cursor=cursor)
        return await self._file.read(look)

    async def count(self, query: TaskQuery) -> Count:
        """Count matching rows."""
        return Count(value=await self._file.read(partial(listing.count, query=query)))

    async def stats(self) -> list[QueueStats]:
        """Count rows by queue and state; see `listing.stats` for how far it looks."""
        return await self._file.read(listing.stats)

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List rows whose wake-up has come."""

        def read(transaction: Transaction) -> list[Task]:
            return [
                to_task(row) for row in transaction.all(statements.DUE, (micros(before), limit))
            ]

        return await self._file.read(read)

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List ended attempts."""

        def read(transaction: Transaction) -> list[Attempt]:
            rows = transaction.all(statements.ATTEMPTS, (task_id,))
            return [to_attempt(task_id, row) for row in rows]

        return await self._file.read(read)

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove old final rows, but none that has a message in this file."""
        if not states <= FINAL:
            message = "only final states can be pruned: succeeded, failed, cancelled, expired"
            raise ConfigurationError(message)
        end = micros(before)
        look = partial(pruning.look, states=states, before=end, limit=limit)
        found = await self._file.read(look)
        if not found.rows:
            return 0
        return await self._file.write(partial(pruning.prune, found=found, before=end))

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


async def refused(file: File, outcome: Outcome, error: LongshoreError) -> Finished:
    """Answer a finish that the log cannot hold: nothing changed."""
    [row] = await SqliteTaskLog(file).get([outcome.task_id])
    return protocol.refused(outcome, row, error)
