"""Pure: tasks and attempts to what the server keeps of them, and back.

A row is a head of fixed width, which scripts read and write too (`log.lua` has the places), and
behind it texts: queue, claim id, worker, tail, spec, result, report. The tail is what few have.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from longshore.identity import TaskId
from longshore.task import Attempt, LogLine, Task, TaskError, TaskSpec, TaskState
from longshore_adapters.redis.scalars import (
    dumps,
    loads,
    maybe_micros,
    maybe_moment,
    micros,
    moment,
    raw,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEAD: Final = struct.Struct(">IqBBIIiiIIqqqqqqqqIIIIIII")
_TRIED: Final = struct.Struct(">IiIqqI")
_VERSION: Final = struct.Struct(">Iq")
STATES: Final[tuple[TaskState, ...]] = tuple(TaskState)
"""Stored as their places; a new state is added at the end."""
CODES: Final[Mapping[TaskState, int]] = {state: code for code, state in enumerate(STATES)}
_HAS_BODY, _DELETES, _ARCHIVED, _DELETED = 1, 2, 4, 8
_SPEC_FIELDS: Final = 13
_TAIL_FIELDS: Final = 6

KEPT: Final = bytes(bytearray(b"\0the body, which was not read"))
"""Stands for a body that is on the server: told apart by identity, and never written."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as it was read; `task` is None where there is none.

    `spec` and `more` are carried over as they stand: what a newer version wrote there stays.
    """

    task: Task | None
    version: int = 0
    number: int = 0
    spec: bytes = b""
    more: tuple[Any, ...] = ()


ABSENT: Final = Seen(None)


def to_row(task: Task, seen: Seen) -> bytes:
    """Write the row that follows the one seen."""
    spec = task.spec
    said = seen.spec or spec_text(spec)
    queue, claim, worker = raw(spec.queue), raw(task.claim_id or ""), raw(task.worker or "")
    tail = _tail(task, seen)
    flags = (
        (task.body is not None) * _HAS_BODY
        + spec.delete_on_complete * _DELETES
        + (task.archived_at is not None) * _ARCHIVED
        + (task.deleted_at is not None) * _DELETED
    )
    head = _HEAD.pack(
        seen.version + 1,
        seen.number,
        CODES[task.state],
        flags,
        task.token,
        task.run,
        task.attempts,
        task.rescues,
        task.audits,
        task.wake_no,
        micros(task.due_at),
        micros(task.updated_at),
        maybe_micros(task.expires_at),
        maybe_micros(task.lease_until),
        maybe_micros(task.wake_at),
        maybe_micros(task.started_at),
        maybe_micros(task.finished_at),
        maybe_micros(task.cancel_requested_at),
        len(queue),
        len(claim),
        len(worker),
        len(tail),
        len(said),
        0 if task.result is None else len(task.result) + 1,
        0 if task.report is None else len(task.report) + 1,
    )
    texts = (queue, claim, worker, tail, said, task.result or b"", task.report or b"")
    return head + b"".join(texts)


def to_seen(task_id: str, row: bytes, body: bytes | None = KEPT) -> Seen:
    """Read a row; without its body it has `KEPT` where it has one."""
    head: tuple[int, ...] = _HEAD.unpack_from(row)
    version, number, state, flags, token, run, attempts, rescues, audits, wake_no = head[:10]
    at, texts = _HEAD.size, list[bytes]()
    for length in (*head[18:23], max(head[23] - 1, 0), max(head[24] - 1, 0)):
        texts.append(row[at : at + length])
        at += length
    queue, claim, worker, tail, said, result, report = texts
    reason, error, progress, note, archived, deleted, *more = loads(tail) if tail else _NO_TAIL
    body = body if flags & _HAS_BODY else None
    task = Task(
        spec=_spec(task_id, text(queue), said, body or b""),
        state=STATES[state],
        token=token,
        run=run,
        attempts=attempts,
        rescues=rescues,
        audits=audits,
        wake_no=wake_no,
        due_at=moment(head[10]),
        updated_at=moment(head[11]),
        expires_at=maybe_moment(head[12]),
        lease_until=maybe_moment(head[13]),
        wake_at=maybe_moment(head[14]),
        started_at=maybe_moment(head[15]),
        finished_at=maybe_moment(head[16]),
        cancel_requested_at=maybe_moment(head[17]),
        claim_id=text(claim) if claim else None,
        worker=text(worker) if worker else None,
        result=result if head[23] else None,
        report=report if head[24] else None,
        body=body,
        reason=reason,
        error=_error(error),
        progress=progress,
        progress_note=note,
        archived_at=None if archived is None else moment(archived),
        deleted_at=None if deleted is None else moment(deleted),
    )
    return Seen(task, version, number, said, tuple(more))


_NO_TAIL: Final = (None,) * _TAIL_FIELDS


def _tail(task: Task, seen: Seen) -> bytes:
    error = task.error
    fields = (
        task.reason,
        None if error is None else (error.type, error.message, error.traceback),
        task.progress,
        task.progress_note,
        None if task.archived_at is None else micros(task.archived_at),
        None if task.deleted_at is None else micros(task.deleted_at),
        *seen.more,
    )
    return b"" if fields == _NO_TAIL else dumps(fields).encode()


def version_of(row: bytes) -> int:
    """Read the version alone."""
    version: int = _VERSION.unpack_from(row)[0]
    return version


def spec_text(spec: TaskSpec) -> bytes:
    """Write what never changes of a task, but for its queue and its body."""
    return dumps(
        (
            spec.name,
            micros(spec.created_at),
            spec.priority,
            spec.max_attempts,
            None if spec.expires_at is None else micros(spec.expires_at),
            spec.tags,
            spec.category,
            spec.tenant,
            spec.owner,
            spec.label,
            spec.parent_id,
            spec.key,
            spec.delete_on_complete,
        )
    ).encode()


def _spec(task_id: str, queue: str, said: bytes, body: bytes) -> TaskSpec:
    fields = loads(said)
    name, created_at, priority, max_attempts, expires_at, tags = fields[:6]
    category, tenant, owner, label, parent_id, key, delete_on_complete = fields[6:_SPEC_FIELDS]
    return TaskSpec(
        id=TaskId(task_id),
        name=name,
        queue=queue,
        body=body,
        created_at=moment(created_at),
        priority=priority,
        max_attempts=max_attempts,
        expires_at=None if expires_at is None else moment(expires_at),
        tags=tuple(tags),
        category=category,
        tenant=tenant,
        owner=owner,
        label=label,
        parent_id=None if parent_id is None else TaskId(parent_id),
        key=key,
        delete_on_complete=delete_on_complete,
    )


def _error(told: Sequence[str] | None) -> TaskError | None:
    if told is None:
        return None
    kind, message, traceback = told
    return TaskError(type=kind, message=message, traceback=traceback)


def to_tried(attempt: Attempt) -> bytes:
    """Write an attempt."""
    worker = raw(attempt.worker)
    head = _TRIED.pack(
        attempt.run,
        attempt.number,
        attempt.token,
        micros(attempt.started_at),
        micros(attempt.ended_at),
        len(worker),
    )
    return head + worker + told(attempt.outcome, attempt.error, attempt.lines)


def told(outcome: str, error: TaskError | None, lines: tuple[LogLine, ...]) -> bytes:
    """Write what an attempt says: how it ended, its error, what its handler logged."""
    written = None if error is None else (error.type, error.message, error.traceback)
    return dumps(
        (outcome, written, [(micros(one.at), one.level, one.text) for one in lines])
    ).encode()


def to_attempt(task_id: TaskId, tried: bytes) -> Attempt:
    """Read an attempt."""
    run, number, token, started_at, ended_at, length = _TRIED.unpack_from(tried)
    behind = _TRIED.size + length
    outcome, error, lines = loads(tried[behind:])[:3]
    return Attempt(
        task_id=task_id,
        run=run,
        number=number,
        token=token,
        worker=text(tried[_TRIED.size : behind]),
        outcome=outcome,
        started_at=moment(started_at),
        ended_at=moment(ended_at),
        error=_error(error),
        lines=tuple(LogLine(at=moment(at), level=level, text=said) for at, level, said in lines),
    )
