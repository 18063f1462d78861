"""Rows to values and back: pure functions, no connection and no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from longshore.store import Entry
from longshore.task import Attempt, Task, TaskSpec, TaskState
from longshore_adapters.sqlite.scalars import (
    error_of,
    error_text,
    legible,
    lines_of,
    lines_text,
    maybe_micros,
    maybe_moment,
    micros,
    moment,
    said,
    tags_of,
    tags_text,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.identity import TaskId
    from longshore.protocol import Record

Row: TypeAlias = tuple[Any, ...]
"""A row as sqlite3 gives it, or takes it; the statement says what is in it."""

STATES: Final[Mapping[str, TaskState]] = {state.value: state for state in TaskState}


def spec_row(spec: TaskSpec) -> Row:
    """Make the part of a row that stays; see `statements.SPEC_COLUMNS`."""
    return (
        spec.id,
        spec.queue,
        spec.name,
        spec.priority,
        spec.max_attempts,
        micros(spec.created_at),
        maybe_micros(spec.expires_at),
        spec.category and text(spec.category),
        spec.tenant and text(spec.tenant),
        spec.owner and text(spec.owner),
        spec.label and text(spec.label),
        spec.parent_id,
        spec.key and text(spec.key),
        tags_text(spec.tags) if spec.tags else None,
        spec.delete_on_complete,
    )


def times_of(record: Record, now: int) -> tuple[int, str, int, int]:
    """Write what records made together share: created, state, due, updated."""
    created_at = micros(record.spec.created_at)
    due_at = created_at if record.due_at is record.spec.created_at else micros(record.due_at)
    return created_at, record.state.value, due_at, now


def rest_of(record: Record) -> Row:
    """Make the rest of `statements.RECORD_COLUMNS`, of a record that is not plain."""
    spec = record.spec
    wake_at = None
    if record.armed:
        wake_at = micros(record.due_at if record.wake_at is None else record.wake_at)
    expires_at = maybe_micros(spec.expires_at)
    return (
        expires_at,
        text(spec.category),
        text(spec.tenant),
        text(spec.owner),
        text(spec.label),
        spec.parent_id,
        text(spec.key),
        tags_text(spec.tags),
        expires_at,
        wake_at,
        int(spec.delete_on_complete),
        int(record.armed),
    )


def changing_row(task: Task) -> Row:
    """Make the part of a row that changes; see `statements.CHANGING_COLUMNS`."""
    return (
        task.state.value,
        micros(task.due_at),
        micros(task.updated_at),
        maybe_micros(task.expires_at),
        maybe_micros(task.wake_at),
        task.wake_no,
        task.token,
        task.run,
        task.attempts,
        task.rescues,
        task.audits,
        text(task.claim_id),
        legible(task.worker),
        maybe_micros(task.lease_until),
        maybe_micros(task.started_at),
        maybe_micros(task.finished_at),
        maybe_micros(task.cancel_requested_at),
        maybe_micros(task.archived_at),
        maybe_micros(task.deleted_at),
        text(task.reason),
        error_text(task.error),
        task.progress,
        text(task.progress_note),
        task.body is not None,
        task.result,
        task.report,
    )


def to_task(row: Row) -> Task:
    """Read a row of `statements.TASK`."""
    _seq, *spec, state, due_at, updated_at, expires_at, wake_at, wake_no = row[:22]
    token, run, attempts, rescues, audits, claim_id, worker, lease_until = row[22:30]
    started_at, finished_at, cancel_requested_at, archived_at, deleted_at = row[30:35]
    reason, error, progress, note, has_body, result, report, body = row[35:]
    return Task(
        spec=_spec(spec, body or b""),
        state=STATES[state],
        due_at=moment(due_at),
        updated_at=moment(updated_at),
        expires_at=maybe_moment(expires_at),
        body=(body or b"") if has_body else None,
        reason=said(reason),
        token=token,
        claim_id=said(claim_id),
        worker=worker,
        lease_until=maybe_moment(lease_until),
        attempts=attempts,
        rescues=rescues,
        run=run,
        wake_at=maybe_moment(wake_at),
        wake_no=wake_no,
        audits=audits,
        started_at=maybe_moment(started_at),
        finished_at=maybe_moment(finished_at),
        cancel_requested_at=maybe_moment(cancel_requested_at),
        archived_at=maybe_moment(archived_at),
        deleted_at=maybe_moment(deleted_at),
        result=result,
        report=report,
        error=error_of(error),
        progress=progress,
        progress_note=said(note),
    )


def _spec(row: list[Any], body: bytes) -> TaskSpec:
    id_, queue, name, priority, max_attempts, created_at, expires_at, *texts = row
    category, tenant, owner, label, parent_id, key, tags, delete_on_complete = texts
    return TaskSpec(
        id=id_,
        name=name,
        queue=queue,
        body=body,
        created_at=moment(created_at),
        priority=priority,
        max_attempts=max_attempts,
        expires_at=maybe_moment(expires_at),
        tags=tags_of(tags),
        category=said(category),
        tenant=said(tenant),
        owner=said(owner),
        label=said(label),
        parent_id=parent_id,
        key=said(key),
        delete_on_complete=bool(delete_on_complete),
    )


def attempt_row(seq: int, attempt: Attempt) -> Row:
    """Make a row of an attempt; see `statements.INSERT_ATTEMPT`."""
    return (
        seq,
        attempt.token,
        attempt.run,
        attempt.number,
        legible(attempt.worker),
        attempt.outcome,
        micros(attempt.started_at),
        micros(attempt.ended_at),
        error_text(attempt.error),
        lines_text(attempt.lines),
    )


def to_attempt(task_id: TaskId, row: Row) -> Attempt:
    """Read a row of `statements.ATTEMPTS`."""
    token, run, number, worker, outcome, started_at, ended_at, error, lines = row
    return Attempt(
        task_id=task_id,
        run=run,
        number=number,
        token=token,
        worker=worker,
        outcome=outcome,
        started_at=moment(started_at),
        ended_at=moment(ended_at),
        error=error_of(error),
        lines=lines_of(lines),
    )


def to_entry(row: Row) -> Entry:
    """Read a row of `statements.ENTRIES`."""
    key, value, version, expires_at = row
    return Entry(key=key, value=value, version=version, expires_at=maybe_moment(expires_at))
