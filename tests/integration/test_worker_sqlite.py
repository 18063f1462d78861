"""Workers in this process on SQLite files: a task's whole way, with time and faults in hand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Context, Retry
from longshore.clock import ManualClock, SystemClock
from longshore.draft import EnqueueOptions
from longshore.policy import Policy, QueuePolicy
from longshore.ports import Ports
from longshore.protocol import Verb
from longshore.publish import Publisher
from longshore.registry import find_adapter
from longshore.task import TaskState
from longshore.worker import Worker, WorkerOptions
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.unit.yard import Yard

ONCE = EnqueueOptions(attempts=1)


@pytest.fixture(params=["together", "apart"])
async def yard(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Yard]:
    """One file for messages and rows, or a file for each, on a clock that the test moves."""
    urls = (f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'two.db'}")
    async with open_yard(together=request.param == "together", urls=urls) as opened:
        yield opened


async def echo(text: str) -> str:
    return text


async def test_tasks_of_every_kind_go_their_whole_way(yard: Yard) -> None:
    def on_a_thread(number: int) -> int:
        return number * 2

    async def fails() -> None:
        raise ValueError("no \ud800 text for a store")

    async def says(ctx: Context) -> None:
        ctx.log.info("half \ud800 a pair, and \x00")
        ctx.report.success("fine")

    done = await yard.enqueue(echo, "ü" * 100)
    threaded = await yard.enqueue(on_a_thread, 4)
    failed = await yard.enqueue(fails, options=ONCE)
    said = await yard.enqueue(says)
    keyed = await yard.enqueue(yard.registry.get("echo"), "k", options=EnqueueOptions(key="k"))
    stopped = await yard.drain()

    assert (await yard.row(done)).result == b'"' + "ü".encode() * 100 + b'"'
    assert (await yard.row(threaded)).result == b"8"
    assert (await yard.row(keyed)).result == b'"k"'
    assert (await yard.row(failed)).reason == "error"
    assert len(await yard.lines(said)) == 1
    assert [letter.key for letter in await yard.letters()] == [failed]
    assert (stopped.done, stopped.failed) == (4, 1)
    left = await yard.depth()
    assert (left.ready, left.in_flight, left.delayed) == (0, 0, 0)


async def test_retries_snoozes_and_delays_wait_for_their_time(yard: Yard) -> None:
    async def handler(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise ValueError("again")
        return ctx.attempt

    retry = Retry(attempts=3, backoff=["10s", "1 hour"], jitter=0)
    task = await yard.enqueue(yard.task(handler, retry=retry), options=EnqueueOptions(delay=60))
    seen: list[str] = []
    for wait in (0, 59, 1, 9, 1, 3599, 1):
        if wait:
            await yard.passes(wait, step=wait)
        await yard.drain()
        seen.append(await yard.state(task))

    assert seen == ["scheduled"] * 2 + ["retrying"] * 4 + ["succeeded"]
    assert (await yard.row(task)).result == b"3"


async def test_bad_messages_end_where_they_can_be_found(yard: Yard) -> None:
    yard.task(echo)
    await yard.send(b"damaged")
    await yard.send(b'{"specversion":"1.0","id":"1","source":"/x","type":"nobody"}')
    await yard.send(b'{"specversion":"1.0","id":"2","source":"/x","type":"echo","data":[1,2]}')

    await yard.drain()

    assert Counter(letter.reason for letter in await yard.letters()) == Counter(
        ["decode", "unknown_task", "arguments"]
    )
    assert Counter(row.reason for row in await yard.rows()) == Counter(
        ["unknown_task", "arguments"]
    )


async def test_a_clock_that_jumps_back_an_hour_heals(yard: Yard) -> None:
    clock = yard.clock
    assert isinstance(clock, ManualClock)
    release = asyncio.Event()

    async def handler(ctx: Context) -> int:
        if ctx.fence == 1:
            await release.wait()
        return ctx.fence

    definition = yard.task(handler)
    task = await yard.enqueue(definition)
    dead = asyncio.ensure_future(yard.worker(capture=False).run())
    await yard.reaches(task, "running", moving=True)
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    clock.set(clock.now() - timedelta(hours=1))
    row = await yard.row(task)
    await yard.send(row.spec.body, key=task)
    after = await yard.enqueue(definition)

    async with yard.working(yard.rival()):
        end = clock.monotonic() + 120
        while clock.monotonic() < end:
            clock.advance(0.5)
            await asyncio.sleep(0.005)
        healed, fresh = await yard.row(task), await yard.row(after)

    assert (healed.state, healed.result) == (TaskState.SUCCEEDED, b"2")
    assert fresh.state is TaskState.SUCCEEDED or fresh.token == 1


async def test_an_operator_and_a_scheduler_find_their_way_too(yard: Yard) -> None:
    async def fails(ctx: Context) -> int:
        if ctx.run == 0:
            raise ValueError("no")
        return ctx.run

    failed = await yard.enqueue(yard.task(fails), options=ONCE)
    paused = await yard.enqueue(echo, "x")
    await yard.operator.one(Verb.PAUSE, paused)
    await yard.drain()
    states = [await yard.state(task) for task in (failed, paused)]
    await yard.operator.one(Verb.RETRY, failed)
    await yard.operator.one(Verb.RESUME, paused)
    await Publisher(yard.ports).publish_due()
    await yard.drain()

    assert states == ["failed", "paused"]
    assert [await yard.state(task) for task in (failed, paused)] == ["succeeded"] * 2
    assert (await yard.depth()).ready == 0


async def test_an_outage_of_the_log_loses_nothing_on_disk_either(yard: Yard) -> None:
    tasks = [await yard.enqueue(echo, "0")]
    tasks += [await yard.enqueue(yard.registry.get("echo"), str(n)) for n in range(1, 20)]
    for verb in ("claim", "finish"):
        yard.log_plan.fail_next(verb, 2)
        yard.log_plan.lose_answer(verb, 2)

    async with yard.working():

        async def is_over() -> bool:
            return all(row.final for row in await yard.rows())

        await yard.until(is_over, moving=True)

    assert [await yard.outcomes(task) for task in tasks] == [["succeeded"]] * 20


# ---- by the real clock


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Ports]:
    """Ports of their own, as the worker's lease thread has them."""
    async with find_adapter(url).open(url, SystemClock()) as backend:
        assert backend.queue is not None
        assert backend.task_log is not None
        yield Ports(
            queue=backend.queue,
            task_log=backend.task_log,
            store=backend.store,
            together=backend.together,
        )


