"""Claiming a task, and keeping it: the table of protocol.md §5 and the renewal of §6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.protocol.values import GRACE, MARGIN, Answer, Claimed, Renewed
from longshore.quick import replace
from longshore.task import FINAL, HELD, Attempt, Reason, Task, TaskState

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.protocol.values import Claim, Renewal


def claim(
    row: Task | None, bid: Claim, now: datetime
) -> tuple[Task | None, Claimed, Attempt | None]:
    """Decide a claim: the row to write (None: leave it), the answer, an attempt found lost."""
    if row is None:
        return _adopt(bid, now)
    if row.state in FINAL:
        return _final(row, bid, now)
    if row.state in HELD:
        return None, _answer(Answer.HELD, row), None
    if row.state is TaskState.RUNNING:
        return _running(row, bid, now)
    return _start(row, bid, now)


def renew(row: Task | None, renewal: Renewal, now: datetime) -> tuple[Task | None, Renewed]:
    """Decide a renewal; an expired lease that nobody took may be renewed."""
    if row is None or row.state is not TaskState.RUNNING or row.token != renewal.token:
        return None, Renewed(task_id=renewal.task_id, ok=False)
    cancel = row.cancel_requested_at is not None
    answer = Renewed(task_id=renewal.task_id, ok=True, cancel_requested=cancel)
    return replace(row, lease_until=now + renewal.lease, updated_at=now), answer


def lease_is_live(row: Task, now: datetime) -> bool:
    """Whether the row's lease, with its margin, still holds."""
    return row.lease_until is not None and row.lease_until + MARGIN >= now


def lost_attempt(row: Task, now: datetime, outcome: str = "lost") -> Attempt:
    """Describe the try that a dead lease, or force, ended."""
    return Attempt(
        task_id=row.id,
        run=row.run,
        number=row.attempts,
        token=row.token,
        worker=row.worker or "",
        outcome=outcome,
        started_at=row.started_at or row.updated_at,
        ended_at=now,
    )


def _adopt(bid: Claim, now: datetime) -> tuple[Task | None, Claimed, Attempt | None]:
    spec = bid.spec
    row = Task(
        spec=spec,
        state=TaskState.QUEUED,
        due_at=bid.due_at,
        expires_at=spec.expires_at,
        updated_at=now,
        body=spec.body,
    )
    if _is_past(row, now):
        row = replace(row, state=TaskState.EXPIRED, finished_at=now)
        return row, _answer(Answer.EXPIRED, row), None
    if bid.due_at > now:
        row = replace(row, state=TaskState.SCHEDULED, wake_at=bid.due_at, wake_no=1)
        early = _answer(Answer.EARLY, row)
        return row, replace(early, until=bid.due_at, armed=True), None
    if bid.lean:
        row = replace(row, spec=replace(spec, body=b""), body=None)
    return _won(row, bid, now, attempts=1)


def _final(row: Task, bid: Claim, now: datetime) -> tuple[Task | None, Claimed, Attempt | None]:
    if row.state is not TaskState.FAILED or bid.stamp != row.run:
        return None, _answer(Answer.DONE, row), None
    again = replace(
        row,
        run=row.run + 1,
        rescues=0,
        expires_at=None,
        cancel_requested_at=None,
        archived_at=None,
        deleted_at=None,
        result=None,
        report=None,
    )
    return _won(again, bid, now, attempts=1)


def _start(row: Task, bid: Claim, now: datetime) -> tuple[Task | None, Claimed, Attempt | None]:
    if _is_past(row, now):
        ended = _ended(row, TaskState.EXPIRED, now)
        return ended, _answer(Answer.EXPIRED, ended), None
    if row.due_at > now:
        return None, replace(_answer(Answer.EARLY, row), until=row.due_at), None
    return _won(row, bid, now, attempts=row.attempts + 1)


def _running(row: Task, bid: Claim, now: datetime) -> tuple[Task | None, Claimed, Attempt | None]:
    if row.claim_id == bid.claim_id:
        return None, _answer(Answer.MINE, row, bid), None
    if lease_is_live(row, now):
        return _busy(row, bid, now)
    lost = lost_attempt(row, now)
    ended, answer = _verdict(row, bid, now)
    if ended is not None:
        return ended, _answer(answer, ended), lost
    taken, won, _ = _won(replace(row, rescues=row.rescues + 1), bid, now, attempts=row.attempts)
    return taken, won, lost


def _busy(row: Task, bid: Claim, now: datetime) -> tuple[Task | None, Claimed, Attempt | None]:
    """Answer busy; a lease in the far future is a clock that jumped back, and is cut."""
    until = row.lease_until or now
    healed = None
    if until > now + 2 * bid.lease:
        until = now + bid.lease
        healed = replace(row, lease_until=until, updated_at=now)
    return healed, replace(_answer(Answer.BUSY, row), until=until + MARGIN), None


def _verdict(row: Task, bid: Claim, now: datetime) -> tuple[Task | None, Answer]:
    """End a task whose lease is dead, where it may not run again."""
    if row.cancel_requested_at is not None:
        return _ended(row, TaskState.CANCELLED, now), Answer.CANCELLED
    if _is_past(row, now):
        return _ended(row, TaskState.EXPIRED, now), Answer.EXPIRED
    if bid.lost_fails or row.rescues >= bid.max_rescues:
        reason = Reason.LOST if bid.lost_fails else Reason.POISON
        failed = _ended(row, TaskState.FAILED, now)
        return replace(failed, reason=reason.value).with_body(bid.spec.body), Answer.POISON
    return None, Answer.WON


def _won(
    row: Task, bid: Claim, now: datetime, *, attempts: int
) -> tuple[Task | None, Claimed, Attempt | None]:
    lease_until = now + bid.lease
    arm = row.wake_at is not None or bid.early_ack
    taken = replace(
        row.with_body(bid.spec.body) if arm else row,
        state=TaskState.RUNNING,
        reason=None,
        token=row.token + 1,
        claim_id=bid.claim_id,
        worker=bid.worker,
        lease_until=lease_until,
        attempts=attempts,
        audits=0,
        started_at=now,
        finished_at=None,
        updated_at=now,
        error=None,
        progress=None,
        progress_note=None,
        wake_at=lease_until + GRACE if arm else None,
        wake_no=row.wake_no + arm,
    )
    return taken, _answer(Answer.WON, taken, bid), None


def _answer(answer: Answer, row: Task, bid: Claim | None = None) -> Claimed:
    return Claimed(
        answer=answer,
        state=row.state,
        token=row.token,
        attempt=row.attempts,
        run=row.run,
        rescues=row.rescues,
        alone=bid is not None and 0 < bid.max_rescues <= row.rescues,
        armed=bid is not None and row.wake_at is not None,
        has_body=row.body is not None,
    )


def _is_past(row: Task, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _ended(row: Task, state: TaskState, now: datetime) -> Task:
    return replace(
        row, state=state, wake_at=None, lease_until=None, finished_at=now, updated_at=now
    )
