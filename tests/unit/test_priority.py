"""Priorities (L07, E07): 0 to 100, higher first, four names on the same scale."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ConfigurationError
from longshore.priority import (
    HIGH,
    HIGHEST,
    LOW,
    LOWEST,
    NORMAL,
    PRIORITY_DEFAULT,
    PRIORITY_NAMES,
    URGENT,
    parse_priority,
)

REFUSED: dict[str, Any] = {
    "below": -1,
    "above": 101,
    "far above": 10**5000,
    "far below": -(10**5000),
    "true": True,
    "false": False,
    "float": 5.0,
    "none": None,
    "list": [5],
    "empty text": "",
    "float text": "5.0",
    "negative text": "-1",
    "above as text": "101",
    "four digits": "0005",
    "arabic digit": "\u0665",
    "unknown name": "medium",
    "long text": "highest" * 1000,
}


def test_the_four_levels_keep_their_numbers_and_normal_is_the_default() -> None:
    levels = (LOW, NORMAL, HIGH, URGENT)

    assert levels == (1, 5, 10, 15)
    assert PRIORITY_DEFAULT == NORMAL


@given(st.integers(LOWEST, HIGHEST))
def test_every_number_of_the_scale_is_kept_as_given_also_as_text(number: int) -> None:
    read = [parse_priority(number), parse_priority(str(number)), parse_priority(f" {number}\n")]

    assert read == [number] * 3


@pytest.mark.parametrize(("name", "number"), PRIORITY_NAMES.items())
def test_names_are_read_in_any_case(name: str, number: int) -> None:
    read = [parse_priority(spelling) for spelling in (name, name.upper(), f" {name.title()} ")]

    assert read == [number] * 3


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_the_accepted_forms(value: Any) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_priority(value)

    assert "from 0 (runs last) to 100 (runs first)" in str(refusal.value)
    assert "'urgent' (15)" in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_a_refusal_quotes_the_value() -> None:
    with pytest.raises(ConfigurationError, match="'medium' is not a priority"):
        parse_priority("medium")
