"""From an exported task to the record that makes it again."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from longshore.cli.exit import InputError
from longshore.cli.kinds import as_object, as_texts
from longshore.identity import TaskId
from longshore.priority import NORMAL
from longshore.protocol import Record
from longshore.task import FINAL, HELD, TaskSpec, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping


def record_of(found: object, now: datetime, *, requeue: bool) -> Record | None:
    """Make a record of an exported task; None where it is left out because it had ended.

    `InputError` where it is not what `longshore export` writes.
    """
    row = _row(found)
    state = _state(row)
    again = requeue and state in FINAL and state is not TaskState.SUCCEEDED
    if state in FINAL and not again:
        return None
    spec = _spec(row, now, expires_at=None if again else _moment(row, "expires_at"))
    due_at = _moment(row, "due_at")
    if state in HELD:
        return Record(spec=spec, state=TaskState.PAUSED, due_at=due_at or now)
    if again or due_at is None or due_at <= now:
        return Record(spec=spec, state=TaskState.QUEUED, due_at=now)
    return Record(spec=spec, state=TaskState.SCHEDULED, due_at=due_at)


def _spec(row: Mapping[str, Any], now: datetime, *, expires_at: datetime | None) -> TaskSpec:
    parent = _text(row, "parent_id")
    return TaskSpec(
        id=TaskId(_needed(row, "id")),
        name=_needed(row, "task"),
        queue=_needed(row, "queue"),
        body=_message(row),
        created_at=now,
        priority=_number(row, "priority", NORMAL) or 0,
        max_attempts=_number(row, "max_attempts", None),
        expires_at=expires_at,
        tags=_tags(row),
        category=_text(row, "category"),
        tenant=_text(row, "tenant"),
        owner=_text(row, "owner"),
        label=_text(row, "label"),
        parent_id=None if parent is None else TaskId(parent),
        key=_text(row, "key"),
        delete_on_complete=row.get("delete_on_complete") is True,
    )


def _row(found: object) -> Mapping[str, Any]:
    if isinstance(found, ValueError):
        message = f"it is not JSON: {found}"
        raise InputError(message)
    row = as_object(found)
    if row is None:
        message = "it is not a JSON object"
        raise InputError(message)
    return row


def _message(row: Mapping[str, Any]) -> bytes:
    kept = _text(row, "message")
    if kept is None:
        message = "its row held no message, so it cannot be made again"
        raise InputError(message)
    try:
        return b64decode(kept, validate=True)
    except ValueError as error:
        message = f'"message" is not base64: {error}'
        raise InputError(message) from error


def _state(row: Mapping[str, Any]) -> TaskState:
    state = _needed(row, "state")
    if state not in set(TaskState):
        message = f"{state!r} is not a state"
        raise InputError(message)
    return TaskState(state)


def _needed(row: Mapping[str, Any], name: str) -> str:
    value = _text(row, name)
    if not value:
        message = f'"{name}" is missing'
        raise InputError(message)
    return value


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value
    message = f'"{name}" is not a text'
    raise InputError(message)


def _tags(row: Mapping[str, Any]) -> tuple[str, ...]:
    tags = as_texts(row.get("tags") or [])
    if tags is not None:
        return tags
    message = '"tags" is not a list of texts'
    raise InputError(message)


def _number(row: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = row.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        message = f'"{name}" is not a whole number'
        raise InputError(message)
    return value


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(row, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        message = f'"{name}" is not a time with an offset: {text!r}'
        raise InputError(message)
    return moment.astimezone(UTC)
