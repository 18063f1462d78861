"""Values that are made quickly are the values they were: frozen, equal, with their defaults."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field
from dataclasses import replace as slow_replace

import pytest

from longshore.quick import quick, replace


@dataclass(frozen=True, slots=True)
class Slow:
    """As dataclasses makes it."""

    name: str
    size: int = 3
    marks: list[str] = field(default_factory=list[str], kw_only=True)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, made quickly."""

    name: str
    size: int = 3
    marks: list[str] = field(default_factory=list[str], kw_only=True)


def test_it_cannot_be_changed_once_it_is_made() -> None:
    value = Quick("a")

    with pytest.raises(FrozenInstanceError):
        value.name = "b"  # type: ignore[misc]  # what is tried

    assert value.name == "a"
    assert type(value) is Quick


def test_it_is_called_as_before() -> None:
    assert inspect.signature(Quick) == inspect.signature(Slow)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Quick()  # type: ignore[call-arg]  # what is tried


def test_defaults_are_made_anew_for_each() -> None:
    first, second = Quick("a"), Quick("a")

    first.marks.append("x")

    assert (second.size, second.marks) == (3, [])
    assert Quick("a", 4, marks=["y"]).marks == ["y"]


def test_equal_values_are_equal_and_copies_too() -> None:
    value = Quick("a", marks=["x"])

    copies = [
        replace(value),
        slow_replace(value),
        copy.copy(value),
        copy.deepcopy(value),
        pickle.loads(pickle.dumps(value)),  # noqa: S301 - written on the same line
    ]

    assert copies == [value] * 5
    assert repr(value) == repr(Slow("a", marks=["x"])).replace("Slow", "Quick")


def test_a_value_made_anew_differs_in_what_was_given_alone() -> None:
    value = Quick("a", 4, marks=["x"])

    other = replace(value, size=5)

    assert other == Quick("a", 5, marks=["x"])
    assert value == Quick("a", 4, marks=["x"])
    with pytest.raises(FrozenInstanceError):
        other.size = 6  # type: ignore[misc]  # what is tried


def test_a_field_that_there_is_not_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="Quick has no field 'colour'"):
        replace(Quick("a"), colour="red")  # type: ignore[call-arg]  # what is tried


def test_a_class_that_inherits_is_refused_when_it_is_made() -> None:
    class Heir(Quick):
        """Has a dictionary, which the slots of the class above leave no place for."""

    with pytest.raises(TypeError, match="layout differs"):
        Heir("a")
