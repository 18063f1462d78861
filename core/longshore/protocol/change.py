"""Changes by scheduler, operator and workers beside claim and finish (protocol.md §9, §10)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.protocol.claim import lease_is_live, lost_attempt
from longshore.protocol.values import GRACE, Verb
from longshore.quick import replace
from longshore.task import FINAL, HELD, OPEN, Attempt, Reason, Task, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from longshore.protocol.values import Change, Record

_SHORTEST_DEFERRAL: Final = timedelta(minutes=1)
_LONGEST_DEFERRAL: Final = timedelta(minutes=15)

VERBS: Final[Mapping[Verb, frozenset[TaskState]]] = {
    Verb.PARK: OPEN | HELD | {TaskState.RUNNING},
    Verb.KEEP_BODY: HELD,
    Verb.ARM: OPEN | {TaskState.RUNNING},
    Verb.CONFIRM: OPEN | {TaskState.RUNNING},
    Verb.POSTPONE: frozenset({TaskState.RUNNING}),
    Verb.DEFER: OPEN | {TaskState.RUNNING},
    Verb.EXPIRE: OPEN,
    Verb.CANCEL: OPEN | HELD | {TaskState.RUNNING},
    Verb.PAUSE: OPEN,
    Verb.RESUME: frozenset({TaskState.PAUSED}),
    Verb.RETRY: FINAL - {TaskState.SUCCEEDED},
    Verb.FORCE_FAIL: frozenset({TaskState.RUNNING}),
    Verb.FORCE_SUCCEED: frozenset({TaskState.RUNNING}),
    Verb.UNBLOCK: frozenset({TaskState.BLOCKED, TaskState.WAITING}),
    Verb.ABANDON: OPEN | {TaskState.RUNNING},
    Verb.DELETE: OPEN | HELD | FINAL,
    Verb.ARCHIVE: FINAL,
}
"""The states each verb starts from; elsewhere it is refused."""


def record(entry: Record, now: datetime) -> Task:
    """Make the row of a record."""
    wake_at = (entry.wake_at or entry.due_at) if entry.armed else None
    return Task(
        spec=entry.spec,
        state=entry.state,
        due_at=entry.due_at,
        expires_at=entry.spec.expires_at,
        updated_at=now,
        body=entry.spec.body,
        wake_at=wake_at,
        wake_no=1 if entry.armed else 0,
    )


def change(row: Task | None, wanted: Change, now: datetime) -> tuple[Task | None, Attempt | None]:
    """Decide a change: the row to write (None: refused), and an attempt that it ended."""
    if row is None:
        return _tombstone(wanted, now), None
    if row.state not in VERBS[wanted.verb] or not _guarded(row, wanted):
        return None, None
    after = _EFFECTS[wanted.verb](row, wanted, now)
    if after is None:
        return None, None
    return replace(after, updated_at=now), _ended_attempt(row, after, wanted, now)


def _ended_attempt(row: Task, after: Task, wanted: Change, now: datetime) -> Attempt | None:
    if row.state is not TaskState.RUNNING or after.state is TaskState.RUNNING:
        return None
    lost = wanted.verb is Verb.ABANDON
    return lost_attempt(row, now, "lost" if lost else after.state.value)


def _guarded(row: Task, wanted: Change) -> bool:
    return (
        wanted.state in (None, row.state)
        and wanted.token in (None, row.token)
        and wanted.wake_no in (None, row.wake_no)
    )


def _tombstone(wanted: Change, now: datetime) -> Task | None:
    """Mark a task that only a message knows of, so that the message on its way never starts."""
    states = {Verb.CANCEL: TaskState.CANCELLED, Verb.PAUSE: TaskState.PAUSED}
    if wanted.spec is None or wanted.verb not in states:
        return None
    cancelled = wanted.verb is Verb.CANCEL
    return Task(
        spec=wanted.spec,
        state=states[wanted.verb],
        due_at=now,
        updated_at=now,
        expires_at=wanted.spec.expires_at,
        reason=wanted.reason if cancelled else None,
        finished_at=now if cancelled else None,
    )


def _armed(row: Task, wanted: Change, wake_at: datetime) -> Task | None:
    """Set the wake-up under a new number; without a body there would be nothing to publish."""
    kept = row.with_body(wanted.body)
    if kept.body is None:
        return None
    return replace(kept, wake_at=wake_at, wake_no=row.wake_no + 1)


def _park(row: Task, wanted: Change, now: datetime) -> Task | None:
    if row.state in HELD:
        return _keep_body(row, wanted, now)
    if row.state is not TaskState.RUNNING:
        return _armed(row, wanted, row.due_at)
    if not lease_is_live(row, now):
        return None
    return _armed(row, wanted, (row.lease_until or now) + GRACE)


def _keep_body(row: Task, wanted: Change, _now: datetime) -> Task | None:
    kept = row.with_body(wanted.body)
    return None if kept.body is None else kept


def _arm(row: Task, wanted: Change, now: datetime) -> Task | None:
    if row.wake_at is not None:
        return None
    armed = _armed(row, wanted, now)
    return None if armed is None else replace(armed, audits=row.audits + 1)


def _confirm(row: Task, _wanted: Change, _now: datetime) -> Task | None:
    if row.wake_at is None:
        return None
    sent = row.state is not TaskState.RUNNING
    return replace(row, wake_at=None, state=TaskState.QUEUED if sent else row.state)


def _postpone(row: Task, wanted: Change, now: datetime) -> Task | None:
    if row.wake_at is None or not lease_is_live(row, now):
        return None
    return _armed(row, wanted, (row.lease_until or now) + GRACE)


def _defer(row: Task, wanted: Change, now: datetime) -> Task | None:
    """Make room for others: what nobody can send is looked at again, the older it is the later."""
    if row.wake_at is None:
        return None
    wait = min(max((now - row.due_at) / 8, _SHORTEST_DEFERRAL), _LONGEST_DEFERRAL)
    return _armed(row, wanted, now + wait)


def _expire(row: Task, _wanted: Change, now: datetime) -> Task | None:
    if row.expires_at is None or row.expires_at > now:
        return None
    return _ended(row, TaskState.EXPIRED, now)


def _cancel(row: Task, wanted: Change, now: datetime) -> Task | None:
    if row.state is TaskState.RUNNING:
        return replace(row, cancel_requested_at=row.cancel_requested_at or now)
    return replace(_ended(row, TaskState.CANCELLED, now), reason=wanted.reason)


def _pause(row: Task, _wanted: Change, _now: datetime) -> Task | None:
    return replace(row, state=TaskState.PAUSED, wake_at=None)


def _resume(row: Task, wanted: Change, now: datetime) -> Task | None:
    """Publish again; without a body no message can have been acknowledged, and one is left."""
    queued = replace(row, state=TaskState.QUEUED)
    return _armed(queued, wanted, max(row.due_at, now)) or queued


def _retry(row: Task, wanted: Change, now: datetime) -> Task | None:
    forced = row.reason == Reason.FORCED and row.lease_until is not None
    due_at = max(row.lease_until or now, now) if forced else now
    fresh = replace(
        row,
        state=TaskState.QUEUED,
        run=row.run + 1,
        attempts=0,
        rescues=0,
        audits=0,
        due_at=due_at,
        expires_at=None,
        reason=None,
        error=None,
        result=None,
        report=None,
        lease_until=None,
        started_at=None,
        finished_at=None,
        cancel_requested_at=None,
        archived_at=None,
        deleted_at=None,
    )
    return _armed(fresh, wanted, due_at)


def _force_fail(row: Task, _wanted: Change, now: datetime) -> Task | None:
    """Fail a running task; its lease's end is kept, so that a retry waits for it."""
    lease_until = row.lease_until
    failed = _ended(row, TaskState.FAILED, now)
    return replace(failed, reason=Reason.FORCED.value, lease_until=lease_until)


