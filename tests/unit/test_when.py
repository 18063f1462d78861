"""Instants and durations as text, numbers and objects (L06, P08, L08, P10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longshore.errors import ScheduleError
from longshore.when import format_duration, parse_duration, parse_when

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = timezone(timedelta(hours=5, minutes=30))

DURATIONS = {
    "+10 minutes": timedelta(minutes=10),
    "10m": timedelta(minutes=10),
    "1h30m": timedelta(hours=1, minutes=30),
    "+30 seconds": timedelta(seconds=30),
    "+1 minute": timedelta(minutes=1),
    "2 days": timedelta(days=2),
    "1 week": timedelta(weeks=1),
    "1 day 2 hours": timedelta(days=1, hours=2),
    "30m 1h": timedelta(hours=1, minutes=30),
    " + 5 Hours ": timedelta(hours=5),
    "1.5h": timedelta(minutes=90),
    "0.1s": timedelta(milliseconds=100),
    "250ms": timedelta(milliseconds=250),
    "7us": timedelta(microseconds=7),
    "0s": timedelta(0),
}

INSTANTS = {
    "2026-12-24": datetime(2026, 12, 24, tzinfo=UTC),
    "2026-12-24T18:30": datetime(2026, 12, 24, 18, 30, tzinfo=UTC),
    "2026-12-24 18:30:15.5": datetime(2026, 12, 24, 18, 30, 15, 500_000, tzinfo=UTC),
    "2026-12-24T18:30:00Z": datetime(2026, 12, 24, 18, 30, tzinfo=UTC),
    "2026-12-24t18:30:00z": datetime(2026, 12, 24, 18, 30, tzinfo=UTC),
    "2026-12-24T18:30:00+05:30": datetime(2026, 12, 24, 13, tzinfo=UTC),
    "20261224T183000Z": datetime(2026, 12, 24, 18, 30, tzinfo=UTC),
    " 2026-12-24 ": datetime(2026, 12, 24, tzinfo=UTC),
}

REFUSED: dict[str, Any] = {
    "true": True,
    "false": False,
    "negative": -1,
    "negative float": -0.5,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "far number": 10**30,
    "milliseconds": 1_795_341_600_000,
    "long number": 10**5000,
    "negative timedelta": timedelta(seconds=-1),
    "far timedelta": timedelta.max,
    "a date object": date(2026, 11, 22),
    "bytes": b"10m",
    "list": ["10m"],
    "empty": "",
    "blank": "   ",
    "plus": "+",
    "word": "soon",
    "negative text": "-10 minutes",
    "negative digits": "-30",
    "two signs": "++10m",
    "no unit": "+10",
    "no number": "minutes",
    "unit twice": "10m 5 minutes",
    "unknown unit": "3 fortnights",
    "month": "+1 month",
    "year": "1 year",
    "ago": "10 minutes ago",
    "comma": "1h, 30m",
    "infinite text": "inf",
    "exponent": "1e9",
    "far text": "9" * 99 + "d",
    "far digits": "9" * 99,
    "no such day": "2026-02-30",
    "time alone": "10:30",
    "before year 1": "0001-01-01T00:00:00+01:00",
    "after year 9999": "9999-12-31T23:59:59-01:00",
    "eight digits": "20261224",
    "too long": " " * 101,
    "very long": "1h" * 1_000_000,
    "other digits": "\u0661\u0660m",
}


@pytest.mark.parametrize("text", DURATIONS)
def test_relative_text_counts_from_now(text: str) -> None:
    due = parse_when(text, now=NOW)

    assert due == NOW + DURATIONS[text]


@pytest.mark.parametrize("text", DURATIONS)
def test_a_duration_is_read_like_relative_text(text: str) -> None:
    duration = parse_duration(text)

    assert duration == DURATIONS[text]


@pytest.mark.parametrize("text", INSTANTS)
def test_iso_text_is_that_instant_and_utc_without_an_offset(text: str) -> None:
    due = parse_when(text, now=NOW)

    assert due == INSTANTS[text]


@pytest.mark.parametrize(
    "value",
    [1_795_341_600, 1_795_341_600.0, "1795341600", "1795341600.0"],
    ids=["int", "float", "digits", "decimal"],
)
def test_numbers_and_digits_are_epoch_seconds(value: float | str) -> None:
    due = parse_when(value, now=NOW)

    assert due == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_small_numbers_are_in_1970_and_not_from_now() -> None:
    due = parse_when(10, now=NOW)

    assert due == datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)


def test_none_stays_none() -> None:
    due = parse_when(None, now=NOW)

    assert due is None


def test_a_timedelta_counts_from_now() -> None:
    due = parse_when(timedelta(minutes=10), now=NOW)

    assert due == NOW + timedelta(minutes=10)


def test_an_aware_datetime_is_itself_in_utc() -> None:
    due = parse_when(datetime(2026, 12, 24, 18, 30, tzinfo=KOLKATA), now=NOW, zone=BERLIN)

    assert due == datetime(2026, 12, 24, 13, tzinfo=UTC)
    assert due is not None
    assert due.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 12, 24, 18), "2026-12-24T18:00"],  # noqa: DTZ001 - naive on purpose
    ids=["datetime", "text"],
)
def test_a_time_without_offset_is_read_in_the_zone_given(value: datetime | str) -> None:
    due = parse_when(value, now=NOW, zone=BERLIN)

    assert due == datetime(2026, 12, 24, 17, tzinfo=UTC)


def test_a_local_time_that_a_dst_change_skips_is_as_much_later() -> None:
    due = parse_when("2026-03-29T02:30", now=NOW, zone=BERLIN)

    assert due is not None
    assert due == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert due.astimezone(BERLIN).isoformat() == "2026-03-29T03:30:00+02:00"


def test_a_local_time_that_occurs_twice_is_the_first_of_the_two() -> None:
    due = parse_when("2026-10-25T02:30", now=NOW, zone=BERLIN)

    assert due is not None
    assert due.astimezone(BERLIN).isoformat() == "2026-10-25T02:30:00+02:00"


def test_the_fold_of_a_datetime_picks_the_second_of_the_two() -> None:
    second = datetime(2026, 10, 25, 2, 30, fold=1)  # noqa: DTZ001 - naive on purpose

    due = parse_when(second, now=NOW, zone=BERLIN)

    assert due is not None
    assert due.astimezone(BERLIN).isoformat() == "2026-10-25T02:30:00+01:00"


def test_a_day_is_24_hours_also_across_a_dst_change() -> None:
    evening = datetime(2026, 10, 24, 20, tzinfo=BERLIN)

    due = parse_when("1 day", now=evening, zone=BERLIN)

    assert due is not None
    assert due - evening.astimezone(UTC) == timedelta(hours=24)
    assert due.astimezone(BERLIN).hour == 19


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_every_accepted_form(value: Any) -> None:
    with pytest.raises(ScheduleError) as refusal:
        parse_when(value, now=NOW)

    message = str(refusal.value)
    forms = ["'+10 minutes'", "'2026-11-22T10:00'", "'1795341600'", "datetime(", "timedelta("]
    assert [form for form in forms if form not in message] == []
    assert len(message) < 700


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("soon", "'soon' cannot be read as a time: it is of no known form"),
        ("-10m", "'-10m' cannot be read as a time: it is negative"),
        (float("nan"), "nan cannot be read as a time: it is not finite"),
        ("x" * 500, "'" + "x" * 100 + "…' cannot be read as a time: it is longer than 100"),
        (True, "True cannot be read as a time: it is of no accepted type"),
        (["10m"], "a value of type list cannot be read as a time"),
        (1_795_341_600_000, "1795341600000 cannot be read as a time: it is outside the years"),
    ],
    ids=["word", "negative", "nan", "long", "bool", "type", "milliseconds"],
)
def test_a_refusal_quotes_the_value_and_says_what_is_wrong(value: Any, quoted: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        parse_when(value, now=NOW)

    assert str(refusal.value).startswith(quoted)


def test_a_naive_now_is_refused() -> None:
    naive = datetime(2026, 11, 22)  # noqa: DTZ001 - naive on purpose

    with pytest.raises(ScheduleError, match="an aware datetime"):
        parse_when("10m", now=naive)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(90, 90), (1.5, 1.5), ("90", 90), (" 1.5 ", 1.5), (0, 0), (timedelta(minutes=1), 60)],
    ids=["int", "float", "digits", "decimal", "zero", "timedelta"],
)
def test_a_bare_number_is_a_duration_in_seconds(
    value: str | float | timedelta, seconds: float
) -> None:
    duration = parse_duration(value)

    assert duration == timedelta(seconds=seconds)


REFUSED_DURATIONS: dict[str, Any] = {
    name: value
    for name, value in REFUSED.items()
    if name not in {"far timedelta", "milliseconds", "eight digits"}
} | {"a date": "2026-11-22", "a datetime": NOW, "none": None}


@pytest.mark.parametrize("value", REFUSED_DURATIONS.values(), ids=REFUSED_DURATIONS)
def test_what_is_no_duration_is_refused_with_every_accepted_form(value: Any) -> None:
    with pytest.raises(ScheduleError) as refusal:
        parse_duration(value)

    message = str(refusal.value)
    assert [form for form in ("'1h30m'", "90", "timedelta(") if form not in message] == []
    assert "cannot be read as a duration" in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(hours=1, minutes=30), "1h30m"),
        (timedelta(milliseconds=250), "250ms"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(seconds=1.5), "1s500ms"),
        (timedelta(weeks=2), "14d"),
        (timedelta(microseconds=1), "1us"),
        (timedelta(minutes=-5), "-5m"),
    ],
)
def test_durations_are_written_compactly(duration: timedelta, text: str) -> None:
    written = format_duration(duration)

    assert written == text


@given(st.timedeltas(min_value=timedelta(0)))
@example(timedelta.max)
def test_a_written_duration_is_read_back_exactly(duration: timedelta) -> None:
    text = format_duration(duration)

    assert parse_duration(text) == duration


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=1_000_000)))
def test_relative_text_and_its_timedelta_are_the_same_instant(duration: timedelta) -> None:
    from_text = parse_when(f"+{format_duration(duration)}", now=NOW)

    assert from_text == parse_when(duration, now=NOW)


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_iso_text_of_an_instant_is_read_back_exactly(instant: datetime) -> None:
    due = parse_when(instant.isoformat(), now=NOW)

    assert due == instant


@given(st.text() | st.text("0123456789.+-:TWZhmsd ", max_size=30))
def test_any_text_is_an_instant_in_utc_or_refused(text: str) -> None:
    try:
        due = parse_when(text, now=NOW)
    except ScheduleError as refusal:
        assert "Accepted" in str(refusal)  # noqa: PT017 - either outcome is right
    else:
        assert due is not None
        assert due.tzinfo is UTC


@given(st.integers() | st.floats())
def test_any_number_is_an_instant_in_utc_or_refused(number: float) -> None:
    try:
        due = parse_when(number, now=NOW)
    except ScheduleError as refusal:
        assert "Accepted" in str(refusal)  # noqa: PT017 - either outcome is right
    else:
        assert due is not None
        assert due.tzinfo is UTC
