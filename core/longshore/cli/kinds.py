"""The kinds of values that options take, each refused with what would have been accepted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from longshore.errors import ConfigurationError, ScheduleError
from longshore.priority import parse_priority
from longshore.when import parse_duration

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

_AGO: Final = "ago"


class Duration(click.ParamType):
    """A length of time: `90`, `10m`, `1h30m`, `10 minutes`; bare numbers are seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read it; zero is a duration."""
        try:
            return parse_duration(value)
        except ScheduleError as error:
            self.fail(str(error), param, ctx)


class Priority(click.ParamType):
    """0 to 100, higher first, or low, normal, high, urgent."""

    name = "priority"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read it."""
        try:
            return parse_priority(value)
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


class States(click.ParamType):
    """States, groups of them and the originals' words, with commas between."""

    name = "state"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[Any]:
        """Read them as a set of `TaskState`."""
        if isinstance(value, frozenset):
            return value
        from longshore.task import parse_states  # noqa: PLC0415 - only where states are given

        try:
            return parse_states(value.split(","))
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


class Names(click.ParamType):
    """Names with commas between."""

    name = "name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read them; at least one."""
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in value.split(",") if part.strip())
        if not names:
            self.fail(f"{value!r} holds no name", param, ctx)
        return names


class JsonValue(click.ParamType):
    """JSON of one of the given types."""

    name = "json"

    def __init__(self, *types: type, words: str) -> None:
        """`words` name the types in an error."""
        self._types = types
        self._words = words

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Read it."""
        if not isinstance(value, str):
            return value
        try:
            found = read_json(value)
        except ValueError as error:
            self.fail(f"{value!r} is not JSON: {error}; give {self._words}", param, ctx)
        if not isinstance(found, self._types):
            self.fail(f"{value!r} is not {self._words}", param, ctx)
        return found


class Pair(click.ParamType):
    """`NAME=VALUE`; the value is read as JSON where it is JSON, else as text."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name.isidentifier():
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        try:
            return name, read_json(text)
        except ValueError:
            return name, text


DURATION: Final = Duration()
PRIORITY: Final = Priority()
STATES: Final = States()
NAMES: Final = Names()
ARGUMENTS: Final = JsonValue(
    list, dict, words="""a JSON list of arguments, or an object such as {"to": "a@b.c"}"""
)
OBJECT: Final = JsonValue(dict, words="""a JSON object such as {"to": "a@b.c"}""")
PAIR: Final = Pair()


def read_json(text: str | bytes) -> Any:
    """Read strict JSON; ValueError for anything else, NaN and too deep nesting among it."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        message = "it is nested too deeply"
        raise ValueError(message) from None


def moment_before(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """Read a time in the past: a length of time is counted back from now (`2h`, `3 days ago`).

    Everything else is read as `parse_when` does. Raises `ScheduleError`.
    """
    from longshore.when import parse_when  # noqa: PLC0415 - only where a time is given

    length = text.strip().lower().removesuffix(_AGO).strip().removeprefix("-")
    if not length.replace(".", "").isdigit():
        try:
            return now - parse_duration(length)
        except (ScheduleError, OverflowError):
            pass
    moment = parse_when(text, now=now, zone=zone)
    return now if moment is None else moment


def _refuse_constant(word: str) -> Any:
    message = f"{word} is no JSON"
    raise ValueError(message)
