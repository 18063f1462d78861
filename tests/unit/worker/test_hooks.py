"""Hooks run after the last attempt, and change nothing."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Cancel, Context, PermanentError, Report, Retry, Snooze
from longshore.draft import EnqueueOptions
from longshore.protocol import Verb
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.yard import Yard

ONCE = EnqueueOptions(attempts=1)
AGAIN = Retry(attempts=3, backoff=0)


class Heard:
    """Hooks that remember what they were told."""

    def __init__(self) -> None:
        self.of: list[tuple[str, object]] = []

    def on_success(self, ctx: Context, result: object) -> None:
        self.of.append((f"success {ctx.attempt}", result))

    def on_failure(self, ctx: Context, error: BaseException) -> None:
        self.of.append((f"failure {ctx.attempt}", type(error).__name__))

    async def aon_success(self, ctx: Context, result: object) -> None:
        await asyncio.sleep(0)
        self.on_success(ctx, result)

    async def aon_failure(self, ctx: Context, error: BaseException) -> None:
        await asyncio.sleep(0)
        self.on_failure(ctx, error)

    def hooks(self, *, is_async: bool = False) -> dict[str, Any]:
        if is_async:
            return {"on_success": self.aon_success, "on_failure": self.aon_failure}
        return {"on_success": self.on_success, "on_failure": self.on_failure}


@pytest.fixture
def heard() -> Heard:
    return Heard()


def third_time_lucky(ctx: Context) -> str:
    if ctx.attempt < 3:
        raise ValueError("not yet")
    return "done"


async def athird_time_lucky(ctx: Context) -> str:
    return third_time_lucky(ctx)


def never(ctx: Context) -> None:
    raise ValueError(f"attempt {ctx.attempt}")


async def anever(ctx: Context) -> None:
    never(ctx)


@pytest.mark.parametrize(
    ("handler", "is_async"),
    [(third_time_lucky, False), (athird_time_lucky, False), (athird_time_lucky, True)],
)
async def test_a_success_is_told_once_with_its_result(
    yard: Yard,
    heard: Heard,
    handler: Callable[..., object],
    is_async: bool,  # noqa: FBT001 - a table
) -> None:
    await yard.enqueue(yard.task(handler, retry=AGAIN, **heard.hooks(is_async=is_async)))

    await yard.drain()

    assert heard.of == [("success 3", "done")]


@pytest.mark.parametrize(("handler", "is_async"), [(never, False), (anever, False), (anever, True)])
async def test_a_failure_is_told_once_after_the_last_attempt(
    yard: Yard,
    heard: Heard,
    handler: Callable[..., object],
    is_async: bool,  # noqa: FBT001 - a table
) -> None:
    await yard.enqueue(yard.task(handler, retry=AGAIN, **heard.hooks(is_async=is_async)))

    await yard.drain()

    assert heard.of == [("failure 3", "ValueError")]


async def test_a_permanent_error_is_told_at_once(yard: Yard, heard: Heard) -> None:
    async def handler() -> None:
        raise PermanentError("never")

    await yard.enqueue(yard.task(handler, retry=AGAIN, **heard.hooks()))
    await yard.drain()

    assert heard.of == [("failure 1", "PermanentError")]


async def test_a_report_with_an_error_is_told_as_a_failure(yard: Yard, heard: Heard) -> None:
    async def handler() -> Report:
        return Report.error("broken")

    await yard.enqueue(yard.task(handler, **heard.hooks()))
    await yard.drain()

    assert heard.of == [("failure 1", "ReportedError")]


async def test_a_failure_for_want_of_time_is_told(yard: Yard, heard: Heard) -> None:
    async def handler() -> None:
        raise ValueError("no")

    retry = Retry(attempts=None, backoff="1 hour", jitter=0, deadline="1 minute")
    task = await yard.enqueue(yard.task(handler, retry=retry, **heard.hooks()))
    await yard.drain()

    assert await yard.state(task) == "failed"
    assert heard.of == [("failure 1", "ValueError")]


async def test_what_the_jitter_decides_hooks_and_log_decide_alike(yard: Yard, heard: Heard) -> None:
    """Half of these find their next wait beyond the deadline, by luck."""

    async def handler() -> None:
        raise ValueError("no")

    retry = Retry(attempts=None, backoff="100s", jitter=1, deadline="50s")
    definition = yard.task(handler, retry=retry, **heard.hooks())
    for _ in range(40):
        await yard.enqueue(definition)
    async with yard.working(concurrency=40):
        await yard.turn()
        failed = [row for row in await yard.rows() if row.state is TaskState.FAILED]
        told = len(heard.of)

    assert 0 < told < 40
    assert told == len(failed)


async def test_arguments_that_do_not_fit_are_told_as_a_failure(yard: Yard, heard: Heard) -> None:
    async def handler(number: int) -> None:
        raise AssertionError(number)

    yard.task(handler, retry=AGAIN, **heard.hooks())
    await yard.send(b'{"specversion":"1.0","id":"1","source":"/x","type":"handler"}')
    await yard.drain()

    assert heard.of == [("failure 1", "ArgumentsError")]


async def test_a_final_timeout_is_told_as_a_failure(yard: Yard, heard: Heard) -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    def looks(ctx: Context) -> None:
        while True:
            ctx.raise_if_cancelled()
            time.sleep(0.001)

    retry, second = Retry(attempts=2, backoff=0), timedelta(seconds=1)
    for handler in (waits, looks):
        await yard.enqueue(yard.task(handler, retry=retry, timeout=second, **heard.hooks()))
    async with yard.working():
        await yard.until(lambda: len(heard.of) == 2, moving=True)

    assert heard.of == [("failure 2", "HandlerTimeoutError")] * 2


@pytest.mark.parametrize("outcome", [Snooze("1h"), Cancel("no longer")])
async def test_what_is_no_failure_is_not_told_as_one(
    yard: Yard, heard: Heard, outcome: Exception
) -> None:
    async def handler() -> None:
        raise outcome

    await yard.enqueue(yard.task(handler, **heard.hooks()), options=ONCE)
    await yard.drain()

    assert heard.of == []


@pytest.mark.parametrize("how", ["cancelled", "lost", "drained"])
async def test_an_attempt_that_is_stopped_is_told_nobody(
    yard: Yard, heard: Heard, how: str
) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    task = await yard.enqueue(yard.task(handler, **heard.hooks()), options=ONCE)
    async with yard.working(grace=timedelta(0)):
        await yard.reaches(task, "running")
        if how != "drained":
            verb = Verb.CANCEL if how == "cancelled" else Verb.FORCE_SUCCEED
            await yard.operator.one(verb, task)
            await yard.passes(23)

    assert heard.of == []
    yard.left_in_flight = int(how == "lost")


async def test_a_success_whose_lease_is_lost_is_not_told(yard: Yard, heard: Heard) -> None:
    async def handler() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "too late"
        return "never"

    task = await yard.enqueue(yard.task(handler, **heard.hooks()))
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.operator.one(Verb.FORCE_FAIL, task)
        await yard.passes(23)

    assert heard.of == []
    yard.left_in_flight = 1


class Worst(BaseException):
    """Not an Exception, and without a text."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("error", [ValueError("hook"), SystemExit(1), Worst()], ids=["1", "2", "3"])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("fine", [True, False])
