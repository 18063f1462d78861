"""How much of a queue's tasks is logged: a log around a log, which leaves out what is not wanted.

| level | row | promises |
|---|---|---|
| full | from the enqueue on | all |
| claims | from the claim on, without its body until it is needed | all; what waits is not seen |
| failures | of a task that failed for good | the broker's: no fence, receives count as attempts |
| off | none | the same |
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from longshore.errors import StorageError, UnavailableError, UnsupportedError
from longshore.protocol import (
    UNFENCED,
    Changed,
    Claim,
    End,
    Recorded,
    Renewed,
    claim_unlogged,
    finish_unlogged,
)
from longshore.quick import replace
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from longshore.clock import Clock
    from longshore.identity import TaskId
    from longshore.protocol import (
        Change,
        Claimed,
        Finished,
        Note,
        Outcome,
        Record,
        Renewal,
    )
    from longshore.task import Attempt, Task
    from longshore.task_log import (
        Count,
        Page,
        QueueStats,
        TaskLog,
        TaskLogCapabilities,
        TaskQuery,
    )

Q = TypeVar("Q")
A = TypeVar("A")


class Level(StrEnum):
    """What is written of a task."""

    FULL = "full"
    CLAIMS = "claims"
    FAILURES = "failures"
    OFF = "off"


UNLOGGED = frozenset({Level.FAILURES, Level.OFF})
"""Levels at which a waiting task is its message, and nothing else."""


class LevelledLog:
    """A `TaskLog` that writes of each queue's tasks what its level says, and reads as the inner.

    What was claimed without the log has the token `UNFENCED`, and whoever has it is believed.
    """

    def __init__(self, log: TaskLog, level: Callable[[str], Level], clock: Clock) -> None:
        """`level` answers for a queue's name."""
        self._log = log
        self._level = level
        self._clock = clock

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """The inner log's."""
        return self._log.capabilities

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert what the level wants seen; `UnsupportedError` for a wait that none would keep."""
        return await _split(records, self._is_recorded, self._log.record, self._pass_over)

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Claim in the log, or, where the queue has none, by the message alone."""
        bids = [
            replace(one, lean=True) if self._level_of(one) is Level.CLAIMS else one
            for one in claims
        ]
        return await _split(bids, self._is_logged, self._log.claim, self._believe)

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Renew in the log; without it the broker's lease is all there is."""
        return await _split(renewals, _fenced, self._log.renew, _kept)

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """End attempts; of those without a row, write a final failure where the level wants it."""
        wanted = [
            (one, one.claim)
            for one in outcomes
            if one.claim is not None and not _fenced(one) and self._wants(one, one.claim)
        ]
        refused = await self._keep(wanted) if wanted else {}
        answers = await _split(outcomes, _fenced, self._log.finish, finish_unlogged)
        return [refused.get(one.task_id, one) for one in answers] if refused else answers

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Change rows; refused for a holder that has none."""
        return await _split(changes, self._reaches, self._log.transition, _unchanged)

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress of what has a row."""
        return await _split(notes, _fenced, self._log.note, lambda _: True)

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows of the inner log."""
        return await self._log.get(ids)

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows of the inner log."""
        return await self._log.find(query, limit=limit, cursor=cursor)

    async def count(self, query: TaskQuery) -> Count:
        """Count rows of the inner log."""
        return await self._log.count(query)

    async def stats(self) -> list[QueueStats]:
        """Count rows of the inner log by queue."""
        return await self._log.stats()

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List due rows of the inner log."""
        return await self._log.due(before=before, limit=limit)

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List attempts in the inner log."""
        return await self._log.attempts(task_id)

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove rows of the inner log."""
        return await self._log.prune(states=states, before=before, limit=limit)

    def _level_of(self, one: Record | Claim) -> Level:
        return self._level(one.spec.queue)

    def _is_logged(self, one: Record | Claim) -> bool:
        """Whether a row is to be; what was published from one is claimed in it at any level."""
        published = isinstance(one, Claim) and one.logged
        return published or self._level_of(one) in {Level.FULL, Level.CLAIMS}

    def _reaches(self, change: Change) -> bool:
        """Whether a row may be there to change; no claim would see a tombstone where none looks."""
        unread = change.spec is not None and self._level(change.spec.queue) in UNLOGGED
        return _has_row(change) and not unread

    def _is_recorded(self, one: Record) -> bool:
        return self._is_logged(one) and (one.armed or self._level_of(one) is Level.FULL)

    def _pass_over(self, one: Record) -> Recorded:
        """Leave out a row whose message is on its way; a row that is to send one is needed."""
        error = None
        if one.armed:
            option = "a key, or a delay that its broker cannot hold"
            what = f"queue {one.spec.queue!r}, which logs no claims,"
            error = UnsupportedError(what, option, "set its log to claims or full")
        inserted = error is None
        return Recorded(task_id=one.spec.id, inserted=inserted, state=one.state, error=error)

    def _believe(self, bid: Claim) -> Claimed:
        return claim_unlogged(bid, self._clock.now())

    def _wants(self, outcome: Outcome, bid: Claim) -> bool:
        failed = outcome.end is End.FAILURE and outcome.retry_in is None
        return failed and self._level_of(bid) is Level.FAILURES

    async def _keep(self, failed: Sequence[tuple[Outcome, Claim]]) -> dict[TaskId, Finished]:
        """Write rows of tasks that failed for good; repeated, it is answered alike.

        Answers those that the log cannot hold so. A log that takes no claim is away: only what it
        then says is about the outcome.
        """
        try:
            claimed = await self._log.claim([bid for _, bid in failed])
        except StorageError as error:
            raise UnavailableError(str(error)) from error
        answers = await self._log.finish(
            [replace(one, token=won.token) for (one, _), won in zip(failed, claimed, strict=True)]
        )
        return {one.task_id: one for one in answers if one.error is not None}


def _fenced(one: Renewal | Outcome | Note) -> bool:
    return one.token != UNFENCED


def _has_row(change: Change) -> bool:
    """Whether a row may be there; one that was never claimed has that token too."""
    return change.token != UNFENCED or change.state is not TaskState.RUNNING


def _kept(renewal: Renewal) -> Renewed:
    return Renewed(task_id=renewal.task_id, ok=True)


def _unchanged(change: Change) -> Changed:
    return Changed(task_id=change.task_id, applied=False, task=None)


async def _split(
    items: Sequence[Q],
    logged: Callable[[Q], bool],
    inner: Callable[[Sequence[Q]], Awaitable[list[A]]],
    other: Callable[[Q], A],
) -> list[A]:
    """Ask the inner log for those that are logged, `other` for each of the rest, in order."""
    mine = [logged(item) for item in items]
    if all(mine):
        return await inner(items)
    some = [item for item, is_mine in zip(items, mine, strict=True) if is_mine]
    answers = iter(await inner(some) if some else [])
    pairs = zip(items, mine, strict=True)
    return [next(answers) if is_mine else other(item) for item, is_mine in pairs]
