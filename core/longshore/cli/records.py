"""Tasks as JSON and as text: the shape that every command prints, and an export holds."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from longshore.when import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.queue import Depth
    from longshore.task import Attempt, Task, TaskError

_MINUTE: Final = 60
COLUMNS: Final = ("Id", "Task", "Queue", "State", "Attempts", "Priority", "Created", "Updated")


def moment(at: datetime | None) -> str | None:
    """An instant as ISO 8601 in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def short(at: datetime | None) -> str:
    """An instant for people: to the second, in UTC."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def seconds(length: timedelta | None) -> float | None:
    """A length of time in seconds."""
    return None if length is None else length.total_seconds()


def span(length: timedelta | None) -> str:
    """A length of time for people: three figures are enough."""
    if length is None:
        return "-"
    total = length.total_seconds()
    if total < 1:
        return f"{total * 1000:.3g}ms"
    if total < _MINUTE:
        return f"{total:.3g}s"
    return format_duration(timedelta(seconds=round(total)))


def row(task: Task) -> tuple[str, ...]:
    """A task as cells under `COLUMNS`."""
    spec = task.spec
    most = "" if spec.max_attempts is None else f"/{spec.max_attempts}"
    return (
        task.id,
        spec.name,
        spec.queue,
        task.state.value,
        f"{task.attempts}{most}",
        str(spec.priority),
        short(spec.created_at),
        short(task.updated_at),
    )


def summary(task: Task) -> dict[str, object]:
    """A task as JSON, without what may be long: arguments, result, report, traceback."""
    spec = task.spec
    return {
        "id": task.id,
        "task": spec.name,
        "queue": spec.queue,
        "state": task.state.value,
        "reason": task.reason,
        "attempts": task.attempts,
        "max_attempts": spec.max_attempts,
        "priority": spec.priority,
        "created_at": moment(spec.created_at),
        "due_at": moment(task.due_at),
        "updated_at": moment(task.updated_at),
        "started_at": moment(task.started_at),
        "finished_at": moment(task.finished_at),
        "duration": seconds(task.duration),
        "expires_at": moment(task.expires_at),
        "tags": list(spec.tags),
        "category": spec.category,
        "tenant": spec.tenant,
        "owner": spec.owner,
        "label": spec.label,
        "parent_id": spec.parent_id,
        "key": spec.key,
        "delete_on_complete": spec.delete_on_complete,
        "error": error(task.error),
        "progress": task.progress,
        "progress_note": task.progress_note,
        "run": task.run,
        "rescues": task.rescues,
        "token": task.token,
        "worker": task.worker,
        "lease_until": moment(task.lease_until),
        "wake_at": moment(task.wake_at),
        "wake_no": task.wake_no,
        "cancel_requested_at": moment(task.cancel_requested_at),
        "archived_at": moment(task.archived_at),
        "deleted_at": moment(task.deleted_at),
    }


def whole(task: Task) -> dict[str, object]:
    """A task as JSON with everything its row holds."""
    return {
        **summary(task),
        "arguments": arguments(task),
        "result": loaded(task.result),
        "report": loaded(task.report),
        "error": error(task.error, traceback=True),
    }


def attempt(tried: Attempt) -> dict[str, object]:
    """An attempt as JSON, with the lines it wrote."""
    return {
        "run": tried.run,
        "number": tried.number,
        "token": tried.token,
        "worker": tried.worker,
        "outcome": tried.outcome,
        "started_at": moment(tried.started_at),
        "ended_at": moment(tried.ended_at),
        "duration": seconds(tried.duration),
        "error": error(tried.error, traceback=True),
        "lines": [
            {"at": moment(line.at), "level": line.level, "text": line.text} for line in tried.lines
        ],
    }


def depth(found: Depth) -> dict[str, object]:
    """A queue's depth as JSON."""
    return {
        "ready": found.ready,
        "in_flight": found.in_flight,
        "delayed": found.delayed,
        "dead": found.dead,
        "oldest_age": seconds(found.oldest_age),
        "approximate": sorted(found.approximate),
    }


def error(raised: TaskError | None, *, traceback: bool = False) -> dict[str, str] | None:
    """An error as JSON."""
    if raised is None:
        return None
    said = {"type": raised.type, "message": raised.message}
    return {**said, "traceback": raised.traceback} if traceback else said


def arguments(task: Task) -> object:
    """A task's arguments as its message has them; None where the row holds no message."""
    if task.body is None:
        return None
    from longshore.codec import decode  # noqa: PLC0415 - loaded by commands that run
    from longshore.errors import MessageError  # noqa: PLC0415 - loaded by commands that run

    try:
        return decode(task.body).data
    except MessageError as unreadable:
        return {"unreadable": unreadable.problem}


def loaded(kept: bytes | None) -> object:
    """JSON that a row keeps, read back."""
    if kept is None:
        return None
    from pydantic_core import from_json  # noqa: PLC0415 - loaded by commands that run

    found: object = from_json(kept)
    return found


def stored_lines(value: object, indent: str = "  ") -> Sequence[str]:
    """A JSON value as indented lines for people."""
    from longshore.cli.output import to_json  # noqa: PLC0415 - loaded by commands that run

    return [indent + line for line in to_json(value, indent=2).splitlines()]
