"""Single values as SQLite holds them: times, text and JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from longshore.task import LogLine, TaskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Text: TypeAlias = str | bytes | None
"""Text as it is bound: bytes where it holds what UTF-8 cannot say, a lone surrogate."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_encode = json.JSONEncoder(separators=(",", ":")).encode
LATEST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


def micros(moment: datetime) -> int:
    """Write a time as microseconds since the epoch; exact."""
    return (moment - EPOCH) // MICROSECOND


def moment(number: int) -> datetime:
    """Read a time."""
    return EPOCH + number * MICROSECOND


def maybe_micros(moment: datetime | None) -> int | None:
    """Write a time that may be missing."""
    return None if moment is None else (moment - EPOCH) // MICROSECOND


def maybe_moment(number: int | None) -> datetime | None:
    """Read a time that may be missing."""
    return None if number is None else EPOCH + number * MICROSECOND


def later(now: int, wait: timedelta) -> int:
    """Add a duration to a time; what lies beyond the calendar is its last day."""
    return min(now + wait // MICROSECOND, LATEST)


def text(value: str | None) -> Text:
    """Write text that may hold anything a Python string can."""
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def legible(value: str | None) -> str | None:
    """Write text that is for people to read, and need not come back to the letter."""
    if value is None or value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def said(value: Text) -> str | None:
    """Read what `text` wrote."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def json_list(values: Iterable[object]) -> str:
    """Write the parameter of a `json_each`."""
    return _encode(list(values))


def attributes_text(attributes: Mapping[str, str]) -> str | None:
    """Write attributes; none at all are NULL."""
    return json.dumps(dict(attributes)) if attributes else None


def attributes_of(written: str | None) -> dict[str, str]:
    """Read attributes."""
    return {} if written is None else cast("dict[str, str]", json.loads(written))


def tags_text(tags: tuple[str, ...]) -> str | None:
    """Write tags; none at all are NULL."""
    return json.dumps(tags) if tags else None


def tags_of(written: str | None) -> tuple[str, ...]:
    """Read tags."""
    return () if written is None else tuple(cast("list[str]", json.loads(written)))


def error_text(error: TaskError | None) -> str | None:
    """Write an error as an object of three texts."""
    if error is None:
        return None
    return json.dumps({"type": error.type, "message": error.message, "traceback": error.traceback})


def error_of(written: str | None) -> TaskError | None:
    """Read an error."""
    return None if written is None else TaskError(**json.loads(written))


def error_has(written: str, wanted: Text) -> bool:
    """Whether an error's type or text holds `wanted`, which is casefolded; for SQL."""
    error = error_of(written)
    found = "" if error is None else f"{error.type}: {error.message}".casefold()
    return (said(wanted) or "") in found


def lines_text(lines: tuple[LogLine, ...]) -> str | None:
    """Write what a handler logged, as a list of [time, level, text]."""
    if not lines:
        return None
    return json.dumps([[micros(line.at), line.level, line.text] for line in lines])


def lines_of(written: str | None) -> tuple[LogLine, ...]:
    """Read what a handler logged."""
    if written is None:
        return ()
    lines = cast("list[tuple[int, str, str]]", json.loads(written))
    return tuple(LogLine(at=moment(at), level=level, text=said) for at, level, said in lines)
