"""Handlers that misbehave, and what they may not do to the worker or to each other."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore import Context, Retry
from longshore.clock import ManualClock, SystemClock
from longshore.context import current
from longshore.draft import EnqueueOptions
from longshore.task import TaskState
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.yard import Yard

ONCE = EnqueueOptions(attempts=1)
user: ContextVar[str] = ContextVar("user", default="nobody")


# ---------------------------------------------------------------------- what is worse than errors


def leave() -> None:
    raise SystemExit(3)


async def aleave() -> None:
    raise SystemExit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


async def ainterrupt() -> None:
    raise KeyboardInterrupt


class Unusual(BaseException):
    """Not an Exception."""


async def unusual() -> None:
    raise Unusual("on purpose")


def unusual_on_a_thread() -> None:
    raise Unusual("on purpose")


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (leave, "SystemExit"),
        (aleave, "SystemExit"),
        (interrupt, "KeyboardInterrupt"),
        (ainterrupt, "KeyboardInterrupt"),
        (unusual, "Unusual"),
        (unusual_on_a_thread, "Unusual"),
    ],
)
async def test_a_handler_cannot_take_the_worker_down(
    yard: Yard, handler: Callable[..., object], error: str
) -> None:
    async def other() -> str:
        return "fine"

    bad = await yard.enqueue(handler)
    good = await yard.enqueue(other)
    stopped = await yard.drain(concurrency=1)

    row = await yard.row(bad)
    assert (row.state, row.reason) == (TaskState.FAILED, "permanent")
    assert row.error is not None
    assert row.error.type == error
    assert await yard.state(good) == "succeeded"
    assert (stopped.done, stopped.failed) == (1, 1)


async def test_a_handler_that_cancels_itself_has_failed(yard: Yard) -> None:
    async def handler() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def raises() -> None:
        raise asyncio.CancelledError

    tasks = [await yard.enqueue(each, options=ONCE) for each in (handler, raises)]
    stopped = await yard.drain()

    for task in tasks:
        row = await yard.row(task)
        assert (row.state, row.reason) == (TaskState.FAILED, "error")
        assert row.error is not None
        assert row.error.type == "HandlerCancelledError"
    assert stopped.failed == 2


async def test_a_handler_that_cancels_itself_is_tried_again_like_any_failure(yard: Yard) -> None:
    async def handler(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise asyncio.CancelledError
        return ctx.attempt

    task = await yard.enqueue(yard.task(handler, retry=Retry(backoff=0)))
    await yard.drain()

    assert (await yard.row(task)).result == b"2"


# -------------------------------------------------------------------------------- context variables


async def test_what_one_handler_sets_no_other_sees(yard: Yard) -> None:
    seen: list[str] = []

    async def on_the_loop(name: str) -> None:
        seen.append(user.get())
        user.set(name)
        await asyncio.sleep(0)

    def on_a_thread(name: str) -> None:
        seen.append(user.get())
        user.set(name)

    first, second = yard.task(on_the_loop), yard.task(on_a_thread)
    for definition in (first, second):
        for number in range(4):
            await yard.enqueue(definition, str(number))
    await yard.drain(concurrency=1)

    assert seen == ["nobody"] * 8


async def test_what_the_worker_was_started_with_every_handler_sees(yard: Yard) -> None:
    seen: list[str] = []

    async def on_the_loop() -> None:
        seen.append(user.get())

    def on_a_thread() -> None:
        seen.append(user.get())

    token = user.set("the application")
    for handler in (on_the_loop, on_a_thread):
        await yard.enqueue(handler)
    await yard.drain()
    user.reset(token)

    assert seen == ["the application"] * 2


async def test_the_running_context_is_known_inside_and_nowhere_else(yard: Yard) -> None:
    seen: list[str | None] = []

    async def handler() -> None:
        inside = current.get()
        seen.append(None if inside is None else inside.task_id)

    task = await yard.enqueue(handler)
    await yard.drain()

    assert seen == [task]
    assert current.get() is None


# ----------------------------------------------------------------------------------------- timeouts


async def test_an_async_handler_is_interrupted_at_its_timeout(yard: Yard) -> None:
    interrupted: list[float] = []

    async def handler(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            interrupted.append(ctx.clock.monotonic())

    task = await yard.enqueue(handler, options=EnqueueOptions(attempts=1, timeout=3))
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(10, step=0.5)
        row = await yard.reaches(task, "failed")

    assert interrupted == [3.0]
    assert (row.reason, row.attempts) == ("timeout", 1)
    assert row.error is not None
    assert "timeout of 3 s" in row.error.message


async def test_a_timeout_is_an_ordinary_failure_until_the_last_attempt(yard: Yard) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    retry = Retry(attempts=2, backoff=0)
    task = await yard.enqueue(yard.task(handler, retry=retry, timeout=timedelta(seconds=1)))
    async with yard.working():
        await yard.reaches(task, "failed", moving=True)

    assert await yard.outcomes(task) == ["retrying", "failed"]
    assert (await yard.row(task)).reason == "timeout"


@pytest.mark.parametrize("seconds", [0.02, 0.3])
async def test_a_timeout_shorter_than_the_watchs_tick_is_kept(yard: Yard, seconds: float) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    definition = yard.task(handler, timeout=timedelta(seconds=seconds), retry=Retry(attempts=1))
    async with yard.working():
        await yard.passes(0.75, step=0.25)  # the watch is in the middle of a tick
        task = await yard.enqueue(definition)
        await yard.reaches(task, "running")
        started = yard.clock.monotonic()
        await yard.passes(seconds + 0.02, step=0.01)
        await yard.reaches(task, "failed")
        took = yard.clock.monotonic() - started

    assert seconds <= took < seconds + 0.05


async def test_a_timeout_is_kept_while_the_log_is_slow_to_take_progress(apart: Yard) -> None:
    gate = asyncio.Event()

    class Stuck(type(apart.ports.task_log)):  # type: ignore[misc]  # any log will do
        async def note(self, notes: object) -> list[bool]:
            await gate.wait()
            return [True] * len(notes)  # type: ignore[arg-type]  # a list of notes

    async def handler(ctx: Context) -> None:
        ctx.progress(0.5)
        await asyncio.Event().wait()

    stuck = Stuck(apart.ports.task_log, apart.log_plan)
    apart.ports = __import__("dataclasses").replace(apart.ports, task_log=stuck)
    definition = apart.task(handler, timeout=timedelta(seconds=5), retry=Retry(attempts=1))
    task = await apart.enqueue(definition)
    async with apart.working():
        await apart.reaches(task, "running")
        await apart.passes(6)
        row = await apart.reaches(task, "failed")
        gate.set()

    assert row.reason == "timeout"


async def test_a_thread_cannot_be_stopped_but_is_told_and_keeps_its_lease(yard: Yard) -> None:
    release, told = threading.Event(), threading.Event()

    def handler(ctx: Context) -> str:
        while not ctx.cancelled:
            time.sleep(0.001)
        told.set()
        release.wait(10)
        ctx.raise_if_cancelled()
        return "unreachable"

    options = EnqueueOptions(attempts=1, timeout=1)
    task = await yard.enqueue(handler, options=options)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(2, step=0.5)
        await yard.until(told.is_set)
        await yard.passes(3, step=0.5)
        still = await yard.row(task)
        release.set()
        row = await yard.reaches(task, "failed")

    assert still.state is TaskState.RUNNING
    assert still.lease_until is not None
    assert still.lease_until > yard.clock.now() - timedelta(seconds=5)
    assert row.reason == "timeout"
    assert await yard.outcomes(task) == ["failed"]


async def test_a_thread_that_returns_after_its_timeout_has_succeeded(yard: Yard) -> None:
    release = threading.Event()

    def handler() -> str:
        release.wait(10)
        return "late"

    task = await yard.enqueue(handler, options=EnqueueOptions(timeout=1))
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(5)
        release.set()
        row = await yard.reaches(task, "succeeded")

    assert row.result == b'"late"'


async def test_a_handler_that_refuses_to_be_cancelled_may_still_succeed(yard: Yard) -> None:
    async def handler(ctx: Context) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return f"told: {ctx.cancelled}"
        return "never"

    task = await yard.enqueue(handler, options=EnqueueOptions(timeout=1))
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(2)
        row = await yard.reaches(task, "succeeded")

    assert row.result == b'"told: True"'


async def test_a_stop_before_the_first_step_of_a_handler_loses_nothing(yard: Yard) -> None:
    """The task of a coroutine that is cancelled before it begins never runs its first line."""
    began: list[str] = []

    async def handler() -> None:
        began.append("once")

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=timedelta(0))
    running = asyncio.ensure_future(worker.run())
    while await yard.state(task) != "running":
        await asyncio.sleep(0)
    worker.stop()
    worker.stop()
    stopped = await yard.done(running)
    await yard.drain()

    assert stopped.stuck == 0
    assert began == ["once"]
    assert await yard.state(task) == "succeeded"


# --------------------------------------------------------------------------------------- cancelling


async def test_a_waiting_task_that_is_cancelled_never_starts(yard: Yard) -> None:
    began: list[int] = []
    task = await yard.enqueue(yard.task(began.append, name="append"), 1)

    await yard.cancel(task)
    await yard.drain()

    assert began == []
    assert await yard.state(task) == "cancelled"
    assert (await yard.depth()).ready == 0


async def test_a_running_task_that_is_cancelled_is_stopped_within_a_beat(yard: Yard) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        requested = await yard.cancel(task)
        await yard.passes(23)
        row = await yard.reaches(task, "cancelled")

    assert requested.state is TaskState.RUNNING
    assert (row.reason, row.error) == (None, None)
    assert await yard.outcomes(task) == ["cancelled"]
    assert await yard.letters() == []


async def test_a_thread_that_is_cancelled_may_look_and_leave(yard: Yard) -> None:
    def handler(ctx: Context) -> None:
        while True:
            ctx.raise_if_cancelled()
            time.sleep(0.001)

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.cancel(task)
        await yard.passes(23)
        row = await yard.reaches(task, "cancelled")

    assert row.error is None


async def test_a_task_cancelled_while_it_waits_in_the_worker_never_starts(yard: Yard) -> None:
    release, began = asyncio.Event(), list[int]()

    async def handler(number: int) -> None:
        began.append(number)
        await release.wait()

    definition = yard.task(handler)
    tasks = [await yard.enqueue(definition, number) for number in range(2)]
    async with yard.working(concurrency=1, prefetch=1):
        await yard.reaches(tasks[1], "running")
        await yard.cancel(tasks[1])
        await yard.passes(23)
        release.set()
        await yard.reaches(tasks[1], "cancelled")

    assert began == [0]
    assert await yard.state(tasks[0]) == "succeeded"


async def test_a_success_is_kept_though_the_task_was_to_be_cancelled(yard: Yard) -> None:
    async def handler() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.cancel(task)
        await yard.passes(23)
        row = await yard.reaches(task, "succeeded")

    assert row.result == b'"done all the same"'


async def test_a_failure_of_a_task_that_is_to_be_cancelled_is_not_tried_again(yard: Yard) -> None:
    release = asyncio.Event()

    async def handler() -> None:
        await release.wait()
        raise ValueError("no")

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.cancel(task)
        release.set()
        await yard.reaches(task, "cancelled")

    assert await yard.outcomes(task) == ["cancelled"]


# ------------------------------------------------------------------------------------------- others


async def test_a_blocking_handler_leaves_the_loop_to_the_others() -> None:
    release = threading.Event()

    async with open_yard(together=True, clock=SystemClock()) as yard:

        def blocks() -> bool:
            return release.wait(10)

        async def goes_on() -> None:
            release.set()

        task = await yard.enqueue(blocks)
        await yard.enqueue(goes_on)
        await yard.drain()

        assert (await yard.row(task)).result == b"true"


async def test_threads_are_reused_and_never_more_than_the_slots() -> None:
    names: set[str] = set()

    async with open_yard(together=True) as yard:

        def handler() -> None:
            names.add(threading.current_thread().name)
            time.sleep(0.001)

        definition = yard.task(handler)
        for _ in range(50):
            await yard.enqueue(definition)
        await yard.drain(concurrency=3)

    assert len(names) <= 3


async def test_a_handlers_clock_is_the_workers(yard: Yard) -> None:
    async def handler(ctx: Context) -> str:
        await ctx.clock.sleep(3600)
        return ctx.clock.now().isoformat()

    task = await yard.enqueue(handler)
    assert isinstance(yard.clock, ManualClock)
    end = yard.clock.now() + timedelta(hours=1)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(3600)
        row = await yard.reaches(task, "succeeded")

    assert row.result == f'"{end.isoformat()}"'.encode()
