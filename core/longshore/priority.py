"""Priorities: whole numbers from 0 to 100, higher first, first-in first-out within one.

The four names are constants on that scale, not a scale of their own; any number between is fine.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOWEST: Final = 0
LOW: Final = 1
NORMAL: Final = 5
HIGH: Final = 10
URGENT: Final = 15
HIGHEST: Final = 100
PRIORITY_DEFAULT: Final = NORMAL

PRIORITY_NAMES: Final[Mapping[str, int]] = MappingProxyType(
    {"low": LOW, "normal": NORMAL, "high": HIGH, "urgent": URGENT},
)
_QUOTE_LIMIT: Final = 40
_DIGITS_LIMIT: Final = 3


def parse_priority(value: int | str) -> int:
    """Read a priority: a whole number, the same as text, or a name in any case.

    Raises ConfigurationError for anything else: a number outside 0 to 100, a bool, a float,
    an unknown name. A number is never rounded or clamped.
    """
    number = _read(value)
    if number is None or not LOWEST <= number <= HIGHEST:
        raise ConfigurationError(_refusal(value))
    return number


def _read(value: object) -> int | None:
    if isinstance(value, str):
        text = value.strip().lower()
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS_LIMIT:
            return int(text)
        return PRIORITY_NAMES.get(text)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _refusal(value: object) -> str:
    names = ", ".join(f"{name!r} ({number})" for name, number in PRIORITY_NAMES.items())
    return (
        f"{_quoted(value)} is not a priority; give a whole number from {LOWEST} (runs last) "
        f"to {HIGHEST} (runs first), such as {NORMAL} or '{NORMAL}', or a name: {names}"
    )


def _quoted(value: object) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= _QUOTE_LIMIT else value[:_QUOTE_LIMIT] + "…")
    if isinstance(value, int) and abs(value) >= 10**_QUOTE_LIMIT:
        return f"a number above 10**{_QUOTE_LIMIT}"  # repr of a long int raises ValueError
    return repr(value)
