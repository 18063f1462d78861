"""Handlers in child processes: what crosses over, and what stays behind."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from longshore import Longshore, Retry
from longshore.clock import SystemClock
from longshore.definition import define
from longshore.draft import EnqueueOptions
from longshore.message import Message
from longshore.task import TaskState
from longshore.worker.children import Child, Children
from longshore.worker.execute import Executors
from longshore.worker.threads import Threads
from tests.unit.worker import handlers
from tests.unit.worker.test_holdings import KEY, holding
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from longshore.definition import TaskDefinition
    from tests.unit.yard import Yard

pytestmark = pytest.mark.timeout(120)  # a spawned Python imports everything anew
ONCE = EnqueueOptions(attempts=1)
LIMIT = 256 * 2**20


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    async with open_yard(together=True, clock=SystemClock()) as opened:
        yield opened


def child(yard: Yard, function: Callable[..., object], **options: Any) -> TaskDefinition:
    return yard.task(function, executor="process", **options)


async def test_a_child_runs_a_function_and_answers_its_result(yard: Yard) -> None:
    tasks = [
        await yard.enqueue(child(yard, function), 21)
        for function in (handlers.double, handlers.adouble)
    ]

    await yard.drain()

    assert [(await yard.row(task)).result for task in tasks] == [b"42", b"42"]


async def test_a_child_is_another_process_and_serves_again(yard: Yard) -> None:
    definition = child(yard, handlers.process_id)
    tasks = [await yard.enqueue(definition) for _ in range(4)]

    await yard.drain(concurrency=1)

    pids = {(await yard.row(task)).result for task in tasks}
    assert len(pids) == 1
    assert str(os.getpid()).encode() not in pids


async def test_no_child_outlives_its_worker(yard: Yard) -> None:
    definition = child(yard, handlers.process_id)
    tasks = [await yard.enqueue(definition) for _ in range(3)]

    await yard.drain()

    pids = [int((await yard.row(task)).result or b"0") for task in tasks]
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_what_a_handler_says_in_a_child_is_kept(yard: Yard) -> None:
    options = EnqueueOptions(attempts=5, priority=7)
    task = await yard.enqueue(child(yard, handlers.talks), options=options)

    await yard.drain()

    row = await yard.row(task)
    assert row.result == b"7"
    assert b"fine" in (row.report or b"")
    assert await yard.lines(task) == ["attempt 1 of 5, fence 1", "printed 1", "logged"]


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("plain", "KeyError", "'missing'"),
        ("api", "ApiError", "503: busy"),
        ("unpicklable", "Unpicklable", "odd"),
        ("os", "FileNotFoundError", "[Errno 2] no such file: 'x.txt'"),
        ("local", "HandlerError", "LocalError: local"),
        ("exit", "SystemExit", "7"),
    ],
)
async def test_an_exception_keeps_its_class_and_text_on_the_way_out(
    yard: Yard, kind: str, error: str, text: str
) -> None:
    task = await yard.enqueue(child(yard, handlers.fails), kind, options=ONCE)

    await yard.drain()

    row = await yard.row(task)
    assert row.state is TaskState.FAILED
    assert row.error is not None
    assert row.error.type == error
    assert text in row.error.message
    assert "handlers.py" in row.error.traceback


async def test_a_policy_by_class_holds_for_a_child_too(yard: Yard) -> None:
    never = Retry(never=(handlers.ApiError,))
    task = await yard.enqueue(child(yard, handlers.fails, retry=never), "api")

    await yard.drain()

    row = await yard.row(task)
    assert (row.reason, row.attempts) == ("permanent", 1)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("later", "retrying"),
        ("snooze", "scheduled"),
        ("report", "failed"),
        ("cancel", "cancelled"),
    ],
)
async def test_a_child_may_ask_for_every_outcome(yard: Yard, kind: str, state: str) -> None:
    task = await yard.enqueue(child(yard, handlers.controls), kind)

    await yard.drain()

    assert await yard.state(task) == state


@pytest.mark.parametrize(
    ("kind", "state", "result"),
    [
        ("model", "succeeded", b'"x"'),
        ("set", "succeeded", b'{"set":[1]}'),
        ("function", "succeeded", None),
    ],
)
async def test_a_result_crosses_as_far_as_it_can(
    yard: Yard, kind: str, state: str, result: bytes | None
) -> None:
    task = await yard.enqueue(child(yard, handlers.returns), kind, options=ONCE)

    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.result) == (state, result)
    assert (b"is not kept" in (row.report or b"")) is (result is None)


async def test_arguments_that_do_not_fit_fail_before_a_child_sees_them(yard: Yard) -> None:
    child(yard, handlers.double)
    await yard.send(b'{"specversion":"1.0","id":"1","source":"/x","type":"double","data":{"nr":1}}')

    await yard.drain()

    (row,) = await yard.rows()
    assert (row.state, row.reason, row.attempts) == (TaskState.FAILED, "arguments", 1)


async def test_a_child_that_dies_fails_its_own_attempt_only(yard: Yard, tmp_path: Path) -> None:
    retry = Retry(attempts=2, backoff=0)
    bad = await yard.enqueue(child(yard, handlers.dies, retry=retry), str(tmp_path / "died"))
    good = [await yard.enqueue(child(yard, handlers.double), 1)]
    good += [await yard.enqueue(yard.registry.get("double"), n) for n in range(5)]

    await yard.drain(concurrency=2)

    first, _ = await yard.attempts(bad)
    assert first.error is not None
    assert first.error.type == "ChildDiedError"
    assert "ended by SIGKILL" in first.error.message
    assert (await yard.row(bad)).result == b'"survived"'
    assert {await yard.state(task) for task in good} == {"succeeded"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("segfault", "was ended by SIGSEGV"),
        ("abort", "was ended by SIGABRT"),
        ("exit", "ended with exit code 3 before its handler did"),
    ],
)
async def test_a_crash_is_named_and_fails_one_attempt_of_one_task(
    yard: Yard, how: str, said: str
) -> None:
    bad = await yard.enqueue(child(yard, handlers.ends), how, options=ONCE)
    good = await yard.enqueue(child(yard, handlers.double), 1)

    await yard.drain(concurrency=1)

    row = await yard.row(bad)
    assert (row.state, row.reason) == (TaskState.FAILED, "error")
    assert row.error is not None
    assert said in row.error.message
    assert await yard.state(good) == "succeeded"


@pytest.mark.parametrize("function", [handlers.hoards, handlers.ahoards])
async def test_more_memory_than_its_limit_fails_the_attempt_and_says_so(
    yard: Yard, function: Callable[..., object]
) -> None:
    definition = child(yard, function, memory_limit=LIMIT)
    little = await yard.enqueue(definition, 1, options=ONCE)
    much = await yard.enqueue(definition, 400, options=ONCE)
    again = await yard.enqueue(definition, 1, options=ONCE)

    await yard.drain(concurrency=1)

    row = await yard.row(much)
    assert (row.state, row.reason) == (TaskState.FAILED, "error")
    assert row.error is not None
    assert row.error.type == "MemoryLimitError"
    assert row.error.message == "the attempt may use 256 MB of memory"
    assert "handlers.py" in row.error.traceback
    assert [await yard.state(one) for one in (little, again)] == ["succeeded"] * 2


async def test_a_limit_holds_for_its_own_task_alone(yard: Yard) -> None:
    limited = child(yard, handlers.hoards, memory_limit=LIMIT, cpu_limit=timedelta(seconds=5))
    free = child(yard, handlers.leaks)
    one = await yard.enqueue(limited, 1)
    other = await yard.enqueue(free, 400)

    await yard.drain(concurrency=1)

    assert [await yard.state(task) for task in (one, other)] == ["succeeded"] * 2


async def test_what_another_task_left_in_a_process_is_not_held_against_a_limited_one(
    yard: Yard,
) -> None:
    leaks = await yard.enqueue(child(yard, handlers.leaks), 200)
    limited = child(yard, handlers.hoards, memory_limit=LIMIT)
    task = await yard.enqueue(limited, 100, options=ONCE)

    await yard.drain(concurrency=1)

    assert [await yard.state(one) for one in (leaks, task)] == ["succeeded"] * 2


async def test_a_limit_below_what_a_process_needs_is_said(yard: Yard) -> None:
    limited = child(yard, handlers.double, memory_limit=2**20)
    task = await yard.enqueue(limited, 1, options=ONCE)

    await yard.drain()

    row = await yard.row(task)
    assert row.error is not None
    assert row.error.message.startswith("the attempt may use 1 MB of memory, and its process began")


@pytest.mark.parametrize(
    ("function", "arguments"), [(handlers.burns, (60.0,)), (handlers.burns_in_c, ())]
)
async def test_more_processor_time_than_its_limit_ends_the_attempt_and_says_so(
    yard: Yard, function: Callable[..., object], arguments: tuple[float, ...]
) -> None:
    definition = child(yard, function, cpu_limit=timedelta(seconds=1))
    task = await yard.enqueue(definition, *arguments, options=ONCE)

    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.reason) == (TaskState.FAILED, "error")
    assert row.error is not None
    assert row.error.type == "CpuLimitError"
    assert "may use 1 s of processor time" in row.error.message
    assert "SIGXCPU" in row.error.message


async def test_processor_time_is_counted_for_each_attempt_anew(yard: Yard) -> None:
    definition = child(yard, handlers.burns, cpu_limit=timedelta(seconds=2))
    tasks = [await yard.enqueue(definition, used, options=ONCE) for used in (1.5, 3.0, 4.5)]

    await yard.drain(concurrency=1)

    rows = [await yard.row(task) for task in tasks]
    assert [row.state for row in rows] == [TaskState.SUCCEEDED] * 3
    assert len({row.result for row in rows}) == 1


async def test_a_child_is_killed_at_its_timeout(tmp_path: Path) -> None:
    """However long it took to begin: time passes for the worker alone."""
    path = tmp_path / "pid"
    async with open_yard(together=True) as yard:
        definition = child(yard, handlers.sleeps, timeout=timedelta(seconds=6))
        task = await yard.enqueue(definition, str(path), options=ONCE)

        async with yard.working():
            await yard.until(lambda: path.exists() and path.read_text() != "")
            await yard.passes(5)
            early = await yard.state(task)
            await yard.passes(2)
            row = await yard.reaches(task, "failed")

    assert early == "running"
    assert (row.state, row.reason) == (TaskState.FAILED, "timeout")
    assert not psutil.pid_exists(int(path.read_text()))


async def test_a_child_is_killed_when_the_grace_ends_and_its_task_given_back(
    yard: Yard, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    task = await yard.enqueue(child(yard, handlers.sleeps), str(path))
    worker = yard.worker(grace=timedelta(0))
    running = asyncio.ensure_future(worker.run())
    await yard.until(lambda: path.exists() and path.read_text() != "")
    worker.stop()
    stopped = await yard.done(running)

    assert stopped.stuck == 0
    assert await yard.state(task) == "queued"
    assert (await yard.row(task)).attempts == 0


async def test_progress_crosses_while_the_handler_runs(yard: Yard, tmp_path: Path) -> None:
    path = tmp_path / "go on"
    task = await yard.enqueue(child(yard, handlers.works_on), str(path))

    async def noted() -> bool:
        return (await yard.row(task)).progress is not None

    async with yard.working():
        await yard.until(noted)
        path.touch()
        row = await yard.reaches(task, "succeeded")

    assert (row.progress, row.progress_note) == (0.5, "halfway")


async def test_progress_told_by_a_thread_never_mixes_with_what_else_crosses(yard: Yard) -> None:
    """Large enough to be still on its way when the handler returns, and the next one begins."""
    definition = child(yard, handlers.leaves_a_thread_talking)
    tasks = [await yard.enqueue(definition, 20_000_000, options=ONCE) for _ in range(3)]

    await yard.drain(concurrency=1)

    rows = [await yard.row(task) for task in tasks]
    assert [(row.state, row.result) for row in rows] == [(TaskState.SUCCEEDED, b'"done"')] * 3


async def test_a_function_without_an_importable_name_is_refused_clearly(yard: Yard) -> None:
    def local() -> None: ...

    task = await yard.enqueue(child(yard, local), options=ONCE)
    await yard.drain()

    row = await yard.row(task)
    assert row.error is not None
    assert row.error.type == "TaskDefinitionError"
    assert "define it at module level" in row.error.message


@pytest.mark.parametrize(("problem", "said"), [("", "success True"), ("no", "failure no")])
async def test_a_class_and_its_hooks_run_in_the_child(
    yard: Yard, tmp_path: Path, problem: str, said: str
) -> None:
    path = tmp_path / "said"
    task = await yard.enqueue(child(yard, handlers.Sends), str(path), problem, options=ONCE)

    await yard.drain()

    assert (await yard.row(task)).final
    assert path.read_text() == said


async def test_a_hook_hears_of_an_attempt_that_died_with_its_process(
    yard: Yard, tmp_path: Path
) -> None:
    handlers.heard.clear()
    definition = child(yard, handlers.dies, on_failure=handlers.hears)
    await yard.enqueue(definition, str(tmp_path / "died"), options=ONCE)
    await yard.drain()

    assert handlers.heard == ["ChildDiedError"]


async def test_a_hook_without_an_importable_name_is_refused_clearly(yard: Yard) -> None:
    definition = child(yard, handlers.double, on_success=lambda _, __: None)
    task = await yard.enqueue(definition, 1, options=ONCE)
    await yard.drain()

    row = await yard.row(task)
    assert row.error is not None
    assert row.error.type == "TaskDefinitionError"
    assert "define its hooks" in row.error.message


async def test_two_tasks_of_one_function_each_have_their_own_hooks_in_the_child(
    yard: Yard, tmp_path: Path
) -> None:
    """The module knows the function under one name; the other is registered beside it."""
    from tests.unit.worker import asking, declared  # noqa: PLC0415 - declares a task when imported

    said = tmp_path / "said"
    other = child(yard, declared.triple.__wrapped__, name="thrice", on_success=asking.succeeded)
    yard.registry.add(declared.triple.definition)
    for definition in (declared.triple.definition, other):
        await yard.enqueue(definition, 4, options=EnqueueOptions(owner=str(said)))

    await yard.drain(concurrency=1)

    assert said.read_text().splitlines() == ["success 12"]


async def test_a_declared_task_is_found_by_its_name_in_the_child(yard: Yard) -> None:
    """The decorator leaves a task object under the function's name."""
    from tests.unit.worker import declared  # noqa: PLC0415 - declares a task when imported

    yard.registry.add(declared.triple.definition)
    task = await yard.enqueue(declared.triple.definition, 4)

    await yard.drain()

    assert isinstance(declared.app, Longshore)
    assert (await yard.row(task)).result == b"12"


def test_a_child_that_was_killed_is_not_given_to_the_next() -> None:
    children = Children()
    first = children.reserve()
    first.kill()
    children.free(first)
    second = children.reserve()
    children.free(second)
    third = children.reserve()
    children.close()

    assert second is not first
    assert third is second
    assert not any(one.process.is_alive() for one in (first, second))


async def test_a_child_given_back_is_killed_no_more_for_the_attempt_before() -> None:
    """Another attempt may begin in it before the end of the one before is told."""
    over = asyncio.Event()
    held = replace(
        holding(1),
        definition=define(handlers.double, executor="process"),
        message=Message(id=KEY, type="double", data=[21]),
    )

    class GivenBack(Children):
        def free(self, child: Child) -> None:
            super().free(child)
            held.stop("timeout")
            killed.append(child.killed)

    killed: list[bool] = []
    children, threads = GivenBack(), Threads(1, asyncio.get_running_loop())
    results: list[object] = []
    executors = Executors(
        lambda _, result, error: results.append(error or result), over.set, threads, children
    )
    try:
        executors.start(held)
        await over.wait()

        assert (results, killed) == ([42], [False])
    finally:
        threads.close()
        children.close()
