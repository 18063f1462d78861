"""Ending an attempt: the table of protocol.md §7."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.protocol.claim import lost_attempt
from longshore.protocol.values import End, Finished, Settle
from longshore.quick import replace
from longshore.task import Attempt, Task, TaskState

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.protocol.values import Outcome

_NOW = timedelta(0)


def finish(
    row: Task | None, outcome: Outcome, now: datetime
) -> tuple[Task | None, Finished, Attempt | None]:
    """Decide a finish: the row to write (None: refused), the answer, the attempt to keep.

    It does not ask whether the lease is live: late but unrivalled is accepted.
    """
    if row is None or row.state is not TaskState.RUNNING or row.token != outcome.token:
        return None, refused(outcome, row), None
    started = replace(row, started_at=outcome.started_at or row.started_at)
    ended = replace(started, updated_at=now, lease_until=None, finished_at=now, error=outcome.error)
    after, answer = _decide(ended, outcome, now)
    attempt = replace(
        lost_attempt(started, now, _word(after, outcome)),
        error=outcome.error,
        lines=outcome.lines,
    )
    return after, answer, attempt


def _decide(row: Task, outcome: Outcome, now: datetime) -> tuple[Task, Finished]:
    if outcome.end is End.SUCCESS:
        return _succeed(row, outcome, now)
    if row.cancel_requested_at is not None or outcome.end is End.CANCEL:
        return _close(row, TaskState.CANCELLED, outcome, Settle.ACK)
    if outcome.end is End.GIVE_BACK:
        given = replace(row, attempts=row.attempts - 1, started_at=None, finished_at=None)
        return _again(given, outcome, now)
    if outcome.retry_in is not None:
        return _again(replace(row, rescues=0), outcome, now)
    failed = replace(row, rescues=0).with_body(outcome.body)
    return _close(failed, TaskState.FAILED, outcome, Settle.DEAD_LETTER)


def _succeed(row: Task, outcome: Outcome, now: datetime) -> tuple[Task, Finished]:
    done = replace(row, rescues=0, result=outcome.result)
    after, answer = _close(done, TaskState.SUCCEEDED, outcome, Settle.ACK)
    if row.spec.delete_on_complete:
        spec = replace(row.spec, body=b"")
        after = replace(after, spec=spec, body=None, result=None, report=None, deleted_at=now)
    return after, answer


def _close(row: Task, state: TaskState, outcome: Outcome, settle: Settle) -> tuple[Task, Finished]:
    after = replace(row, state=state, wake_at=None, reason=outcome.reason, report=outcome.report)
    return after, _accepted(after, settle if outcome.held else _without_message(settle))


def _again(row: Task, outcome: Outcome, now: datetime) -> tuple[Task, Finished]:
    """Queue the next try: by the broker's delay where it has the message, else by the row."""
    wait = outcome.retry_in
    due_at = row.due_at if wait is None else now + wait
    again = replace(
        row, state=_state(outcome), due_at=due_at, reason=outcome.reason, report=outcome.report
    )
    kept = again.with_body(outcome.body)
    in_log = row.wake_at is not None or not outcome.held
    if wait is not None:
        in_log = in_log or not outcome.message_waits
    if kept.body is None:  # nothing could be published later, so the message must stay
        in_log = False
    if in_log:
        wake_at = now if wait is None else due_at
        again = replace(kept, wake_at=wake_at, wake_no=row.wake_no + 1)
    if not outcome.held:
        return again, _accepted(again, Settle.LEAVE)
    if in_log and wait is not None:
        return again, _accepted(again, Settle.ACK)
    return again, _accepted(again, Settle.RELEASE, wait or _NOW)


def _state(outcome: Outcome) -> TaskState:
    if outcome.end is End.FAILURE:
        return TaskState.RETRYING
    return TaskState.QUEUED if outcome.retry_in is None else TaskState.SCHEDULED


def _without_message(settle: Settle) -> Settle:
    """Without a message there is nothing to acknowledge, but a dead letter is still owed."""
    return settle if settle is Settle.DEAD_LETTER else Settle.LEAVE


def _accepted(row: Task, settle: Settle, delay: timedelta = _NOW) -> Finished:
    return Finished(
        task_id=row.id,
        accepted=True,
        settle=settle,
        state=row.state,
        run=row.run,
        delay=delay,
        reason=row.reason,
    )


def succeeded(outcome: Outcome, run: int) -> Finished:
    """Answer a plain success, for adapters that decide one themselves; `run` is its row's."""
    return Finished(
        task_id=outcome.task_id,
        accepted=True,
        settle=Settle.ACK if outcome.held else Settle.LEAVE,
        state=TaskState.SUCCEEDED,
        run=run,
        reason=outcome.reason,
    )


def refused(outcome: Outcome, row: Task | None, error: LongshoreError | None = None) -> Finished:
    """Answer a finish that changes nothing: by the fence, or, with `error`, by a log's limit."""
    return Finished(
        task_id=outcome.task_id,
        accepted=False,
        settle=Settle.LEAVE,
        state=None if row is None else row.state,
        run=0 if row is None else row.run,
        error=error,
    )


def _word(after: Task, outcome: Outcome) -> str:
    gave_back = outcome.end is End.GIVE_BACK and after.state is not TaskState.CANCELLED
    return "given_back" if gave_back else after.state.value
