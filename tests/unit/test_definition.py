from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, wraps
from typing import Any

import pytest

from longshore import Context, Longshore, Report, Retry
from longshore.clock import ManualClock
from longshore.definition import TaskDefinition, TaskOptions, TaskRegistry, define, walk
from longshore.errors import ConfigurationError, TaskDefinitionError, UnknownTaskError
from longshore.identity import TaskIds

HERE = __name__


def add(left: int, right: int = 1) -> int:
    return left + right


async def aadd(left: int, right: int = 1) -> int:
    return left + right


def with_context(ctx: Context, left: int) -> tuple[str, int]:
    return ctx.task_name, left


def with_plain_context(ctx, left):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - the name alone is what is tested
    return ctx.task_name, left  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped on purpose


def numbers() -> Iterator[int]:
    yield 1


async def anumbers() -> AsyncIterator[int]:
    yield 1


class Counter:
    """A class whose instances would remember a former run."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.seen: list[int] = []

    def run(self) -> list[int]:
        self.seen.append(self.step)
        return self.seen


class Handles(Counter):
    run = None  # type: ignore[assignment]  # a subclass that is served by handle()

    def handle(self) -> str:
        return f"handled {self.step}"


class Calls:
    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self) -> str:
        return f"called {self.step}"


class RunsInContext:
    def __init__(self, step: int) -> None:
        self.step = step

    async def run(self, ctx: Context) -> str:
        return f"{ctx.task_name} {self.step}"


class Nothing:
    """A class that cannot be run."""


class Service:
    """An object whose methods are tasks."""

    def __init__(self, factor: int = 1) -> None:
        self.factor = factor

    def scale(self, number: int) -> int:
        return self.factor * number

    @staticmethod
    def double(number: int) -> int:
        return 2 * number

    async def ascale(self, number: int) -> int:
        return self.factor * number


@dataclass
class Multiplier:
    """A callable object with annotations of its own."""

    factor: int

    def __call__(self, number: int) -> int:
        return self.factor * number


@dataclass
class AsyncMultiplier:
    factor: int

    async def __call__(self, number: int) -> int:
        return self.factor * number


def context(name: str = "t") -> Context:
    return Context(
        task_id=TaskIds()(), task_name=name, queue="q", attempt=1, fence=1, clock=ManualClock()
    )


def run(definition: TaskDefinition, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - any handler's
    called: Any = definition.bind(context(definition.name), args, kwargs).run()
    return asyncio.run(called) if asyncio.iscoroutine(called) else called


@pytest.mark.parametrize(
    ("function", "name", "executor", "answer"),
    [
        pytest.param(add, "add", "thread", 7, id="function"),
        pytest.param(aadd, "aadd", "loop", 7, id="coroutine-function"),
        pytest.param(partial(aadd, right=1), "given", "loop", 7, id="partial"),
        pytest.param(Service(1).ascale, "ascale", "loop", 6, id="async-method"),
        pytest.param(Service.double, "double", "thread", 12, id="static-method"),
        pytest.param(Service(2).scale, "scale", "thread", 12, id="bound-method"),
        pytest.param(Multiplier(3), "Multiplier", "thread", 18, id="callable-object"),
        pytest.param(AsyncMultiplier(3), "AsyncMultiplier", "loop", 18, id="async-callable-object"),
        pytest.param(Counter, "Counter", "thread", [6], id="class-with-run"),
        pytest.param(Handles, "Handles", "thread", "handled 6", id="class-with-handle"),
        pytest.param(Calls, "Calls", "thread", "called 6", id="class-with-call"),
        pytest.param(
            RunsInContext, "RunsInContext", "loop", "RunsInContext 6", id="class-with-async-run"
        ),
    ],
)
def test_every_form_of_handler_can_be_declared_and_run(
    function: Callable[..., object], name: str, executor: str, answer: object
) -> None:
    definition = define(function, name="given" if name == "given" else None)

    assert definition.name == name
    assert definition.executor == executor
    assert run(definition, 6) == answer


def test_the_name_may_be_an_alias() -> None:
    definition = define(add, name="math/add:v2")

    assert definition.name == "math/add:v2"


@pytest.mark.parametrize("name", ["two words", "ü", "a" * 201, "semi;colon", "line\nbreak"])
def test_a_name_that_cannot_travel_is_refused(name: str) -> None:
    with pytest.raises(TaskDefinitionError, match="is not a task name"):
        define(add, name=name)


def test_a_lambda_needs_a_name() -> None:
    with pytest.raises(TaskDefinitionError, match="is not a task name"):
        define(lambda: None)

    assert define(lambda: None, name="nothing").name == "nothing"


def test_a_class_that_cannot_be_run_is_refused() -> None:
    with pytest.raises(TaskDefinitionError, match=r"add run\(\)"):
        define(Nothing)


@pytest.mark.parametrize("function", [numbers, anumbers], ids=["generator", "async-generator"])
def test_a_generator_is_refused_because_nobody_would_iterate_it(
    function: Callable[..., object],
) -> None:
    with pytest.raises(TaskDefinitionError, match="generator"):
        define(function)


@pytest.mark.parametrize(
    ("function", "executor", "problem"),
    [
        pytest.param(aadd, "thread", "async", id="async-on-a-thread"),
        pytest.param(add, "loop", "not async", id="blocking-on-the-loop"),
        pytest.param(add, "fork", "'fork'", id="unknown"),
    ],
)
def test_an_executor_that_cannot_run_it_is_refused(
    function: Callable[..., object], executor: Any, problem: str
) -> None:
    with pytest.raises(TaskDefinitionError, match=problem):
        define(function, executor=executor)


@pytest.mark.parametrize("function", [add, aadd])
def test_a_child_process_runs_either_kind(function: Callable[..., object]) -> None:
    assert define(function, executor="process").executor == "process"


async def notice(*_: object) -> None: ...


def test_an_async_hook_of_a_blocking_task_is_refused() -> None:
    with pytest.raises(TaskDefinitionError, match="hook"):
        define(add, options=TaskOptions(on_failure=notice))

    assert define(aadd, options=TaskOptions(on_failure=notice)).name == "aadd"


# ------------------------------------------------------------------------------------- context


@pytest.mark.parametrize("function", [with_context, with_plain_context])
def test_a_first_parameter_that_asks_for_the_context_gets_it(
    function: Callable[..., object],
) -> None:
    definition = define(function)

    assert definition.takes_context
    assert list(definition.arguments.signature.parameters) == ["left"]
    assert run(definition, 6) == (definition.name, 6)


def test_a_parameter_of_another_name_gets_no_context() -> None:
    definition = define(add)

    assert not definition.takes_context
    assert list(definition.arguments.signature.parameters) == ["left", "right"]


def test_a_context_that_is_not_first_is_refused() -> None:
    def late(left: int, ctx: Context) -> None: ...

    with pytest.raises(TaskDefinitionError, match="first"):
        define(late)


def test_a_wrapped_function_is_read_as_what_it_wraps() -> None:
    @wraps(with_context)
    def wrapper(*args: Any, **kwargs: Any) -> object:
        return with_context(*args, **kwargs)

    definition = define(wrapper)

    assert definition.name == "with_context"
    assert run(definition, 6) == ("with_context", 6)


# ------------------------------------------------------------------------------- fresh instances


def test_a_class_is_made_anew_for_each_attempt() -> None:
    definition = define(Counter)

    assert [run(definition, 1), run(definition, 2)] == [[1], [2]]


def test_class_at_method_is_called_on_a_new_instance() -> None:
    class Remembers:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def look(self, number: int) -> list[int]:
            self.seen.append(number)
            return self.seen

    definition = define(walk(Remembers, "__class__.__call__"), name="x") if False else None  # noqa: RUF100
    assert definition is None
