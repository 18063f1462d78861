from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from longshore.codec import decode, encode
from longshore.definition import define
from longshore.errors import ArgumentsError, TaskDefinitionError
from longshore.message import Message

if TYPE_CHECKING:
    from fractions import Fraction

UUID_TEXT = "0198f3aa-0000-7000-8000-000000000000"


class Order(BaseModel):
    """A model, as applications have them."""

    number: int
    due: date | None = None


class Colour(StrEnum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 0


def rich(  # noqa: PLR0913, PLR0917 - one parameter for each kind
    order: Order,
    moment: datetime,
    number: UUID,
    amount: Decimal,
    wait: timedelta,
    colour: Colour,
    point: Point,
    several: list[Order],
    share: Annotated[float, Field(ge=0, le=1)],
    way: Literal["up", "down"] = "up",
) -> None: ...


def plain(first, second=2): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - unannotated on purpose


def positional_only(first: int, /, second: int = 2) -> None: ...


def keyword_only(first: int, *, second: int = 2) -> None: ...


def variable(first: int, *rest: int, last: str = "", **more: float) -> None: ...


def options(**more: int) -> None: ...


def nothing() -> None: ...


def forward(order: Later) -> None: ...


class Later(BaseModel):
    number: int


def hidden(share: Fraction) -> None: ...


def takes_text(text: str) -> None: ...


def sent(function: Callable[..., object], *args: object, **kwargs: object) -> object:
    return define(function).arguments.pack(args, kwargs)


def received(
    function: Callable[..., object], *args: object, **kwargs: object
) -> tuple[tuple[object, ...], dict[str, object]]:
    """What the handler is called with, once the arguments went over the wire and back."""
    definition = define(function)
    message = Message(id="1", type="t", data=definition.arguments.pack(args, kwargs))
    return definition.arguments.unpack(decode(encode(message)))


def test_values_come_back_as_what_the_annotations_say() -> None:
    given = {
        "order": Order(number=1, due=date(2030, 1, 2)),
        "moment": datetime(2030, 1, 2, 3, 4, tzinfo=UTC),
        "number": UUID(UUID_TEXT),
        "amount": Decimal("1.10"),
        "wait": timedelta(seconds=90),
        "colour": Colour.RED,
        "point": Point(1, 2),
        "several": [Order(number=2)],
        "share": 0.5,
    }

    args, kwargs = received(rich, **given)

    assert args == ()
    assert kwargs == {**given, "way": "up"}


def test_json_is_enough_for_what_has_an_annotation() -> None:
    args, kwargs = received(
        rich,
        {"number": "1"},
        "2030-01-02T03:04:00Z",
        UUID_TEXT,
        "1.10",
        90,
        "red",
        {"x": 1},
        [],
        share="0.5",
    )

    assert args == ()
    assert kwargs["order"] == Order(number=1)
    assert kwargs["moment"] == datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    assert kwargs["point"] == Point(1)
    assert kwargs["share"] == 0.5


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"order": {"number": "many"}}, r"order\.number"),
        ({"moment": "soon"}, "moment"),
        ({"number": "7"}, "number"),
        ({"share": 1.5}, "share"),
        ({"way": "left"}, "way"),
        ({"unknown": 1}, "unknown"),
        ({"colour": "mauve"}, "colour"),
    ],
)
def test_what_does_not_fit_is_named_before_it_is_sent(
    change: dict[str, object], problem: str
) -> None:
    good: dict[str, object] = {
        "order": {"number": 1},
        "moment": "2030-01-02",
        "number": UUID_TEXT,
        "amount": 1,
        "wait": 1,
        "colour": "red",
        "point": {"x": 1},
        "several": [],
        "share": 0,
    }

    with pytest.raises(ArgumentsError, match=problem):
        sent(rich, **(good | change))


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"first": 1}), ((), {"second": 1}), ((1,), {"third": 3})],
)
def test_a_call_that_python_would_refuse_is_refused(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    with pytest.raises(ArgumentsError):
        sent(plain, *args, **kwargs)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "data"),
    [
        pytest.param(plain, (1,), {}, {"first": 1}, id="by-name"),
        pytest.param(plain, (1, 3), {}, {"first": 1, "second": 3}, id="positional-by-name"),
        pytest.param(plain, (), {"first": 1}, {"first": 1}, id="keyword"),
        pytest.param(plain, (1,), {"second": 2}, {"first": 1, "second": 2}, id="default-given"),
        pytest.param(positional_only, (1,), {}, [1], id="positional-only"),
        pytest.param(
            positional_only, (1,), {"second": 3}, {"args": [1], "kwargs": {"second": 3}}, id="both"
        ),
        pytest.param(keyword_only, (1,), {"second": 3}, {"first": 1, "second": 3}, id="kw-only"),
        pytest.param(variable, (1, 2, 3), {}, [1, 2, 3], id="var-positional"),
        pytest.param(
            variable,
            (1, 2),
            {"last": "z", "more": 1.5},
            {"args": [1, 2], "kwargs": {"last": "z", "more": 1.5}},
            id="variable-both",
        ),
        pytest.param(options, (), {"a": 1}, {"a": 1}, id="var-keyword"),
        pytest.param(
            options,
            (),
            {"args": 1, "kwargs": 2},
            {"args": [], "kwargs": {"args": 1, "kwargs": 2}},
            id="named-like-the-envelope",
        ),
        pytest.param(nothing, (), {}, {}, id="none"),
    ],
)
def test_arguments_travel_by_name_where_they_can_and_defaults_do_not_travel(
    function: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
    data: object,
) -> None:
    assert sent(function, *args, **kwargs) == data


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (plain, (1,), {}),
        (positional_only, (1,), {"second": 3}),
        (keyword_only, (1,), {"second": 3}),
        (variable, (1, 2, 3), {"last": "z", "more": 1.5, "args": 2.5}),
        (options, (), {"args": 1, "kwargs": 2}),
        (nothing, (), {}),
    ],
)
def test_a_handler_is_called_with_what_was_enqueued(
    function: Callable[..., Any], args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []

    @functools.wraps(function)
    def spy(*given: object, **named: object) -> None:
        function(*given, **named)
        calls.append((given, named))

    got_args, got_kwargs = received(spy, *args, **kwargs)
    spy(*got_args, **got_kwargs)
    function(*args, **kwargs)

    assert calls == [(got_args, got_kwargs)]
    merged = dict(zip(["first", "second"], got_args, strict=False)) | got_kwargs
    assert kwargs.items() <= merged.items()


def test_the_consumers_defaults_apply() -> None:
    message = Message(id="1", type="t", data={"first": 1})

    assert define(plain).arguments.unpack(message) == ((), {"first": 1, "second": 2})


@pytest.mark.parametrize("data", [None, {}, []])
def test_no_arguments_may_be_written_in_any_form(data: Any) -> None:
    message = Message(id="1", type="t", data=data)

    assert define(nothing).arguments.unpack(message) == ((), {})


def test_an_array_is_read_as_positional_arguments() -> None:
    message = Message(id="1", type="t", data=[1, 3])

    assert define(plain).arguments.unpack(message) == ((1, 3), {})


def test_a_type_that_is_defined_further_down_is_found() -> None:
    assert received(forward, {"number": 1}) == ((), {"order": Later(number=1)})


def test_a_type_for_checkers_only_is_refused_with_the_cure() -> None:
    with pytest.raises(TaskDefinitionError, match="not under TYPE_CHECKING"):
        sent(hidden, 1)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), object(), "\ud800", b"\xff"],
    ids=["nan", "infinity", "object", "surrogate", "bytes"],
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    definition = define(plain)

    with pytest.raises(ArgumentsError, match="not JSON"):
        encode(Message(id="1", type="t", data=definition.arguments.pack((value,), {})))


