"""Keeping what is held, and letting go of what is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from longshore import Context
from longshore.clock import SystemClock
from longshore.draft import EnqueueOptions
from longshore.errors import StorageError, UnavailableError
from longshore.policy import Policy, QueuePolicy
from longshore.ports import Ports
from longshore.protocol import Verb
from longshore.task import TaskState
from longshore.worker import Worker, WorkerOptions
from longshore_adapters.memory import ADAPTER
from tests.unit.yard import Capable, Yard, open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.identity import TaskId


async def sleeps(ctx: Context, seconds: float) -> str:
    await ctx.clock.sleep(seconds)
    return f"token {ctx.fence}"


async def waits() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("lease", [1, 3, 30])
async def test_a_task_longer_than_its_lease_runs_once(yard: Yard, lease: float) -> None:
    yard.policy = Policy(default=QueuePolicy(lease=timedelta(seconds=lease)))
    task = await yard.enqueue(sleeps, 20 * lease)

    async with yard.working(), yard.working(name="other"):
        await yard.reaches(task, "running")
        await yard.passes(20 * lease, step=lease / 30)
        row = await yard.reaches(task, "succeeded", moving=True)

    assert row.result == b'"token 1"'
    assert row.rescues == 0
    assert await yard.outcomes(task) == ["succeeded"]


async def test_what_waits_in_the_worker_is_kept_as_well(yard: Yard) -> None:
    definition = yard.task(sleeps)
    tasks = [await yard.enqueue(definition, 40) for _ in range(4)]

    async with yard.working(concurrency=1, prefetch=3):
        await yard.reaches(tasks[-1], "running")
        await yard.passes(170)
        rows = [await yard.row(task) for task in tasks]

    assert [row.state for row in rows] == [TaskState.SUCCEEDED] * 4
    assert [row.token for row in rows] == [1] * 4


async def test_a_message_stays_hidden_for_as_long_as_its_task_runs(yard: Yard) -> None:
    task = await yard.enqueue(sleeps, 300)
    seen: set[int] = set()

    async with yard.working():
        await yard.reaches(task, "running")
        for _ in range(29):
            await yard.passes(10)
            seen.add((await yard.depth()).ready)
        await yard.reaches(task, "succeeded", moving=True)

    assert seen == {0}


async def test_a_forced_task_is_stopped_and_its_end_refused(yard: Yard) -> None:
    interrupted: list[str] = []

    async def handler(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            interrupted.append(f"cancelled: {ctx.cancelled}")
            raise

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.operator.one(Verb.FORCE_FAIL, task)
        await yard.passes(23)
        await yard.until(lambda: bool(interrupted))

    row = await yard.row(task)
    assert interrupted == ["cancelled: True"]
    assert (row.state, row.reason) == (TaskState.FAILED, "forced")
    yard.left_in_flight = 1  # its message is the next owner's matter


async def test_the_end_of_a_task_that_was_taken_away_is_refused(yard: Yard) -> None:
    release = asyncio.Event()

    async def handler() -> str:
        await release.wait()
        return "too late"

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.operator.one(Verb.FORCE_FAIL, task)
        release.set()
        await yard.turn()

    row = await yard.row(task)
    assert (row.state, row.reason, row.result) == (TaskState.FAILED, "forced", None)
    yard.left_in_flight = 1


@pytest.mark.parametrize("away", ["asleep", "hanging"])
async def test_a_worker_cut_off_from_the_log_stops_by_itself_before_another_may_start(
    apart: Yard, away: str
) -> None:
    running: list[str] = []
    overlaps: list[list[str]] = []
    hang = asyncio.Event()

    async def handler(ctx: Context) -> int:
        running.append(str(ctx.fence))
        overlaps.append([*running])
        try:
            await ctx.clock.sleep(60)
        finally:
            running.remove(str(ctx.fence))
        return ctx.fence

    if away == "hanging":
        apart.ports = hanging(apart, hang)
    task = await apart.enqueue(handler)
    rival = apart.rival()
    async with apart.working():
        await apart.reaches(task, "running")
        apart.log_plan.sleep()
        async with apart.working(rival):
            await apart.passes(24)
            assert running == ["1"]
            await apart.passes(2)
            assert running == []
            await apart.passes(120)
            row = await apart.reaches(task, "succeeded")
        apart.log_plan.wake()
        hang.set()

    assert overlaps == [["1"], ["2"]]
    assert (row.result, row.rescues) == (b"2", 0)
    assert await apart.outcomes(task) == ["lost", "succeeded"]


def hanging(yard: Yard, until: asyncio.Event) -> Ports:
    """Ports whose log never answers a renewal."""

    class Hanging(type(yard.ports.task_log)):  # type: ignore[misc]  # any log will do
        async def renew(self, renewals: Any) -> Any:
            await until.wait()
            raise UnavailableError(str(renewals))

    return replace(yard.ports, task_log=Hanging(yard.healthy.task_log, yard.log_plan))


async def test_a_renewal_that_failed_is_tried_again_in_time(apart: Yard) -> None:
    """One third of the lease may pass in an outage without anything being lost."""
    task = await apart.enqueue(sleeps, 100)
    async with apart.working():
        await apart.reaches(task, "running")
        await apart.passes(9)
        apart.log_plan.sleep()
        await apart.passes(12)
        apart.log_plan.wake()
        await apart.passes(100)
        row = await apart.reaches(task, "succeeded")

    assert row.result == b'"token 1"'


async def test_brokers_that_hang_keep_no_lease_from_being_renewed_in_the_log(apart: Yard) -> None:
    inner = apart.ports.queue

    class Hanging(Capable):
        async def extend(self, deliveries: Any, *, lease: timedelta) -> Any:
            await asyncio.Event().wait()

    apart.ports = replace(
        apart.ports, queue=lambda name: Hanging(inner(name), apart.queue_plan, {})
    )
    task = await apart.enqueue(sleeps, 100)
    async with apart.working(queues=("default", "other")):
        await apart.reaches(task, "running")
        await apart.passes(99)
        row = await apart.reaches(task, "succeeded", moving=True)

    assert row.result == b'"token 1"'
    assert await apart.outcomes(task) == ["succeeded"]


async def test_a_broker_that_is_away_loses_no_lease(apart: Yard) -> None:
    task = await apart.enqueue(sleeps, 100)
    async with apart.working():
        await apart.reaches(task, "running")
        apart.queue_plan.sleep()
        await apart.passes(99)
        apart.queue_plan.wake()
        row = await apart.reaches(task, "succeeded", moving=True)
        await apart.passes(60)

    assert row.result == b'"token 1"'
    assert await apart.outcomes(task) == ["succeeded"]


async def test_a_task_of_a_dead_worker_is_taken_over_and_counted(yard: Yard) -> None:
    """A worker that dies tells nobody: it is cut off, and never comes back."""

    async def handler(ctx: Context) -> int:
        if ctx.fence == 1:
            await asyncio.Event().wait()
        return ctx.attempt

    task = await yard.enqueue(handler)
    await kill(yard, task)
    async with yard.working(yard.rival()):
        row = await yard.reaches(task, "succeeded")

    assert (row.token, row.attempts, row.result) == (2, 1, b"1")
    assert await yard.outcomes(task) == ["lost", "succeeded"]


async def kill(yard: Yard, task: TaskId) -> None:
    """Let a worker die in the middle of a task, and its lease run out."""
    token = (await yard.row(task)).token
    dead = asyncio.ensure_future(yard.worker(capture=False).run())

    async def taken() -> bool:
        return (await yard.row(task)).token > token

    await yard.until(taken)
    await yard.turn()
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    await yard.passes(40, step=40)


async def test_a_task_that_outlives_no_worker_is_poison_after_its_last_try_alone(
    yard: Yard,
) -> None:
    task = await yard.enqueue(waits)

    for _ in range(4):
        await kill(yard, task)
    await yard.drain()

    row = await yard.row(task)
    (letter,) = await yard.letters()
    assert (row.state, row.reason) == (TaskState.FAILED, "poison")
    assert (letter.reason, letter.stamp) == ("poison", 0)
    assert await yard.outcomes(task) == ["lost"] * 4


async def test_a_task_not_to_be_run_again_fails_when_its_worker_is_lost(yard: Yard) -> None:
    task = await yard.enqueue(yard.task(waits, lost_fails=True))

    await kill(yard, task)
    await yard.drain()

    row = await yard.row(task)
    (letter,) = await yard.letters()
    assert (row.state, row.reason) == (TaskState.FAILED, "lost")
    assert letter.reason == "lost"


async def test_last_tries_that_come_together_are_not_held_beside_one_another(yard: Yard) -> None:
    """They died together and come back together; only the one that runs alone may die of it."""
    held: list[int] = []
    dying = True

    async def handler() -> None:
        if dying:
            await asyncio.Event().wait()
        for _ in range(20):
            await asyncio.sleep(0)
            rows = [row for row in await yard.rows() if row.state is TaskState.RUNNING]
            held.append(len(rows))

    definition = yard.task(handler)
    tasks = [await yard.enqueue(definition) for _ in range(4)]
    for _ in range(3):
        await kill(yard, tasks[-1])
    dying = False
    stopped = await yard.drain(concurrency=4)

    assert stopped.done == 4
    assert set(held) == {1}
    assert {await yard.state(task) for task in tasks} == {"succeeded"}


async def test_a_last_try_does_not_die_of_what_runs_when_it_comes(yard: Yard) -> None:
    """Claimed beside a task that then ends the process, it was not alone, and is not to blame."""
    dying = True

    async def handler() -> None:
        if dying:
            await asyncio.Event().wait()

    definition = yard.task(handler)
    bad = await yard.enqueue(definition)
    for _ in range(3):
        await kill(yard, bad)
    killer = await yard.enqueue(definition, options=EnqueueOptions(priority=100))
    await kill(yard, killer)
    lost = (await yard.row(bad)).rescues
    dying = False
    stopped = await yard.drain()

    assert lost == 3
    assert stopped.done == 2
    assert [await yard.state(task) for task in (bad, killer)] == ["succeeded"] * 2


@pytest.mark.parametrize("order", ["last-try-first", "last-try-last"])
async def test_the_last_try_runs_with_nothing_else_held(yard: Yard, order: str) -> None:
    beside: list[int] = []
    running: set[str] = set()
    release = asyncio.Event()
    dying = asyncio.Event()

    async def poisonous(ctx: Context) -> None:
        if not dying.is_set():
            await asyncio.Event().wait()
        running.add("poisonous")
        for _ in range(50):
            await asyncio.sleep(0)
            rows = [row for row in await yard.rows() if row.state is TaskState.RUNNING]
            beside.append(len(rows))
        assert ctx.attempt == 1
        running.discard("poisonous")

    async def neighbour(number: int) -> None:
        assert "poisonous" not in running
        await release.wait() if number == 0 else await asyncio.sleep(0)
        assert "poisonous" not in running

    bad = await yard.enqueue(poisonous)
    for _ in range(3):
        await kill(yard, bad)
    dying.set()
    definition = yard.task(neighbour)
    if order == "last-try-last":
        low = EnqueueOptions(priority=100)
        tasks = [await yard.enqueue(definition, n, options=low) for n in range(8)]
    else:
        tasks = [await yard.enqueue(definition, n) for n in range(8)]
    async with yard.working(concurrency=3, prefetch=5, queues=("default", "other")):
        for number in range(3):
            await yard.enqueue(definition, 10 + number, options=EnqueueOptions(queue="other"))
        await yard.turn()
        release.set()
        row = await yard.reaches(bad, "succeeded", moving=True)
        for task in tasks:
            await yard.reaches(task, "succeeded", moving=True)

    assert row.rescues == 0
    assert set(beside) == {1}


async def test_a_clock_that_jumps_back_heals(yard: Yard) -> None:
    """Leases that end in the far future are cut by the claim that meets them."""
    task = await yard.enqueue(waits)
    dead = asyncio.ensure_future(yard.worker(capture=False).run())
    await yard.reaches(task, "running")
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    clock: Any = yard.clock
    clock.set(clock.now() - timedelta(hours=1))
    row = await yard.row(task)
    await yard.send(row.spec.body, key=task)

    async def is_taken() -> bool:
        return (await yard.row(task)).token == 2

    async with yard.working(yard.rival()):
        await yard.passes(75)
        assert await is_taken()
        await yard.cancel(task)
        await yard.passes(30)
        await yard.reaches(task, "cancelled")
    yard.left_in_flight = (await yard.depth()).in_flight


# --------------------------------------------------------------------------------- the lease thread


@asynccontextmanager
async def threaded(lease: float) -> AsyncIterator[tuple[Yard, Worker]]:
    """A worker whose leases are kept by a thread of their own, by the machine's clock."""
    name, clock = f"memory://{uuid4().hex}", SystemClock()

    @asynccontextmanager
    async def ports() -> AsyncIterator[Ports]:
        async with ADAPTER.open(name, clock) as backend:
            assert backend.queue is not None
            assert backend.task_log is not None
            yield Ports(
                queue=backend.queue,
                task_log=backend.task_log,
                together=backend.together,
                clock=clock,
            )

    async with ports() as opened, open_yard(together=True, clock=clock) as yard:
        yard.ports = yard.healthy = opened
        yard.policy = Policy(default=QueuePolicy(lease=timedelta(seconds=lease)))
        options = WorkerOptions(publish=False, burst=True)
        worker = Worker(opened, yard.registry, yard.policy, options, open_ports=ports)
        yield yard, worker


