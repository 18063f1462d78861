"""Logs that are counted: what claims and settlements came to."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from longshore.protocol import Answer, Settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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
    from longshore.task_log import Count, Page, QueueStats, TaskLog, TaskLogCapabilities, TaskQuery
    from longshore.telemetry.seam import Seam
    from longshore.together import Settlement, SyncTogether, Together


class InstrumentedLog:
    """A task log as it is, with a record of what its claims and its due rows say."""

    def __init__(self, log: TaskLog, seam: Seam) -> None:
        """Offer what `log` offers."""
        self._log = log
        self._seam = seam

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """The log's."""
        return self._log.capabilities

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows."""
        return await self._log.record(records)

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Claim; count rescues, and messages whose task had ended."""
        answers = await self._log.claim(claims)
        for bid, answer in zip(claims, answers, strict=True):
            if answer.answer is Answer.DONE:
                self._seam.duplicate(bid.spec.queue)
            elif answer.answer is Answer.WON and answer.rescues:
                self._seam.rescued(bid.spec.queue, bid.spec.name)
        return answers

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Renew leases."""
        return await self._log.renew(renewals)

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """End attempts."""
        return await self._log.finish(outcomes)

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Change rows."""
        return await self._log.transition(changes)

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress."""
        return await self._log.note(notes)

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows."""
        return await self._log.get(ids)

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows."""
        return await self._log.find(query, limit=limit, cursor=cursor)

    async def count(self, query: TaskQuery) -> Count:
        """Count rows."""
        return await self._log.count(query)

    async def stats(self) -> list[QueueStats]:
        """Count rows by queue."""
        return await self._log.stats()

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List due rows; how late the latest of them is, is the scheduler's lag."""
        rows = await self._log.due(before=before, limit=limit)
        woken = [row.wake_at for row in rows if row.wake_at is not None]
        late = before - min(woken, default=before)
        self._seam.lagged(max(late.total_seconds(), 0.0))
        return rows

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List attempts."""
        return await self._log.attempts(task_id)

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove rows."""
        return await self._log.prune(states=states, before=before, limit=limit)


class InstrumentedTogether:
    """Queue and log as one, with a record of what was sent and of what died."""

    def __init__(self, together: Together, seam: Seam) -> None:
        """Offer what `together` offers."""
        self._together = together
        self._seam = seam

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and send their messages."""
        began = time.perf_counter()
        error: str | None = None
        recorded: list[Recorded] = []
        try:
            recorded = await self._together.enqueue(records)
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            _enqueued(self._seam, records, recorded, time.perf_counter() - began, error)
        return recorded

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        """Finish attempts and settle their messages."""
        began = time.time_ns()
        answers = await self._together.settle(settlements)
        took = (time.time_ns() - began) / 1e9
        verbs = {Settle.ACK: "ack", Settle.RELEASE: "release", Settle.DEAD_LETTER: "reject"}
        done: Counter[tuple[str, str]] = Counter()
        dead: defaultdict[str, list[str]] = defaultdict(list)
        for one, answer in zip(settlements, answers, strict=True):
            verb = verbs.get(answer.settle)
            if verb is not None and one.delivery is not None:
                done[one.delivery.queue, verb] += 1
                if answer.settle is Settle.DEAD_LETTER:
                    dead[one.delivery.queue].append(answer.reason or "")
        for (queue, verb), count in done.items():
            self._seam.timed(verb, queue, took, None)
            self._seam.settled(verb, queue, count, began)
        for queue, reasons in dead.items():
            self._seam.died(queue, reasons)
        return answers


class InstrumentedSyncTogether:
    """The enqueueing half, in the caller's thread."""

    def __init__(self, together: SyncTogether, seam: Seam) -> None:
        """Offer what `together` offers."""
        self._together = together
        self._seam = seam

    def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and send their messages."""
        began = time.perf_counter()
        error: str | None = None
        recorded: list[Recorded] = []
        try:
            recorded = self._together.enqueue(records)
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            _enqueued(self._seam, records, recorded, time.perf_counter() - began, error)
        return recorded


def _enqueued(
    seam: Seam,
    records: Sequence[Record],
    recorded: Iterable[Recorded],
    took: float,
    error: str | None,
) -> None:
    """Count a call by queue; a row that was there already, or waits, sends nothing."""
    sent: Counter[str] = Counter()
    if error is None:
        for record, got in zip(records, recorded, strict=True):
            sent[record.spec.queue] += got.inserted and not record.armed
    else:
        sent.update(record.spec.queue for record in records)
    for queue, count in sent.items():
        seam.timed("send", queue, took, error)
        if count:
            seam.counted(queue, count, error)
