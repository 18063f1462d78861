"""Rows to values and back: pure functions, no connection and no clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from longshore.store import Entry
from longshore.task import Attempt, LogLine, Task, TaskSpec, TaskState
from longshore_adapters.postgres.scalars import (
    characters,
    error_of,
    error_text,
    folded,
    lines_text,
    said,
    tags_of,
    tags_text,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.identity import TaskId

Row: TypeAlias = tuple[Any, ...]
"""A row as psycopg gives it, or takes it; the statement says what is in it."""

STATES: Final[Mapping[str, TaskState]] = {state.value: state for state in TaskState}


def spec_row(spec: TaskSpec) -> Row:
    """Make the part of a row that stays; see `statements.SPEC_COLUMNS`."""
    return (
        spec.id,
        text(spec.queue),
        text(spec.name),
        spec.priority,
        spec.max_attempts,
        spec.created_at,
        spec.expires_at,
        text(spec.category),
        text(spec.tenant),
        text(spec.owner),
        text(spec.label),
        spec.parent_id,
        text(spec.key),
        tags_text(spec.tags),
        spec.delete_on_complete,
    )


def changing_row(task: Task) -> Row:
    """Make the part of a row that changes; see `statements.CHANGING_COLUMNS`."""
    return (
        task.state.value,
        task.due_at,
        task.updated_at,
        task.expires_at,
        task.wake_at,
        task.wake_no,
        task.token,
        task.run,
        task.attempts,
        task.rescues,
        task.audits,
        text(task.claim_id),
        text(task.worker),
        task.lease_until,
        task.started_at,
        task.finished_at,
        task.cancel_requested_at,
        task.archived_at,
        task.deleted_at,
        text(task.reason),
        error_text(task.error),
        folded(task.error),
        task.progress,
        text(task.progress_note),
        task.body,
        task.result,
        task.report,
    )


def to_task(row: Row) -> Task:
    """Read a row of `statements.TASK`."""
    _seq, *spec, state, due_at, updated_at, expires_at, wake_at, wake_no = row[:22]
    token, run, attempts, rescues, audits, claim_id, worker, lease_until = row[22:30]
    started_at, finished_at, cancel_requested_at, archived_at, deleted_at = row[30:35]
    reason, error, _folded, progress, note, body, result, report = row[35:]
    return Task(
        spec=_spec(spec, body or b""),
        state=STATES[state],
        due_at=due_at,
        updated_at=updated_at,
        expires_at=expires_at,
        body=body,
        reason=said(reason),
        token=token,
        claim_id=said(claim_id),
        worker=said(worker),
        lease_until=lease_until,
        attempts=attempts,
        rescues=rescues,
        run=run,
        wake_at=wake_at,
        wake_no=wake_no,
        audits=audits,
        started_at=started_at,
        finished_at=finished_at,
        cancel_requested_at=cancel_requested_at,
        archived_at=archived_at,
        deleted_at=deleted_at,
        result=result,
        report=report,
        error=error_of(error),
        progress=progress,
        progress_note=said(note),
    )


def _spec(row: Sequence[Any], body: bytes) -> TaskSpec:
    id_, queue, name, priority, max_attempts, created_at, expires_at, *texts = row
    category, tenant, owner, label, parent_id, key, tags, delete_on_complete = texts
    return TaskSpec(
        id=id_,
        name=said(name) or "",
        queue=said(queue) or "",
        body=body,
        created_at=created_at,
        priority=priority,
        max_attempts=max_attempts,
        expires_at=expires_at,
        tags=tags_of(tags),
        category=said(category),
        tenant=said(tenant),
        owner=said(owner),
        label=said(label),
        parent_id=parent_id,
        key=said(key),
        delete_on_complete=delete_on_complete,
    )


def attempt_row(attempt: Attempt) -> Row:
    """Make a row of an attempt; see `statements.INSERT_ATTEMPT`."""
    return (
        attempt.task_id,
        attempt.token,
        attempt.run,
        attempt.number,
        text(attempt.worker),
        attempt.outcome,
        attempt.started_at,
        attempt.ended_at,
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
        worker=said(worker) or "",
        outcome=outcome,
        started_at=started_at,
        ended_at=ended_at,
        error=error_of(error),
        lines=tuple(
            LogLine(at=datetime.fromisoformat(at).astimezone(UTC), level=level, text=line)
            for at, level, line in lines or ()
        ),
    )


def to_entry(row: Row) -> Entry:
    """Read a row of `statements.ENTRIES`."""
    key, value, version, expires_at = row
    return Entry(key=characters(key), value=value, version=version, expires_at=expires_at)