# ------------------------------------------------------------------- whose annotations are read


class Model(BaseModel):
    number: int

    def run(self) -> int:
        return self.number


@dataclass
class Record:
    number: int
    when: date

    def run(self) -> int:
        return self.number


@dataclass
class Multiplier:
    factor: str

    def __call__(self, number: int, when: date) -> int:
        return number


class Service:
    def method(self, number: int, when: date) -> int:
        return number


@pytest.mark.parametrize(
    "function",
    [
        Record,
        Multiplier("x"),
        Service().method,
        functools.partial(Service().method),
        functools.partial(Multiplier("x")),
    ],
    ids=["dataclass", "callable-object", "method", "partial", "partial-of-object"],
)
def test_annotations_are_enforced_whatever_the_form_of_the_handler(
    function: Callable[..., object],
) -> None:
    definition = define(function, name="t")
    message = Message(id="1", type="t", data={"number": "3", "when": "2030-01-02"})

    args, kwargs = definition.arguments.unpack(message)

    assert (args, kwargs) == ((), {"number": 3, "when": date(2030, 1, 2)})
    with pytest.raises(ArgumentsError, match="when"):
        definition.arguments.pack((1, "soon"), {})


def test_a_model_may_be_a_task_itself() -> None:
    assert received(Model, number="3") == ((), {"number": 3})
    with pytest.raises(ArgumentsError, match="number"):
        sent(Model, number="three")


def test_long_problems_are_cut() -> None:
    def many(numbers: list[int]) -> None: ...

    with pytest.raises(ArgumentsError) as raised:
        sent(many, ["x"] * 1000)

    assert raised.value.problems.count(";") == 9


def test_a_text_is_not_made_of_a_number_by_guessing() -> None:
    with pytest.raises(ArgumentsError, match="text"):
        sent(takes_text, 5)
