"""What an adapter's URL asks for behind its `?`: every option is read once, or refused.

An adapter names its options with a reader each. A reader takes the text and answers the value, or
raises a `ValueError` that says what to give instead; here the option and the scheme are added.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias
from urllib.parse import parse_qsl

from longshore.errors import ConfigurationError
from longshore.masking import shown
from longshore.priority import HIGHEST, LOWEST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Reader: TypeAlias = Callable[[str], object]

_ESCAPED: Final = "write '/', '?', '#' and '@' in a password as %2F, %3F, %23 and %40"
_SWITCH: Final = {"on": True, "off": False}


def read_options(
    url: str, readers: Mapping[str, Reader], *, secret: Collection[str] = ()
) -> dict[str, Any]:
    """Read the query of a URL; what it does not name is not in the answer.

    Raises `ConfigurationError` for an option that is unknown, given twice, or not to be read. The
    value is quoted in the message, but for those named in `secret`.
    """
    given: dict[str, Any] = {}
    for name, text in parse_qsl(url.partition("?")[2], keep_blank_values=True):
        if name not in readers or name in given:
            once = f"give each of {', '.join(readers)} once at most"
            refuse(url, f"option {shown(url, name)!r}", once)
        try:
            given[name] = readers[name](text)
        except ValueError as error:
            value = f"this {name}" if name in secret else f"{name}={shown(url, text)}"
            refuse(url, value, str(error))
    return given


def refuse(url: str, given: str, wanted: str) -> NoReturn:
    """Raise `ConfigurationError`: what was given, in a URL of which scheme, and what to give.

    What is quoted of the URL has to be `shown`.
    """
    scheme, _, rest = url.partition("://")
    unescaped = not set("/?#@").isdisjoint(rest.rpartition("@")[0])
    hint = f"; {_ESCAPED}" if unescaped else ""
    message = f"{given} cannot be used in the {scheme.lower()}:// URL; {wanted}{hint}"
    raise ConfigurationError(message)


def some(text: str) -> str:
    """Read any text, so long as there is some."""
    if not text.strip():
        message = "leave it out, or give it a value"
        raise ValueError(message)
    return text


def matching(pattern: str, wanted: str) -> Callable[[str], str]:
    """Read text that fits the whole pattern, of ASCII."""
    fits = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if fits.fullmatch(text) is None:
            raise ValueError(wanted)
        return text

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """Read one of several words, in any letter case."""

    def read(text: str) -> str:
        if text.lower() not in words:
            message = f"give one of {', '.join(words)}"
            raise ValueError(message)
        return text.lower()

    return read


def switch(text: str) -> bool:
    """Read `on` or `off`."""
    if text.lower() not in _SWITCH:
        message = "give on or off"
        raise ValueError(message)
    return _SWITCH[text.lower()]


def whole(low: int, high: int, unit: str = "") -> Callable[[str], int]:
    """Read a whole number from `low` to `high`, both included."""
    wanted = f"give a whole number{unit and f' of {unit}'} from {low} to {high}"

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ValueError(wanted)
        return int(text)

    return read


def number(low: float, high: float, unit: str) -> Callable[[str], float]:
    """Read a number from `low` to `high`, both included."""
    wanted = f"give {unit} from {low:g} to {high:g}, such as 0.5"

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            raise ValueError(wanted) from None
        if not isfinite(found) or not low <= found <= high:
            raise ValueError(wanted)
        return found

    return read


def web_address(example: str) -> Callable[[str], str]:
    """Read the address of a server that speaks HTTP."""

    def read(text: str) -> str:
        if not text.startswith(("http://", "https://")):
            message = f"give a URL such as {example}"
            raise ValueError(message)
        return text.rstrip("/")

    return read


def bands(most: int) -> Callable[[str], tuple[int, ...]]:
    """Read thresholds of priority; answer them lowest first."""

    def read(text: str) -> tuple[int, ...]:
        numbers = [int(part) if part.isdecimal() else -1 for part in text.split(",")]
        right = all(LOWEST < each <= HIGHEST for each in numbers)
        if not right or len(set(numbers)) < len(numbers) or len(numbers) > most:
            wanted = f"give up to {most} different priorities from 1 to {HIGHEST}"
            message = f"{wanted}, such as 10,50"
            raise ValueError(message)
        return tuple(sorted(numbers))

    return read
