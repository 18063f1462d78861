"""The attributes of a task message: their names, and how each is read from JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from longshore.errors import MessageError
from longshore.message import MAX_TEXT, NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REQUIRED: Final = ("id", "source", "type")
TEXTS: Final = ("subject", "dataschema", "partitionkey", "correlationid", "causationid")
TRACE: Final = ("traceparent", "tracestate")
RANGES: Final = {
    "taskpriority": (0, 100),
    "taskattempts": (1, 1_000_000),
    "tasktimeout": (1, 31_536_000),
}
TIMES: Final = ("time", "notbefore", "expirytime")
REFUSED: Final = ("dataref", "datacrypt", "datasig")

_BITS_QUOTED: Final = 128


MAX_NAME: Final = 200
_CACHED: Final = 1024
_LONGEST_TIME: Final = 100


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    problem = f"{name} is not text"
    raise MessageError(problem)


def _trace(name: str, value: object) -> str | None:
    """Read what no task may fail for: a trace that is not text is none."""
    del name
    return value if isinstance(value, str) else None


def _required(name: str, value: object) -> str:
    text = _text(name, value)
    if not text:
        problem = f"the required attribute {name!r} is empty"
        raise MessageError(problem)
    return text


def _bounded(name: str, value: object) -> str:
    text = _required(name, value)
    if len(text) > MAX_TEXT:
        problem = f"{name} has {len(text)} characters and the limit is {MAX_TEXT}"
        raise MessageError(problem)
    return text


def _task_name(name: str, value: object) -> str:
    text = _text(name, value)
    if not _is_task_name(text):
        problem = f"{name} {text[:80]!r} is not a task name ([A-Za-z0-9_.:@/-], at most 200)"
        raise MessageError(problem)
    return text


def _event_type(name: str, value: object) -> str:
    """Read what another producer calls its event; a task may be bound to it."""
    text = _required(name, value)
    if len(text) > MAX_NAME:
        problem = f"{name} has {len(text)} characters and the limit is {MAX_NAME}"
        raise MessageError(problem)
    return text


@lru_cache(maxsize=_CACHED)
def _is_task_name(text: str) -> bool:
    return NAME_PATTERN.fullmatch(text) is not None


def _number(name: str, value: object) -> int:
    low, high = RANGES[name]
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON 5 and 5.0 are the same number
    if type(value) is int and low <= value <= high:
        return value
    problem = f"{name} is {_quoted(value)}, not a whole number from {low} to {high}"
    raise MessageError(problem)


def _quoted(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _BITS_QUOTED:
        return "a very long number"  # whose text may be longer than Python will write
    return repr(str(value)[:40])


def _time(name: str, value: object) -> datetime:
    text = _text(name, value)
    moment = moment_of(text)
    if moment is None:
        problem = f"{name} is {text[:40]!r}, not an RFC 3339 time with its offset"
        raise MessageError(problem)
    return moment


def moment_of(text: str) -> datetime | None:
    """Read an RFC 3339 time with its offset; None for anything else."""
    return _moment(text) if len(text) <= _LONGEST_TIME else None


@lru_cache(maxsize=_CACHED)
def _moment(text: str) -> datetime | None:
    """Read a time; tasks enqueued together share theirs, so that most are read once."""
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows "t" and "z"
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _tags(name: str, value: object) -> tuple[str, ...]:
    parts = (part.strip() for part in _text(name, value).split(","))
    return tuple(part for part in parts if part)


def _refused(name: str, value: object) -> None:
    del value
    problem = f"its {name!r} needs a stage that this consumer does not have"
    raise MessageError(problem)


READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "id": _bounded,
    "source": _required,
    "type": _task_name,
    "taskkey": _bounded,
    "tasktags": _tags,
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(TRACE, _trace),
    **dict.fromkeys(TIMES, _time),
    **dict.fromkeys(RANGES, _number),
    **dict.fromkeys(REFUSED, _refused),
}
EVENT_READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    **READERS,
    "type": _event_type,
}
"""For events of other producers, whose types need not be names of tasks."""

POINTING_READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    name: read for name, read in EVENT_READERS.items() if name != "dataref"
}
"""For events whose data lies elsewhere, and is fetched."""

_DATA: Final = {"specversion", "datacontenttype", "data", "data_base64", "dataencoding"}
KNOWN: Final = READERS.keys() | _DATA
