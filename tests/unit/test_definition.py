from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any, cast

import pytest

from longshore import Context, EnqueueOptions, Longshore, Report, Retry
from longshore.clock import ManualClock
from longshore.definition import TaskDefinition, TaskOptions, TaskRegistry, define, walk
from longshore.errors import (
    ConfigurationError,
    ScheduleError,
    TaskDefinitionError,
    UnknownTaskError,
)
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
    run = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType] - served by handle()

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


def run(definition: TaskDefinition, *args: object, **kwargs: object) -> Any:
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


# ---- context


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


# ---- fresh instances


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

    definition = define(walk(SimpleNamespace(Remembers=Remembers), "Remembers@look"), name="look")

    assert [run(definition, 1), run(definition, 2)] == [[1], [2]]


# ---- how tasks are named


def test_a_name_that_is_taken_is_refused() -> None:
    registry = TaskRegistry()
    registry.add(define(add))

    with pytest.raises(TaskDefinitionError, match="already registered"):
        registry.add(define(aadd, name="add"))


def test_the_same_handler_may_be_registered_again() -> None:
    service = Service()
    registry = TaskRegistry()

    registry.add(define(service.scale))
    registry.add(define(service.scale))

    assert [one.name for one in registry] == ["scale"]


def test_an_unknown_name_lists_what_is_registered() -> None:
    registry = TaskRegistry()
    registry.add(define(add))

    with pytest.raises(UnknownTaskError, match="registered: add"):
        registry.get("sub")


def test_definitions_are_listed_by_name() -> None:
    registry = TaskRegistry()
    for function in (with_context, aadd, add):
        registry.add(define(function))

    assert [one.name for one in registry] == ["aadd", "add", "with_context"]
    assert "add" in registry
    assert "sub" not in registry


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("add", 7),
        ("aadd", 7),
        ("Service.double", 12),
        ("Service@scale", 6),
        ("Service@ascale", 6),
        ("Calls", "called 6"),
    ],
)
def test_a_function_of_an_allowed_module_needs_no_registration(path: str, answer: object) -> None:
    registry = TaskRegistry(imports=[HERE])

    definition = registry.get(f"{HERE}:{path}")

    assert definition.name == f"{HERE}:{path}"
    assert run(definition, 6) == answer


@pytest.mark.parametrize(
    "name", ["os:getcwd", f"{HERE}x:add", f"{HERE}.inner:add", HERE, f":{HERE}"]
)
def test_nothing_is_imported_from_a_module_that_is_not_allowed(name: str) -> None:
    registry = TaskRegistry(imports=[HERE])

    with pytest.raises(UnknownTaskError):
        registry.get(name)


@pytest.mark.parametrize(
    "path", ["missing", "Service.missing", "Service@missing", "HERE", "", "add@x"]
)
def test_a_path_that_leads_nowhere_says_so(path: str) -> None:
    registry = TaskRegistry(imports=[HERE])

    with pytest.raises(TaskDefinitionError, match="cannot be resolved"):
        registry.get(f"{HERE}:{path}")


# ---- results


def returns_report(ctx: Context) -> Report:
    return Report.info(ctx.task_name)


def returns_nothing_known():  # type: ignore[no-untyped-def]  # noqa: ANN201 - that is what is tested
    return None


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (add, int),
        (aadd, int),
        (Counter, list[int]),
        (RunsInContext, str),
        (returns_report, Report),
        (returns_nothing_known, None),
        (Service().scale, int),
        (Multiplier(2), int),
    ],
)
def test_the_result_is_of_the_annotated_kind(
    function: Callable[..., object], returns: object
) -> None:
    assert define(function).returns == returns


def test_a_parameter_whose_type_is_unknown_here_does_not_hide_the_kind_of_result() -> None:
    def odd(ctx: Missing) -> int:  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable]  # noqa: F821 - as if under TYPE_CHECKING
        raise AssertionError(ctx)  # pyright: ignore[reportUnknownArgumentType] - of no known type

    assert define(odd).returns is int


# ---- options


@pytest.fixture
def app() -> Longshore:
    return Longshore(url="memory://")


def test_a_class_says_how_its_tasks_are_to_be_run(app: Longshore) -> None:
    @app.task
    class Send:
        queue = "mail"
        priority = "high"
        delay = "30 seconds"
        attempts = 5
        retry_after = ("1s", "1m")
        timeout = 90
        expires = "1 day"
        tags = ("a", "b")
        category = "export"
        delete_on_complete = True

        def run(self) -> None: ...

    options = cast("Any", Send).definition.options

    assert options.queue == "mail"
    assert options.priority == 10
    assert options.delay == timedelta(seconds=30)
    assert options.retry is not None
    assert options.retry.attempts == 5
    assert [options.retry.delay(n) for n in (1, 2, 3)] == [
        timedelta(seconds=1),
        timedelta(minutes=1),
        timedelta(minutes=1),
    ]
    assert options.timeout == timedelta(seconds=90)
    assert options.expires == timedelta(days=1)
    assert options.tags == ("a", "b")
    assert options.category == "export"
    assert options.delete_on_complete


