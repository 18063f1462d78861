"""When something happens: the accepted ways to write an instant or a duration.

A duration is an exact number of microseconds: a day is 24 hours, whatever the clocks of a zone
do that day. A month or a year has no fixed length and is refused; give days, or a date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from longshore.errors import ScheduleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

Duration: TypeAlias = str | float | timedelta
"""Anything `parse_duration` reads; a number is seconds."""
When: TypeAlias = str | float | datetime | timedelta
"""Anything `parse_when` reads but None; a number is epoch seconds."""

TEXT_LIMIT: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO: Final = timedelta(0)
_BASIC_DATE_DIGITS: Final = 8
_LONGEST_INT_QUOTED: Final = 10**40

_SPELLINGS: Final = (
    ("w week weeks", timedelta(weeks=1)),
    ("d day days", timedelta(days=1)),
    ("h hr hrs hour hours", timedelta(hours=1)),
    ("m min mins minute minutes", timedelta(minutes=1)),
    ("s sec secs second seconds", timedelta(seconds=1)),
    ("ms msec msecs millisecond milliseconds", timedelta(milliseconds=1)),
    ("us usec usecs microsecond microseconds", timedelta(microseconds=1)),
)
_UNITS: Final[Mapping[str, timedelta]] = MappingProxyType(
    {name: unit for names, unit in _SPELLINGS for name in names.split()},
)
# Possessive quantifiers: a failed match is final, so hostile text costs linear time.
_NUMBER: Final = re.compile(r"[0-9]++(?:\.[0-9]++)?+")
_PART: Final = re.compile(r"([0-9]++(?:\.[0-9]++)?+)\s*+([a-z]++)\s*+")

_DURATION_FORMS: Final = (
    "text such as '10 minutes', '1h30m' or '250ms'; seconds such as 90, 1.5 or '90'; "
    "or timedelta(minutes=10). Months and years have no fixed length: give days"
)
_WHEN_FORMS: Final = (
    "relative text such as '+10 minutes', '1h30m' or '2 days'; "
    "ISO 8601 text such as '2026-11-22', '2026-11-22T10:00' or '2026-11-22T10:00:00+01:00'; "
    "epoch seconds such as 1795341600 or '1795341600'; "
    "datetime(2026, 11, 22, 10, tzinfo=UTC); or timedelta(minutes=10). "
    "Months and years have no fixed length: give days or a date"
)


def parse_when(value: When | None, *, now: datetime, zone: tzinfo = UTC) -> datetime | None:
    """Read an instant; the answer is aware and in UTC. None stays None.

    | form | read as |
    |---|---|
    | relative text, `+10 minutes`, `1h30m` | `now` plus the duration, exactly |
    | ISO 8601 text, with or without time and offset | that instant; without offset, in `zone` |
    | a number, or digits as text | epoch seconds |
    | datetime | itself; a naive one in `zone` |
    | timedelta | `now` plus it |

    The past is accepted: such a task is due at once. Eight digits as text are refused, as they
    may be a date without its dashes. A local time that a DST change skips is read with the
    offset before the change (02:30 becomes 03:30); one that occurs twice is the first of the
    two. A datetime's `fold` is obeyed. `now` must be aware.

    Raises ScheduleError, naming the accepted forms, for everything else: negative, not finite,
    a bool, a date outside the years 1 to 9999, text above 100 characters or of no known form.
    """
    if value is None:
        return None
    if now.utcoffset() is None:
        _refuse(now, "a time to count from", "it has no offset", "an aware datetime, in UTC")
    try:
        return _instant(value, now.astimezone(UTC), zone)
    except OverflowError:
        _refuse_when(value, "it is outside the years 1 to 9999 (epoch numbers are seconds)")


def parse_duration(value: Duration) -> timedelta:
    """Read a duration of zero or more: text, seconds, or a timedelta.

    Text is numbers with units (`1h30m`, `10 minutes`, `+1 day 2 hours`, `1.5s`; each unit at
    most once, in any order and letter case), or a bare number of seconds. Finer than a
    microsecond is rounded to the nearest.

    Raises ScheduleError, naming the accepted forms, for everything else: negative, not finite,
    a bool, longer than a timedelta holds, text above 100 characters or of no known form.
    """
    try:
        return _duration(value)
    except OverflowError:
        _refuse_duration(value, "it is longer than a timedelta can hold")


def format_duration(duration: timedelta) -> str:
    """Write a duration compactly: `1h30m`, `250ms`, `0s`, `-5m`; days are the largest unit.

    Exact to the microsecond: `parse_duration` reads back the same value, unless it is negative.
    """
    rest = abs(duration)
    parts = [] if duration >= _ZERO else ["-"]
    for name in ("d", "h", "m", "s", "ms", "us"):
        number, rest = divmod(rest, _UNITS[name])
        if number:
            parts.append(f"{number}{name}")
    return "".join(parts) or "0s"


def _instant(value: object, now: datetime, zone: tzinfo) -> datetime:
    if isinstance(value, str):
        return _instant_of_text(value, now, zone)
    if isinstance(value, datetime):
        return _utc(value, zone)
    if isinstance(value, timedelta):
        return now + _not_negative(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _since_epoch(value)
    return _refuse_when(value, "it is of no accepted type")


def _instant_of_text(value: str, now: datetime, zone: tzinfo) -> datetime:
    if len(value) > TEXT_LIMIT:
        _refuse_when(value, f"it is longer than {TEXT_LIMIT} characters")
    text = value.strip()
    if _NUMBER.fullmatch(text):
        if len(text) == _BASIC_DATE_DIGITS and text.isdigit():
            _refuse_when(value, "eight digits may be a date; write it with dashes")
        return _since_epoch(_number(text))
    duration = _relative(text)
    if duration is not None:
        return now + duration
    try:
        return _utc(datetime.fromisoformat(text.upper()), zone)
    except ValueError:
        problem = "it is negative" if text.startswith("-") else "it is of no known form"
        _refuse_when(value, problem)


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value if value >= _ZERO else _refuse_duration(value, "it is negative")
    if isinstance(value, str):
        return _duration_of_text(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not isfinite(value):
            _refuse_duration(value, "it is not finite")
        if value < 0:
            _refuse_duration(value, "it is negative")
        return timedelta(seconds=value)
    return _refuse_duration(value, "it is of no accepted type")


def _duration_of_text(value: str) -> timedelta:
    if len(value) > TEXT_LIMIT:
        _refuse_duration(value, f"it is longer than {TEXT_LIMIT} characters")
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return timedelta(seconds=_number(text))
    duration = _relative(text)
    if duration is None:
        problem = "it is negative" if text.startswith("-") else "it is of no known form"
        _refuse_duration(value, problem)
    return duration


def _relative(text: str) -> timedelta | None:
    """Read numbers with units; None where the text is of another form."""
    rest = text.lower().removeprefix("+").lstrip()
    total, seen, position = _ZERO, set[timedelta](), 0
    while position < len(rest):
        part = _PART.match(rest, position)
        unit = None if part is None else _UNITS.get(part[2])
        if part is None or unit is None or unit in seen:
            return None
        total += unit * _number(part[1])
        seen.add(unit)
        position = part.end()
    return total if seen else None


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _not_negative(value: timedelta) -> timedelta:
    return value if value >= _ZERO else _refuse_when(value, "it is negative")


def _since_epoch(seconds: float) -> datetime:
    if not isfinite(seconds):
        _refuse_when(seconds, "it is not finite")
    if seconds < 0:
        _refuse_when(seconds, "it is negative, and numbers are epoch seconds")
    return _EPOCH + timedelta(seconds=seconds)


def _utc(moment: datetime, zone: tzinfo) -> datetime:
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def _refuse_when(value: object, problem: str) -> NoReturn:
    _refuse(value, "a time", problem, _WHEN_FORMS)


def _refuse_duration(value: object, problem: str) -> NoReturn:
    _refuse(value, "a duration", problem, _DURATION_FORMS)


def _refuse(value: object, wanted: str, problem: str, forms: str) -> NoReturn:
    message = f"{_quoted(value)} cannot be read as {wanted}: {problem}. Accepted: {forms}"
    raise ScheduleError(message) from None


def _quoted(value: object) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= TEXT_LIMIT else value[:TEXT_LIMIT] + "…")
    if isinstance(value, int) and abs(value) >= _LONGEST_INT_QUOTED:
        return "a number above 10**40"  # repr of a very long int raises ValueError
    if isinstance(value, (int, float, datetime, timedelta)):
        return repr(value)
    return f"a value of type {type(value).__name__}"  # its repr may be long, or raise