def _force_succeed(row: Task, _wanted: Change, now: datetime) -> Task | None:
    return replace(_ended(row, TaskState.SUCCEEDED, now), reason=Reason.FORCED.value)


def _unblock(row: Task, wanted: Change, now: datetime) -> Task | None:
    return _armed(replace(row, state=TaskState.QUEUED), wanted, now)


def _abandon(row: Task, wanted: Change, now: datetime) -> Task | None:
    held = row.state is TaskState.RUNNING and lease_is_live(row, now)
    if row.wake_at is not None or held:
        return None
    reason = wanted.reason or Reason.UNDELIVERABLE.value
    return replace(_ended(row, TaskState.FAILED, now), reason=reason)


def _delete(row: Task, wanted: Change, now: datetime) -> Task | None:
    ended = row if row.final else _cancel(row, wanted, now)
    return None if ended is None else replace(ended, deleted_at=row.deleted_at or now)


def _archive(row: Task, _wanted: Change, now: datetime) -> Task | None:
    return replace(row, archived_at=row.archived_at or now)


def _ended(row: Task, state: TaskState, now: datetime) -> Task:
    return replace(row, state=state, wake_at=None, lease_until=None, finished_at=now)


_EFFECTS: Final[Mapping[Verb, Callable[[Task, Change, datetime], Task | None]]] = {
    Verb.PARK: _park,
    Verb.KEEP_BODY: _keep_body,
    Verb.ARM: _arm,
    Verb.CONFIRM: _confirm,
    Verb.POSTPONE: _postpone,
    Verb.DEFER: _defer,
    Verb.EXPIRE: _expire,
    Verb.CANCEL: _cancel,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.RETRY: _retry,
    Verb.FORCE_FAIL: _force_fail,
    Verb.FORCE_SUCCEED: _force_succeed,
    Verb.UNBLOCK: _unblock,
    Verb.ABANDON: _abandon,
    Verb.DELETE: _delete,
    Verb.ARCHIVE: _archive,
}
