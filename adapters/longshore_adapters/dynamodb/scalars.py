"""Single values as items hold them: times, texts, and JSON that any Python text survives."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from longshore.task import LogLine, TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value: TypeAlias = "Mapping[str, Any]"
"""An attribute's value as the API has it: {"S": text}, {"N": digits}, {"B": bytes}, {"L": […]}."""

Item: TypeAlias = "dict[str, Value]"
"""A row of the table: attribute names to values."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
LATEST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_encode = json.JSONEncoder(separators=(",", ":")).encode


def micros(moment: datetime) -> int:
    """Write a time as microseconds since the epoch; exact."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(number: int) -> datetime:
    """Read a time."""
    return _EPOCH + number * _MICROSECOND


def maybe_moment(number: int | None) -> datetime | None:
    """Read a time that may be missing."""
    return None if number is None else moment(number)


def sortable(number: int) -> str:
    """Write a time so that texts sort as times do, from the first year to the last."""
    return f"{number - _FIRST:018d}"


def unsorted(text: str) -> int:
    """Read what `sortable` wrote."""
    return int(text) + _FIRST


def dumps(value: object) -> str:
    """Write JSON in ASCII: lone surrogates survive it, and UTF-8 has no word for them."""
    return _encode(value)


def loads(text: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Read JSON."""
    return json.loads(text)


def text(value: str) -> Value:
    """Make a text value."""
    return {"S": value}


def number(value: int) -> Value:
    """Make a number value."""
    return {"N": str(value)}


def blob(value: Value) -> bytes:
    """Read bytes: base64 as they came, or as they are about to be written."""
    data: bytes | str = value["B"]
    return b64decode(data) if isinstance(data, str) else data


def said_by(error: TaskError | None) -> list[str] | None:
    """Write an error as a list of three texts."""
    return None if error is None else [error.type, error.message, error.traceback]


def error_of(said: list[str] | None) -> TaskError | None:
    """Read an error."""
    if said is None:
        return None
    kind, message, traceback = said
    return TaskError(type=kind, message=message, traceback=traceback)


def lines_text(lines: tuple[LogLine, ...]) -> list[list[object]]:
    """Write what a handler logged as a list of [time, level, text]."""
    return [[micros(line.at), line.level, line.text] for line in lines]


def lines_of(written: object) -> tuple[LogLine, ...]:
    """Read what a handler logged."""
    lines = cast("list[tuple[int, str, str]]", written or [])
    return tuple(LogLine(at=moment(at), level=level, text=said) for at, level, said in lines)