def test_what_the_decorator_says_wins_over_the_class(app: Longshore) -> None:
    @app.task(queue="urgent", priority=0, retry=1, tags=["b", "c"])
    class Send:
        queue = "mail"
        priority = 50
        attempts = 5
        tags = ("a", "b")

        def run(self) -> None: ...

    options = cast("Any", Send).definition.options

    assert (options.queue, options.priority) == ("urgent", 0)
    assert options.retry == Retry(attempts=1)
    assert set(options.tags) == {"a", "b", "c"}


def test_a_parameter_is_no_option_though_it_is_named_like_one(app: Longshore) -> None:
    @app.task
    @dataclass
    class Send:
        queue: str = "letters"
        priority: int = 77

        def run(self) -> None: ...

    assert cast("Any", Send).definition.options.queue is None
    assert cast("Any", Send).definition.options.priority is None


def test_a_method_or_property_is_no_option_though_it_is_named_like_one(app: Longshore) -> None:
    @app.task
    class Send:
        def queue(self) -> str:
            return "q"

        @property
        def priority(self) -> int:
            return 1

        def run(self) -> None: ...

    assert cast("Any", Send).definition.options.queue is None
    assert cast("Any", Send).definition.options.priority is None


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 101},
        {"priority": "huge"},
        {"delay": "soon"},
        {"delay": -1},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"expires": 0},
        {"retry": 0},
        {"retry": True},
        {"retry": "3"},
        {"on_lost": "shrug"},
        {"tags": "billing"},
        {"tags": ["a,b"]},
        {"tags": [""]},
        {"queue": "no spaces"},
        {"queue": ""},
        {"queue": "ünicode"},
        {"name": "no spaces"},
        {"executor": "process", "memory_limit": 0},
        {"executor": "process", "memory_limit": "much"},
        {"executor": "process", "cpu_limit": 0},
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused_where_it_is_written(
    app: Longshore, options: dict[str, Any]
) -> None:
    with pytest.raises((ConfigurationError, ScheduleError)):
        app.task(**options)(add)


@pytest.mark.parametrize("options", [{"memory_limit": "512MB"}, {"cpu_limit": "1m"}], ids=str)
@pytest.mark.parametrize("function", [add, aadd])
def test_a_limit_of_a_process_is_refused_where_other_tasks_run_in_it_too(
    app: Longshore, function: Callable[..., object], options: dict[str, Any]
) -> None:
    [name] = options

    with pytest.raises(TaskDefinitionError, match=rf"has a {name}.*add executor='process'"):
        app.task(**options)(function)


def test_limits_of_a_process_are_read_from_text(app: Longshore) -> None:
    task = app.task(executor="process", memory_limit="512MB", cpu_limit="1 minute")(add)

    options = task.definition.options
    assert (options.memory_limit, options.cpu_limit) == (512 * 2**20, timedelta(minutes=1))


def test_an_option_nobody_knows_is_refused(app: Longshore) -> None:
    options: dict[str, Any] = {"prority": 3}

    with pytest.raises(TypeError, match="prority"):
        app.task(**options)(add)


def test_a_task_is_still_called_as_the_function_it_is(app: Longshore) -> None:
    task, atask, ctask = app.task(add), app.task(aadd), app.task(Counter)
    in_context = app.task(with_context)

    async def call() -> int:
        return await atask(1, right=2)

    assert task(1, right=2) == 3
    assert asyncio.run(call()) == 3
    assert ctask(4).run() == [4]
    assert in_context(6) == ("with_context", 6)


def test_a_class_called_directly_is_its_instance_even_where_it_runs_in_context(
    app: Longshore,
) -> None:
    task = app.task(RunsInContext)

    assert isinstance(task(4), RunsInContext)


def test_using_adds_to_what_was_said_before(app: Longshore) -> None:
    task = app.task(add)

    first = task.using(queue="a", delay=5, tags=["x"])
    second = first.using(priority=9, schedule="2030-01-01")

    assert task.message(1).options == EnqueueOptions()
    assert first.message(1).options == EnqueueOptions(queue="a", delay=5, tags=("x",))
    assert second.message(1).options == EnqueueOptions(
        queue="a", schedule="2030-01-01", priority=9, tags=("x",)
    )