async def test_a_handler_that_blocks_the_loop_loses_no_lease() -> None:
    async with threaded(lease=1.0) as (yard, worker):
        leases: list[float] = []

        async def blocks(ctx: Context) -> int:
            watcher = threading.Thread(target=lambda: asyncio.run(watch()))
            watcher.start()
            time.sleep(2.5)  # noqa: ASYNC251 - that is what is tested
            watcher.join()
            return ctx.fence

        async def watch() -> None:
            for _ in range(20):
                await asyncio.sleep(0.1)
                row = await yard.row(task)
                assert row.lease_until is not None
                leases.append((row.lease_until - yard.clock.now()).total_seconds())

        task = await yard.enqueue(blocks)
        await worker.run()

        row = await yard.row(task)
        assert (row.state, row.result) == (TaskState.SUCCEEDED, b"1")
        assert min(leases) > 0


async def test_a_lost_lease_is_told_across_the_threads() -> None:
    async with threaded(lease=1.0) as (yard, worker):
        task = await yard.enqueue(waits)
        running = asyncio.ensure_future(worker.run())
        await yard.reaches(task, "running")
        await yard.operator.one(Verb.FORCE_FAIL, task)
        worker.stop()
        stopped = await yard.done(running)

        assert stopped.stuck == 0
        assert (await yard.row(task)).reason == "forced"


