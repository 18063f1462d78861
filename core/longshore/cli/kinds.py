"""The kinds of values that options take, each refused with what would have been accepted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import click

from longshore.errors import ConfigurationError, LongshoreError, ScheduleError
from longshore.priority import parse_priority
from longshore.task import parse_states
from longshore.when import parse_duration, parse_when

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo

_AGO: Final = "ago"
_SHOWN: Final = 60
"""How much is repeated of what cannot be read."""


class Kind(click.ParamType):  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument] - generic only since click 8.4
    """Text that a function reads; what it raises becomes a usage error of the option."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        """`name` stands for the value in help; `read` raises LongshoreError or ValueError."""
        self.name = name
        self._read = read

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - as click's
        """Read text; a default that is no text is left as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except (LongshoreError, ValueError) as error:
            self.fail(str(error), param, ctx)


def read_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read strict JSON; ValueError for anything else, NaN and too deep nesting among it."""
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(decoded, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} is not UTF-8"
        raise ValueError(message) from None
    except RecursionError:
        message = "it is nested too deeply"
        raise ValueError(message) from None


def as_object(found: object) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def as_list(found: object) -> list[object] | None:
    """A JSON list; None for anything else."""
    return cast("list[object]", found) if isinstance(found, list) else None


def as_texts(found: object) -> tuple[str, ...] | None:
    """A JSON list of texts; None for anything else."""
    items = as_list(found)
    if items is None:
        return None
    texts = tuple(item for item in items if isinstance(item, str))
    return texts if len(texts) == len(items) else None


def moment_before(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """Read a time in the past: a length of time is counted back from now (`2h`, `3 days ago`).

    Everything else is read as `parse_when` does. Raises `ScheduleError`.
    """
    length = text.strip().lower().removesuffix(_AGO).strip().removeprefix("-")
    if not length.replace(".", "").isdigit():
        try:
            return now - parse_duration(length)
        except (ScheduleError, OverflowError):
            pass
    moment = parse_when(text, now=now, zone=zone)
    return now if moment is None else moment


def _states(text: str) -> object:
    words = text.split(",")
    if any(word.strip().lower() == "forever" for word in words):
        message = (
            "'forever' meant recurring tasks, which would be schedules here, and there are none "
            "yet; enqueue from cron with a tag, and find those tasks by it: --tag TAG"
        )
        raise ConfigurationError(message)
    return parse_states(words)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        message = f"{text!r} holds no name"
        raise ValueError(message)
    return names


def _arguments(text: str) -> object:
    found = _json(text, _ARGUMENTS)
    if as_object(found) is None and as_list(found) is None:
        message = f"{text!r} is not {_ARGUMENTS}"
        raise ValueError(message)
    return found


def _object(text: str) -> object:
    found = _json(text, _OBJECT)
    if as_object(found) is None:
        message = f"{text!r} is not {_OBJECT}"
        raise ValueError(message)
    return found


def _pair(text: str) -> tuple[str, object]:
    """Read NAME=VALUE; the value as JSON where it is JSON, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        message = f"{text!r} is not NAME=VALUE"
        raise ValueError(message)
    try:
        return name, read_json(value)
    except ValueError:
        return name, value


def _json(text: str, wanted: str) -> object:
    try:
        found: object = read_json(text)
    except ValueError as error:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        message = f"{shown!r} is not JSON: {error}; give {wanted}"
        raise ValueError(message) from None
    return found


def _refuse_constant(word: str) -> object:
    message = f"{word} is no JSON"
    raise ValueError(message)


_OBJECT: Final = """a JSON object such as {"to": "a@b.c"}"""
_ARGUMENTS: Final = """a JSON list of arguments, or an object such as {"to": "a@b.c"}"""

DURATION: Final = Kind("duration", parse_duration)
PRIORITY: Final = Kind("priority", parse_priority)
STATES: Final = Kind("state", _states)
NAMES: Final = Kind("name", _names)
ARGUMENTS: Final = Kind("json", _arguments)
OBJECT: Final = Kind("json", _object)
PAIR: Final = Kind("name=value", _pair)