async def test_a_hook_that_fails_is_noted_and_changes_nothing(
    yard: Yard,
    error: BaseException,
    is_async: bool,  # noqa: FBT001 - a table
    fine: bool,  # noqa: FBT001 - a table
) -> None:
    async def araises(*_: object) -> None:
        raise error

    def raises(*_: object) -> None:
        raise error

    async def handler() -> str:
        if not fine:
            raise KeyError("the handler's own")
        return "done"

    hook = araises if is_async else raises
    task = await yard.enqueue(yard.task(handler, on_success=hook, on_failure=hook), options=ONCE)
    await yard.drain()

    row = await yard.row(task)
    assert row.state is (TaskState.SUCCEEDED if fine else TaskState.FAILED)
    assert row.error is None or row.error.type == "KeyError"
    assert "a hook failed" in "".join(await yard.lines(task))


async def test_a_timeout_in_a_success_hook_does_not_undo_the_success(yard: Yard) -> None:
    async def hook(*_: object) -> None:
        await asyncio.Event().wait()

    async def handler() -> str:
        return "done"

    definition = yard.task(handler, on_success=hook, timeout=timedelta(seconds=1))
    task = await yard.enqueue(definition, options=ONCE)
    async with yard.working():
        row = await yard.reaches(task, "succeeded", moving=True)

    assert row.result == b'"done"'


class WithHooks:
    """A class task that tells its own end."""

    told: list[tuple[str, object]] = []  # noqa: RUF012 - shared on purpose: the instance is gone by then

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, ctx: Context) -> str:
        if self.name == "bad":
            raise ValueError(f"attempt {ctx.attempt}")
        return f"ran {self.name}"

    def on_success(self, result: str) -> None:
        self.told.append((self.name, result))

    def on_failure(self, error: Exception) -> None:
        self.told.append((self.name, str(error)))


async def test_a_class_tells_its_own_end_on_the_instance_that_ran(yard: Yard) -> None:
    WithHooks.told.clear()
    definition = yard.task(WithHooks, retry=AGAIN)
    for name in ("good", "bad"):
        await yard.enqueue(definition, name)

    await yard.drain(concurrency=1)

    assert sorted(WithHooks.told) == [("bad", "attempt 3"), ("good", "ran good")]


async def test_the_options_hook_is_not_called_where_the_class_has_its_own(
    yard: Yard, heard: Heard
) -> None:
    WithHooks.told.clear()
    await yard.enqueue(yard.task(WithHooks, **heard.hooks()), "good")

    await yard.drain()

    assert WithHooks.told == [("good", "ran good")]
    assert heard.of == []
