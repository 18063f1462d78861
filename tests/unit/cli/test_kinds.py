"""What options accept, and what they say of the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from longshore.cli.kinds import (
    ARGUMENTS,
    DURATION,
    NAMES,
    OBJECT,
    PAIR,
    PRIORITY,
    STATES,
    Kind,
    moment_before,
    read_json,
)
from longshore.errors import ScheduleError
from longshore.task import OPEN, TaskState

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (ARGUMENTS, '["temp"]', ["temp"]),
        (ARGUMENTS, '{"a": 1}', {"a": 1}),
        (DURATION, "90", timedelta(seconds=90)),
        (DURATION, "1h30m", timedelta(minutes=90)),
        (NAMES, "a, b,,c", ("a", "b", "c")),
        (OBJECT, "{}", {}),
        (PAIR, "a=1", ("a", 1)),
        (PAIR, "a=one=two", ("a", "one=two")),
        (PRIORITY, "high", 10),
        (STATES, "failed,open", OPEN | {TaskState.FAILED}),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "name", ""),
)
def test_accepted_text_is_read(kind: Kind, text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (ARGUMENTS, "temp", "is not JSON"),
        (ARGUMENTS, "3", "a JSON list of arguments, or an object"),
        (ARGUMENTS, "[NaN]", "NaN is no JSON"),
        (ARGUMENTS, "[" * 100_000, "nested too deeply"),
        (DURATION, "soon", "cannot be read as a duration"),
        (NAMES, " , ", "holds no name"),
        (OBJECT, "[]", "a JSON object such as"),
        (PAIR, "a", "is not NAME=VALUE"),
        (PRIORITY, "101", "is not a priority"),
        (STATES, "failed,lost", "'lost' is not a task state"),
        (STATES, "failed,Forever", "enqueue from cron with a tag, and find those tasks by it"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else getattr(value, "name", ""),
)
def test_other_text_is_refused_with_what_is_accepted(kind: Kind, text: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said):
        kind.convert(text, None, None)


def test_of_long_text_that_is_refused_only_the_beginning_is_repeated() -> None:
    with pytest.raises(click.BadParameter) as refused:
        ARGUMENTS.convert("[" * 100_000, None, None)

    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("-10m", NOW - timedelta(minutes=10)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:00+02:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("1795341600", datetime.fromtimestamp(1_795_341_600, UTC)),
    ],
)
def test_a_length_of_time_is_counted_back_and_a_time_is_itself(text: str, moment: datetime) -> None:
    assert moment_before(text, now=NOW, zone=UTC) == moment


def test_a_time_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ScheduleError):
        moment_before("a while", now=NOW, zone=UTC)


def test_json_is_strict() -> None:
    with pytest.raises(ValueError, match="Infinity is no JSON"):
        read_json('{"a": Infinity}')
