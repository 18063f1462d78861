"""The log in memory: rows in a dictionary, each change decided by `longshore.protocol`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from longshore import protocol
from longshore.errors import ConfigurationError, TooLargeError
from longshore.protocol import Changed, Finished, Recorded, Settle
from longshore.quick import replace
from longshore.task import FINAL, TaskState
from longshore.task_log import Count, Page, QueueTally, TaskLogCapabilities

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.protocol import (
        Change,
        Claim,
        Claimed,
        Note,
        Outcome,
        Record,
        Renewal,
        Renewed,
    )
    from longshore.task import Attempt, Task
    from longshore.task_log import QueueStats, TaskQuery
    from longshore_adapters.memory.server import Connection, MemoryServer

CAPABILITIES = TaskLogCapabilities(
    adapter="memory", durable=False, shared=False, clock="host", survives="nothing but its process"
)


class MemoryTaskLog:
    """The rows of a `MemoryServer`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """Nothing is durable here."""
        return CAPABILITIES

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows that are absent."""
        with self._connection.use() as server:
            return [insert(server, record) for record in records]

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim."""
        with self._connection.use() as server:
            return [_claim(server, bid) for bid in claims]

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Decide each renewal."""
        with self._connection.use() as server:
            return [_renew(server, renewal) for renewal in renewals]

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """Decide each finish."""
        with self._connection.use() as server:
            return [end(server, outcome) for outcome in outcomes]

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Decide each change."""
        with self._connection.use() as server:
            return [_change(server, wanted) for wanted in changes]

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress under the token; a part that is None stays as it was."""
        with self._connection.use() as server:
            return [_note(server, note) for note in notes]

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows."""
        with self._connection.use() as server:
            return [server.rows.get(task_id) for task_id in ids]

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows, newest first; the cursor is the place of the last row shown."""
        with self._connection.use() as server:
            place = server.order
            rows = sorted(
                (row for row in server.rows.values() if query.matches(row)),
                key=lambda row: -place[row.id],
            )
            left = [row for row in rows if cursor is None or place[row.id] < int(cursor)]
            page = tuple(left[:limit])
            more = len(left) > limit
            return Page(tasks=page, cursor=str(place[page[-1].id]) if more else None)

    async def count(self, query: TaskQuery) -> Count:
        """Count matching rows."""
        with self._connection.use() as server:
            return Count(value=sum(map(query.matches, server.rows.values())))

    async def stats(self) -> list[QueueStats]:
        """Count rows by queue and state."""
        queues: defaultdict[str, QueueTally] = defaultdict(QueueTally)
        with self._connection.use() as server:
            for row in server.rows.values():
                if row.deleted_at is None:
                    queues[row.spec.queue].add(row)
        return [tally.stats(queue) for queue, tally in sorted(queues.items())]

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List rows whose wake-up has come."""
        with self._connection.use() as server:
            rows = [
                (row.wake_at, server.order[row.id], row)
                for row in server.rows.values()
                if row.wake_at is not None and row.wake_at <= before
            ]
        return [row for _, _, row in sorted(rows, key=lambda item: item[:2])[:limit]]

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List ended attempts."""
        with self._connection.use() as server:
            return list(server.attempts.get(task_id, []))

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove old final rows, but none that has a message on this server."""
        if not states <= FINAL:
            message = "only final states can be pruned: succeeded, failed, cancelled, expired"
            raise ConfigurationError(message)
        with self._connection.use() as server:
            standing = {
                held.message.key for queue in server.messages.values() for held in queue.values()
            }
            old = [
                row
                for row in server.rows.values()
                if row.state in states and row.updated_at < before and row.id not in standing
            ]
            old.sort(key=lambda row: row.updated_at)
            _remove(server, [row.id for row in old[:limit]])
            return len(old[:limit])


def insert(server: MemoryServer, record: Record) -> Recorded:
    """Insert one row; like all that follows, it is given the lock."""
    row = server.rows.get(record.spec.id)
    if row is not None:
        return Recorded(task_id=row.id, inserted=False, state=row.state)
    error = too_large(record.spec.body)
    if error is None:
        _write(server, protocol.record(record, server.clock.now()), None)
    return Recorded(task_id=record.spec.id, inserted=error is None, state=record.state, error=error)


def end(server: MemoryServer, outcome: Outcome) -> Finished:
    """Finish one attempt."""
    row = server.rows.get(outcome.task_id)
    after, answer, attempt = protocol.finish(row, outcome, server.clock.now())
    error = None if after is None else too_large(after.body, after.result, after.report)
    if row is not None and error is not None:
        return Finished(
            task_id=row.id,
            accepted=False,
            settle=Settle.LEAVE,
            state=row.state,
            run=row.run,
            error=error,
        )
    _write(server, after, attempt)
    return answer


def too_large(*parts: bytes | None) -> TooLargeError | None:
    """Refuse what is above the row limit together."""
    size, limit = sum(len(part or b"") for part in parts), CAPABILITIES.max_row
    if size <= limit:
        return None
    return TooLargeError("the row", size, limit, "the memory adapter's limit")


def _claim(server: MemoryServer, bid: Claim) -> Claimed:
    row = server.rows.get(bid.spec.id)
    after, answer, lost = protocol.claim(row, bid, server.clock.now())
    _write(server, after, lost)
    return answer


def _renew(server: MemoryServer, renewal: Renewal) -> Renewed:
    row = server.rows.get(renewal.task_id)
    after, answer = protocol.renew(row, renewal, server.clock.now())
    _write(server, after, None)
    return answer


def _change(server: MemoryServer, wanted: Change) -> Changed:
    row = server.rows.get(wanted.task_id)
    after, ended = protocol.change(row, wanted, server.clock.now())
    _write(server, after, ended)
    applied = after is not None
    return Changed(task_id=wanted.task_id, applied=applied, task=after if applied else row)


def _note(server: MemoryServer, note: Note) -> bool:
    row = server.rows.get(note.task_id)
    if row is None or row.state is not TaskState.RUNNING or row.token != note.token:
        return False
    noted = replace(
        row,
        progress=row.progress if note.progress is None else note.progress,
        progress_note=row.progress_note if note.text is None else note.text,
        updated_at=server.clock.now(),
    )
    _write(server, noted, None)
    return True


def _write(server: MemoryServer, row: Task | None, attempt: Attempt | None) -> None:
    if row is not None:
        if row.id not in server.order:
            server.order[row.id] = next(server.numbers)
        server.rows[row.id] = row
    if attempt is not None:
        server.attempts.setdefault(attempt.task_id, []).append(attempt)


def _remove(server: MemoryServer, ids: Sequence[TaskId]) -> None:
    """Remove rows, and the dead letters that are their copies."""
    for task_id in ids:
        del server.rows[task_id], server.order[task_id]
        server.attempts.pop(task_id, None)
    gone = set(ids)
    for dead in server.dead.values():
        for number in [n for n, (_, message) in dead.items() if message.key in gone]:
            del dead[number]
