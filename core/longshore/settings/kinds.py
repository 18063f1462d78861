"""The kinds of values that settings have: how each is read, and what a refusal says.

Each function here makes or is a reader: it takes whatever a source gave and answers the value,
or raises a ValueError whose text is what would have been accepted. Who gave the value, and
where, is added by `longshore.settings.refusal`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast
from zoneinfo import ZoneInfo

from longshore.errors import ConfigurationError, ScheduleError
from longshore.priority import parse_priority
from longshore.when import Duration, format_duration, parse_duration

if TYPE_CHECKING:
    from datetime import timedelta

T = TypeVar("T")
Reader: TypeAlias = Callable[[object], T]

NONE_WORD: Final = "none"
"""What text says for None: neither the environment nor TOML has a null."""

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_LONGEST_NUMBER: Final = 18
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_DOTTED: Final = rf"{_NAME}(?:\.{_NAME})*"


def whole(low: int, high: int | None = None) -> Reader[int]:
    """Read a whole number from `low` to `high`, or its digits; a bool is no number here."""
    accepted = f"a whole number, {low:,} or more"
    if high is not None:
        accepted = f"a whole number from {low:,} to {high:,}"

    def read(value: object) -> int:
        number = _integer(value)
        if number is None or number < low or (high is not None and number > high):
            raise ValueError(accepted)
        return number

    return read


def duration(low: timedelta, high: timedelta | None = None) -> Reader[timedelta]:
    """Read a duration as `parse_duration` does, from `low` to `high`, both included."""
    limits = f"{format_duration(low)} or more"
    if high is not None:
        limits = f"from {format_duration(low)} to {format_duration(high)}"

    def read(value: object) -> timedelta:
        try:
            length = parse_duration(cast("Duration", value))
        except ScheduleError as error:
            raise ValueError(str(error).rpartition("Accepted: ")[2]) from None
        if length < low or (high is not None and length > high):
            message = f"a duration, {limits}"
            raise ValueError(message)
        return length

    return read


def text(pattern: str, accepted: str) -> Reader[str]:
    """Read text that fits the whole pattern."""
    wanted = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or wanted.fullmatch(value) is None:
            raise ValueError(accepted)
        return value

    return read


def optional(read: Reader[T]) -> Reader[T | None]:
    """Read what `read` reads, or None, or the word `none`."""

    def read_optional(value: object) -> T | None:
        if value is None or (isinstance(value, str) and value.strip().lower() == NONE_WORD):
            return None
        try:
            return read(value)
        except ValueError as error:
            message = f"{error}; or {NONE_WORD}"
            raise ValueError(message) from None

    return read_optional


def several(read: Reader[T], accepted: str) -> Reader[tuple[T, ...]]:
    """Read a list, or text with commas; one value alone is a list of one."""

    def read_several(value: object) -> tuple[T, ...]:
        try:
            return tuple(read(item) for item in _items(value))
        except ValueError as error:
            message = f"{accepted}, in a list or with commas between them ({error})"
            raise ValueError(message) from None

    return read_several


def priority(value: object) -> int:
    """Read a priority: a number from 0 to 100, or a name."""
    try:
        return parse_priority(cast("int | str", value))
    except ConfigurationError as error:
        raise ValueError(str(error).rpartition("; give ")[2]) from None


def zone_name(value: object) -> str:
    """Read the name of a time zone that this host knows."""
    try:
        return ZoneInfo(cast("str", value)).key
    except (KeyError, ValueError, TypeError, AttributeError, OSError):
        # A missing zone is a KeyError; a folder of zones, or no text, is one of the others.
        message = "a time zone of the IANA database, such as UTC or Europe/Berlin"
        raise ValueError(message) from None


def log_level(value: object) -> str:
    """Read a level of the logging module, in any letter case."""
    name = value.upper() if isinstance(value, str) else ""
    if name not in LOG_LEVELS:
        message = "one of " + ", ".join(LOG_LEVELS)
        raise ValueError(message)
    return name


url: Final = text(
    r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]*",
    "a URL without spaces, such as sqlite:///longshore.db or memory://",
)
path: Final = text(r"[^\0]+", "the path of a file")
queue_name: Final = text(
    r"[A-Za-z0-9_.-]{1,80}",
    "a queue's name: letters, digits, - _ . (1 to 80)",
)
address: Final = text(
    r"(?:(?:\[[0-9A-Fa-f:.%a-z]+\]|[A-Za-z0-9_.-]+):)?"
    r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])",
    "HOST:PORT, such as 127.0.0.1:9090; a port alone means loopback, and port 0 a free one",
)
app: Final = text(
    rf"{_DOTTED}:{_DOTTED}",
    "module:object, such as shop.tasks:app",
)
module: Final = text(_DOTTED, "a module's name, such as shop.tasks")
pattern: Final = text(
    r"[A-Za-z0-9_.:@/*?\[\]!-]{1,200}",
    "a task's name, or a pattern with * ? [] such as mail.*",
)
baggage_key: Final = text(r"[^\s,;=]{1,100}", "a key without spaces , ; and =")
tag: Final = text(r"[^\s,](?:[^,]*[^\s,])?", "text without a comma")


def _integer(value: object) -> int | None:
    if isinstance(value, str):
        digits = value.strip()
        if digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER:
            return int(digits)
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _items(value: object) -> Sequence[object]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple):
        return cast("Sequence[object]", value)
    return [value]