async def test_hundreds_of_tasks_on_three_workers_run_once_each(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    ran: Counter[int] = Counter()
    lock = threading.Lock()

    def count(number: int) -> None:
        with lock:
            ran[number] += 1

    async def on_the_loop(number: int) -> int:
        count(number)
        await asyncio.sleep(0)
        return number

    def on_a_thread(number: int) -> int:
        count(number)
        return number

    clock = SystemClock()
    async with open_yard(together=True, clock=clock, urls=(url, "memory://")) as yard:
        definitions = [yard.task(on_the_loop), yard.task(on_a_thread)]
        policy = Policy(default=QueuePolicy(lease=timedelta(seconds=5)))
        for number in range(500):
            await yard.enqueue(definitions[number % 2], number)

        async def work() -> int:
            async with opened(url) as ports:
                options = WorkerOptions(publish=True, burst=True, capture=False)
                worker = Worker(
                    ports, yard.registry, policy, options, open_ports=lambda: opened(url)
                )
                return (await worker.run()).done

        done = await asyncio.gather(work(), work(), work())

        assert sum(done) == 500
        assert ran == Counter(range(500))
        rows = await yard.rows()
        assert {(row.state, row.token) for row in rows} == {(TaskState.SUCCEEDED, 1)}
        assert (await yard.depth()).in_flight == 0


async def test_a_handler_that_blocks_the_loop_loses_no_lease_on_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    policy = Policy(default=QueuePolicy(lease=timedelta(seconds=1)))

    began = threading.Event()

    async def blocks(ctx: Context) -> int:
        began.set()
        time.sleep(4)  # noqa: ASYNC251 - that is what is tested
        return ctx.fence

    async with (
        open_yard(together=True, clock=SystemClock(), urls=(url, "memory://")) as yard,
        opened(url) as ports,
    ):
        task = await yard.enqueue(blocks)
        options = WorkerOptions(publish=False, burst=True)
        worker = Worker(ports, yard.registry, policy, options, open_ports=lambda: opened(url))

        def look() -> None:
            assert began.wait(20)
            asyncio.run(other(url, yard, policy))

        rival = threading.Thread(target=look)
        rival.start()
        await worker.run()
        rival.join()

        row = await yard.row(task)
        assert (row.state, row.result, row.rescues) == (TaskState.SUCCEEDED, b"1", 0)


async def other(url: str, yard: Yard, policy: Policy) -> None:
    """A worker on a thread of its own, eager for whatever lease runs out."""
    async with opened(url) as ports:
        options = WorkerOptions(publish=True, capture=False, max_time=timedelta(seconds=5))
        registry: Any = type(yard.registry)()
        await Worker(ports, registry, policy, options).run()


async def test_a_worker_that_stops_while_it_takes_messages_hides_none(tmp_path: Path) -> None:
    """A poll is cancelled at any moment, also when the file has just handed messages out."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    clock = SystemClock()
    async with open_yard(together=True, clock=clock, urls=(url, "memory://")) as yard:
        port = yard.healthy.queue("default")
        hidden: list[int] = []
        for number in range(60):
            polling = asyncio.ensure_future(
                port.receive(limit=1, wait=timedelta(0), lease=timedelta(seconds=60))
            )
            await yard.send(b"{}")
            for _ in range(number % 6):
                await asyncio.sleep(0)
            time.sleep(0.001 * (number % 3))  # noqa: ASYNC251 - lets the file's thread get ahead
            polling.cancel()
            (taken,) = await asyncio.gather(polling, return_exceptions=True)
            if not isinstance(taken, BaseException):
                assert await port.ack(taken) == [None] * len(taken)
            hidden.append((await port.depth()).in_flight)

        assert set(hidden) == {0}
