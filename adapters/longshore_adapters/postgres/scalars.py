"""Single values as PostgreSQL holds them: text, durations, JSON."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from longshore.task import LogLine, TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from re import Match

LONGEST: Final = timedelta(days=3_000_000)
"""Added to any time that Python can say, it gives one that PostgreSQL can."""

_STRANGE: Final = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED: Final = re.compile("\x1a([0-9a-f]{4})")


def text(value: str | None) -> str | None:
    """Write text that may hold anything a Python string can.

    A column of text takes no NUL and no lone surrogate: U+001A and four digits stand for one, and
    for itself. Equal texts stay equal, different ones different.
    """
    if value is None or _STRANGE.search(value) is None:
        return value
    return _STRANGE.sub(lambda found: f"\x1a{ord(found[0]):04x}", value)


def said(value: str | None) -> str | None:
    """Read what `text` wrote."""
    if value is None or "\x1a" not in value:
        return value
    return _ESCAPED.sub(_character, value)


def _character(found: Match[str]) -> str:
    return chr(int(found[1], 16))


def octets(value: str) -> bytes:
    """Write text as bytes that sort as its characters do."""
    return value.encode("utf-8", "surrogatepass")


def characters(value: bytes) -> str:
    """Read what `octets` wrote."""
    return value.decode("utf-8", "surrogatepass")


def span(wait: timedelta) -> timedelta:
    """Cut a duration to one that may be added to a time on the server."""
    return min(wait, LONGEST)


def attributes_text(attributes: Mapping[str, str]) -> str | None:
    """Write attributes; none at all are NULL."""
    return json.dumps(dict(attributes)) if attributes else None


def attributes_of(written: dict[str, str] | None) -> dict[str, str]:
    """Read attributes."""
    return written or {}


def tags_text(tags: tuple[str, ...]) -> str | None:
    """Write tags; none at all are NULL. jsonb takes no more than a column of text does."""
    return json.dumps([text(tag) for tag in tags]) if tags else None


def tags_of(written: list[str] | None) -> tuple[str, ...]:
    """Read tags."""
    return () if written is None else tuple(cast("str", said(tag)) for tag in written)


def error_text(error: TaskError | None) -> str | None:
    """Write an error as an object of three texts."""
    if error is None:
        return None
    return json.dumps({"type": error.type, "message": error.message, "traceback": error.traceback})


def error_of(written: dict[str, str] | None) -> TaskError | None:
    """Read an error."""
    return None if written is None else TaskError(**written)


def folded(error: TaskError | None) -> bytes | None:
    """Write what an error is found by: its type and text, in no letter case.

    As bytes, because a text in escapes would be found by their digits.
    """
    return None if error is None else octets(f"{error.type}: {error.message}".casefold())


def lines_text(lines: tuple[LogLine, ...]) -> str | None:
    """Write what a handler logged, as a list of [time, level, text]."""
    if not lines:
        return None
    return json.dumps([[line.at.isoformat(), line.level, line.text] for line in lines])