async def test_a_lease_thread_that_cannot_start_ends_the_worker_in_good_order() -> None:
    async with open_yard(together=True) as yard:

        @asynccontextmanager
        async def ports() -> AsyncIterator[Ports]:
            message = "the disk is full"
            raise StorageError(message)
            yield yard.ports  # type: ignore[unreachable]  # what makes it a generator

        async def handler() -> str:
            return "done"

        task = await yard.enqueue(handler)
        options = WorkerOptions(publish=False)
        worker = Worker(yard.ports, yard.registry, yard.policy, options, open_ports=ports)

        with pytest.raises(StorageError, match="disk is full"):
            await yard.done(worker.run())

        assert await yard.state(task) in {"succeeded", "queued"}


async def test_a_lease_thread_that_gets_no_loop_ends_the_worker_in_good_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with threaded(lease=5.0) as (yard, worker):
        monkeypatch.setattr("asyncio.events.new_event_loop", none)

        with pytest.raises(OSError, match="Too many open files"):
            await yard.done(worker.run())

        monkeypatch.undo()


async def test_a_lease_thread_waits_for_a_server_that_is_away() -> None:
    tries: list[int] = []

    async with threaded(lease=5.0) as (yard, _):

        @asynccontextmanager
        async def ports() -> AsyncIterator[Ports]:
            tries.append(len(tries))
            if len(tries) == 1:
                message = "away"
                raise UnavailableError(message)
            yield yard.ports

        release = asyncio.Event()

        async def handler() -> None:
            await release.wait()

        task = await yard.enqueue(handler)
        options = WorkerOptions(publish=False, burst=True)
        worker = Worker(yard.ports, yard.registry, yard.policy, options, open_ports=ports)
        running = asyncio.ensure_future(worker.run())
        await yard.until(lambda: len(tries) == 2)
        release.set()
        await yard.done(running)

        assert await yard.state(task) == "succeeded"
