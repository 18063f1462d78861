"""Single values as they go over the wire: times, text and JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
NEVER: Final = -(2**63)
"""A time that is missing, where a time is a number of 64 bits."""
LATEST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND

dumps: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Writes JSON in ASCII, so that anything a Python string can hold comes back."""


def loads(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read what `dumps` wrote."""
    return json.loads(data)


def micros(moment: datetime) -> int:
    """Write a time as microseconds since the epoch; exact."""
    return (moment - EPOCH) // MICROSECOND


def moment(number: int) -> datetime:
    """Read a time; what lies beyond the calendar is its last day."""
    return EPOCH + timedelta(microseconds=min(number, LATEST))


def maybe_micros(moment: datetime | None) -> int:
    """Write a time that may be missing."""
    return NEVER if moment is None else (moment - EPOCH) // MICROSECOND


def maybe_moment(number: int) -> datetime | None:
    """Read a time that may be missing."""
    return None if number == NEVER else EPOCH + timedelta(microseconds=number)


def span(duration: timedelta) -> int:
    """Write a duration; the longest that a sum with any time still holds exactly is centuries."""
    return min(duration // MICROSECOND, _LONGEST)


_LONGEST: Final = 2**52


def raw(text: str) -> bytes:
    """Write text that may hold anything a Python string can."""
    return text.encode("utf-8", "surrogatepass")


def text(data: bytes) -> str:
    """Read what `raw` wrote."""
    return data.decode("utf-8", "surrogatepass")
