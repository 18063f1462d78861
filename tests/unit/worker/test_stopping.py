"""How a worker ends: asked to, by a limit, or because there is nothing left to do."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Context, Snooze
from longshore.conformance import FlakyQueue, FlakyTaskLog, SlowQueue, SlowTaskLog
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import UnavailableError
from longshore.protocol import Verb
from longshore.task import TaskState
from longshore.worker.limits import resident

if TYPE_CHECKING:
    from longshore.worker import Stopped, Worker
    from tests.unit.yard import Yard

NO_GRACE = timedelta(0)


async def echo(text: str = "") -> str:
    return text


async def stop(
    yard: Yard, worker: Worker, running: asyncio.Task[Stopped], *, times: int
) -> Stopped:
    for _ in range(times):
        worker.stop()
    stopped: Stopped = await yard.done(running)
    return stopped


def start(worker: Worker) -> asyncio.Task[Stopped]:
    return asyncio.ensure_future(worker.run())


# ------------------------------------------------------------------------------------------- drain


async def test_a_stop_lets_what_runs_finish_within_the_grace(yard: Yard) -> None:
    async def handler(ctx: Context) -> str:
        await ctx.clock.sleep(10)
        return "finished"

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=timedelta(seconds=30))
    running = start(worker)
    await yard.reaches(task, "running")
    stopped = await stop(yard, worker, running, times=1)

    assert (stopped.reason, stopped.done, stopped.stuck) == ("drained", 1, 0)
    assert (await yard.row(task)).result == b'"finished"'
    assert yard.clock.monotonic() < 12


async def test_a_stop_gives_back_what_has_not_begun_and_counts_no_attempt(yard: Yard) -> None:
    release = asyncio.Event()

    async def handler() -> None:
        await release.wait()

    definition = yard.task(handler)
    tasks = [await yard.enqueue(definition) for _ in range(5)]
    worker = yard.worker(concurrency=1, prefetch=4)
    running = start(worker)
    await yard.reaches(tasks[4], "running")
    worker.stop()
    await yard.turn()
    rows = [await yard.row(task) for task in tasks[1:]]
    messages = await yard.depth()
    release.set()
    stopped = await yard.done(running)

    assert [(row.state, row.attempts) for row in rows] == [(TaskState.QUEUED, 0)] * 4
    assert (messages.ready, messages.in_flight) == (4, 1)
    assert stopped.done == 1
    assert await yard.outcomes(tasks[1]) == ["given_back"]


async def test_what_is_still_running_when_the_grace_ends_is_interrupted_and_given_back(
    yard: Yard,
) -> None:
    ended: list[str] = []

    async def handler(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(f"{ctx.cancelled} at {ctx.clock.monotonic():.0f}")

    task = await yard.enqueue(handler, options=EnqueueOptions(attempts=1))
    worker = yard.worker(grace=timedelta(seconds=10))
    running = start(worker)
    await yard.reaches(task, "running")
    worker.stop()
    await yard.turn()
    await yard.passes(9)
    assert ended == []
    await yard.passes(2)
    stopped = await yard.done(running)

    row = await yard.row(task)
    assert ended == ["True at 10"]
    assert stopped.stuck == 0
    assert (row.state, row.attempts) == (TaskState.QUEUED, 0)
    assert await yard.outcomes(task) == ["given_back"]
    assert (await yard.depth()).ready == 1


async def test_what_a_handler_asks_for_when_it_is_told_to_stop_holds(yard: Yard) -> None:
    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Snooze("1 hour") from None

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=NO_GRACE)
    running = start(worker)
    await yard.reaches(task, "running")
    await stop(yard, worker, running, times=1)

    row = await yard.row(task)
    assert (row.state, row.attempts) == (TaskState.SCHEDULED, 0)
    assert row.due_at - yard.clock.now() > timedelta(minutes=59)


async def test_an_error_of_a_handler_that_is_told_to_stop_is_no_failure(yard: Yard) -> None:
    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("closed under me") from None

    task = await yard.enqueue(handler, options=EnqueueOptions(attempts=1))
    worker = yard.worker(grace=NO_GRACE)
    running = start(worker)
    await yard.reaches(task, "running")
    await stop(yard, worker, running, times=1)

    row = await yard.row(task)
    assert (row.state, row.attempts) == (TaskState.QUEUED, 0)


async def test_a_second_stop_interrupts_at_once(yard: Yard) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=timedelta(hours=1))
    running = start(worker)
    await yard.reaches(task, "running")
    stopped = await stop(yard, worker, running, times=2)

    assert stopped.stuck == 0
    assert await yard.state(task) == "queued"
    assert yard.clock.monotonic() < 2


async def test_a_thread_that_cannot_be_stopped_is_reported_and_its_task_held_back(
    yard: Yard,
) -> None:
    release = threading.Event()

    def handler() -> str:
        release.wait(20)
        return "finished in vain"

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=timedelta(seconds=1))
    running = start(worker)
    await yard.reaches(task, "running")
    stopped = await stop(yard, worker, running, times=1)
    row = await yard.row(task)
    release.set()
    await yard.turn()

    assert stopped.stuck == 1
    assert (row.state, row.attempts) == (TaskState.SCHEDULED, 0)
    assert row.due_at - row.updated_at == timedelta(seconds=2)
    assert (await yard.depth()).delayed == 1


async def test_a_handler_that_ignores_its_interruption_is_stuck(yard: Yard) -> None:
    release = asyncio.Event()

    async def handler() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=NO_GRACE)
    running = start(worker)
    await yard.reaches(task, "running")
    stopped = await stop(yard, worker, running, times=1)
    release.set()
    await yard.turn()

    assert stopped.stuck == 1
    assert await yard.state(task) == "scheduled"


async def test_a_failure_after_the_interruption_is_no_attempt(yard: Yard) -> None:
    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while it was unwinding")

    task = await yard.enqueue(handler, options=EnqueueOptions(attempts=1))
    worker = yard.worker(grace=NO_GRACE)
    running = start(worker)
    await yard.reaches(task, "running")
    await stop(yard, worker, running, times=1)

    assert await yard.state(task) == "queued"


async def test_a_success_after_the_interruption_is_a_success(yard: Yard) -> None:
    async def handler() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "saved"
        return "never"

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=NO_GRACE)
    running = start(worker)
    await yard.reaches(task, "running")
    await stop(yard, worker, running, times=1)

    assert (await yard.row(task)).result == b'"saved"'


async def test_a_task_that_is_to_be_cancelled_is_not_given_back(yard: Yard) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    task = await yard.enqueue(handler)
    worker = yard.worker(grace=NO_GRACE)
    running = start(worker)
    await yard.reaches(task, "running")
    await yard.operator.one(Verb.CANCEL, task)
    await stop(yard, worker, running, times=1)

    assert await yard.state(task) == "cancelled"
    assert (await yard.depth()).ready == 0


async def test_a_worker_that_waits_for_messages_stops_at_once(yard: Yard) -> None:
    worker = yard.worker(poll=timedelta(hours=1), queues=("a", "b"))
    running = start(worker)
    await yard.passes(5)
    worker.stop()
    await yard.turn()

    assert (await running).reason == "drained"


async def test_a_stop_before_the_start_is_kept(yard: Yard) -> None:
    task = await yard.enqueue(echo)
    worker = yard.worker()
    worker.stop("early")

    stopped = await yard.done(worker.run())

    assert (stopped.reason, stopped.done) == ("early", 0)
    assert await yard.state(task) == "queued"


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5, 3.5])
async def test_a_stop_in_the_middle_of_taking_messages_leaves_none_hidden(
    apart: Yard, after: float
) -> None:
    """Servers that take a second for every call: the stop comes between any two of them."""
    second, inner = timedelta(seconds=1), apart.ports.queue
    apart.ports = replace(
        apart.ports,
        queue=lambda name: SlowQueue(inner(name), second, apart.clock),
        task_log=SlowTaskLog(apart.healthy.task_log, second, apart.clock),
    )
    definition = apart.task(echo)
    tasks = await enqueued(apart, definition, 3)
    worker = apart.worker(concurrency=2)
    running = start(worker)
    await apart.passes(after, step=0.1)
    worker.stop()
    await apart.done(running)

    left = await apart.depth()
    states = [await apart.state(task) for task in tasks]
    assert left.in_flight == 0
    assert left.ready == states.count("queued")
    assert states.count("queued") + states.count("succeeded") == 3


async def enqueued(yard: Yard, definition: Any, count: int) -> list[Any]:
    """Enqueue by the healthy ports, which take no time."""
    slow, yard.ports = yard.ports, yard.healthy
    tasks = [await yard.enqueue(definition) for _ in range(count)]
    yard.ports = slow
    return tasks


async def test_a_stop_while_the_log_is_away_leaves_the_messages_to_their_leases(
    apart: Yard,
) -> None:
    task = await apart.enqueue(echo)
    apart.log_plan.sleep()
    worker = apart.worker()
    running = start(worker)
    await apart.passes(3)
    await stop(apart, worker, running, times=1)
    apart.log_plan.wake()
    await apart.passes(40, step=40)
    await apart.drain()

    assert apart.clock.monotonic() < 45
    assert await apart.outcomes(task) == ["succeeded"]


async def test_a_stop_does_not_wait_for_ever_for_a_log_that_hangs(apart: Yard) -> None:
    class Hanging(FlakyTaskLog):
        async def claim(self, claims: Any) -> Any:
            await asyncio.Event().wait()
            raise UnavailableError(str(claims))

    await apart.enqueue(echo)
    apart.ports = replace(apart.ports, task_log=Hanging(apart.healthy.task_log, apart.log_plan))
    worker = apart.worker(grace=timedelta(seconds=5))
    running = start(worker)
    await apart.passes(1)
    stopped = await stop(apart, worker, running, times=1)

    assert stopped.reason == "drained"
    apart.left_in_flight = 1


async def test_a_worker_that_is_cancelled_stops_its_handlers(yard: Yard) -> None:
    """They would run on without a lease, beside the next owner."""
    ended: list[str] = []

    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("interrupted")

    task = await yard.enqueue(handler)
    running = start(yard.worker())
    await yard.reaches(task, "running")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await yard.turn()

    assert ended == ["interrupted"]
    yard.left_in_flight = 1


# ------------------------------------------------------------------- timeouts nobody can enforce


async def test_a_thread_that_ignores_its_timeout_ends_its_worker_once_the_others_have_ended(
    yard: Yard,
) -> None:
    release = threading.Event()

    def hangs() -> None:
        release.wait(20)

    async def neighbour(ctx: Context) -> str:
        await ctx.clock.sleep(20)
        return "finished"

    late = await yard.enqueue(yard.task(hangs, timeout=timedelta(seconds=3)))
    other = await yard.enqueue(neighbour)
    worker = yard.worker(grace=timedelta(seconds=60))
    running = start(worker)
    await yard.reaches(other, "running")
    await yard.passes(12)
    waiting = await yard.enqueue(yard.task(echo))
    kept = await yard.row(late)
    stopped = await yard.done(running)
    release.set()
    await yard.turn()

    row = await yard.row(late)
    assert (stopped.reason, stopped.done, stopped.stuck) == ("stuck", 1, 1)
    assert kept.state is TaskState.RUNNING
    assert (row.state, row.reason, row.attempts) == (TaskState.RETRYING, "timeout", 1)
    assert row.due_at - row.updated_at >= timedelta(seconds=2)
    assert await yard.state(other) == "succeeded"
    assert await yard.state(waiting) == "queued"
    assert 20 <= yard.clock.monotonic() < 30


async def test_a_last_attempt_that_hangs_fails_and_its_hook_hears_of_it(yard: Yard) -> None:
    heard: list[str] = []
    release = threading.Event()

    def hangs() -> None:
        release.wait(20)

    def on_failure(_: object, error: Exception) -> None:
        heard.append(type(error).__name__)

    definition = yard.task(hangs, timeout=timedelta(seconds=3), on_failure=on_failure)
    task = await yard.enqueue(definition, options=EnqueueOptions(attempts=1))
    stopped = await yard.done(yard.worker().run())
    release.set()

    row = await yard.row(task)
    assert (stopped.reason, stopped.failed) == ("stuck", 1)
    assert (row.state, row.reason) == (TaskState.FAILED, "timeout")
    assert heard == ["HandlerTimeoutError"]


async def test_a_thread_that_ends_soon_after_its_timeout_costs_no_process(yard: Yard) -> None:
    release = threading.Event()

    def looks(ctx: Context) -> None:
        while not ctx.cancelled:
            release.wait(0.001)
        release.wait(20)
        raise ValueError("told to stop")

    task = await yard.enqueue(yard.task(looks, timeout=timedelta(seconds=3)))
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(7, step=0.5)
        release.set()
        row = await yard.reaches(task, "retrying")
        again = await yard.enqueue(yard.task(echo))
        await yard.passes(2)
        await yard.reaches(again, "succeeded")

    assert row.reason == "timeout"


# ------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize("queues", [("default",), ("default", "b", "c")])
async def test_max_tasks_is_kept_exactly(yard: Yard, queues: tuple[str, ...]) -> None:
    definition = yard.task(echo)
    for number in range(30):
        queue = queues[number % len(queues)]
        await yard.enqueue(definition, options=EnqueueOptions(queue=queue))

    stopped = await yard.done(yard.worker(max_tasks=7, queues=queues).run())

    assert (stopped.reason, stopped.done) == ("max_tasks", 7)
    states = [row.state for row in await yard.rows()]
    assert states.count(TaskState.SUCCEEDED) == 7
    assert states.count(TaskState.QUEUED) == 23


async def test_max_tasks_ends_the_worker_though_the_last_was_lost(yard: Yard) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    task = await yard.enqueue(handler)
    running = start(yard.worker(max_tasks=1))
    await yard.reaches(task, "running")
    await yard.operator.one(Verb.FORCE_FAIL, task)
    await yard.passes(23)
    stopped = await yard.done(running)

    assert stopped.reason == "max_tasks"
    yard.left_in_flight = 1


async def test_max_time_ends_the_worker(yard: Yard) -> None:
    stopped = await yard.done(yard.worker(max_time=timedelta(seconds=30)).run())

    assert stopped.reason == "max_time"
    assert 30 <= yard.clock.monotonic() < 32


async def test_a_memory_limit_ends_the_worker(yard: Yard) -> None:
    megabytes = resident() // 2**20

    stopped = await yard.done(yard.worker(memory_limit=megabytes // 2).run())
    running = start(yard.worker(memory_limit=megabytes * 10))
    await yard.passes(5)

    assert stopped.reason == "memory"
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_resident_memory_is_that_of_this_process() -> None:
    before = resident()
    block = bytearray(os.urandom(1)) * 50_000_000

    assert resident() - before > 40_000_000
    assert len(block) == 50_000_000


async def test_an_idle_worker_ends_when_nothing_came_for_so_long(yard: Yard) -> None:
    definition = yard.task(echo)
    running = start(yard.worker(idle=timedelta(seconds=5), queues=("default", "b")))
    for _ in range(3):
        await yard.passes(4)
        await yard.enqueue(definition)
    await yard.passes(4)
    busy = not running.done()
    await yard.passes(8)
    stopped = await yard.done(running)

    assert busy
    assert (stopped.reason, stopped.done) == ("idle", 3)


async def test_an_idle_worker_does_not_end_while_something_runs(yard: Yard) -> None:
    async def handler(ctx: Context) -> None:
        await ctx.clock.sleep(60)

    await yard.enqueue(handler)
    running = start(yard.worker(idle=timedelta(seconds=5)))
    await yard.passes(59)
    busy = not running.done()
    stopped = await yard.done(running)

    assert busy
    assert (stopped.reason, stopped.done) == ("idle", 1)


async def test_a_burst_ends_when_every_queue_is_empty(yard: Yard) -> None:
    async def spawns(depth: int) -> None:
        if depth:
            queue = "ab"[depth % 2]
            await yard.enqueue(definition, depth - 1, options=EnqueueOptions(queue=queue))

    definition = yard.task(spawns)
    await yard.enqueue(definition, 10, options=EnqueueOptions(queue="a"))

    stopped = await yard.drain(queues=("a", "b"))

    assert (stopped.reason, stopped.done) == ("idle", 11)


async def test_a_burst_leaves_what_is_not_due(yard: Yard) -> None:
    task = await yard.enqueue(echo, options=EnqueueOptions(delay=60))

    stopped = await yard.drain()

    assert stopped.done == 0
    assert await yard.state(task) == "scheduled"


@pytest.mark.parametrize("slow", ["queue", "log", "answer"])
async def test_a_burst_sees_what_its_own_tasks_enqueued_on_slow_servers(
    apart: Yard, slow: str
) -> None:
    """A queue found empty before a task enqueued to it is not an empty queue."""
    client, inner = apart.client, apart.ports.queue
    span = timedelta(milliseconds=70)

    class Late(FlakyQueue):
        async def receive(self, **options: Any) -> Any:
            taken = await super().receive(**options)
            await apart.clock.sleep(0.07)
            return taken

    if slow == "log":
        log = SlowTaskLog(apart.healthy.task_log, span, apart.clock)
        apart.ports = replace(apart.ports, task_log=log)
    elif slow == "queue":
        apart.ports = replace(
            apart.ports, queue=lambda name: SlowQueue(inner(name), span, apart.clock)
        )
    else:
        apart.ports = replace(apart.ports, queue=lambda name: Late(inner(name), apart.queue_plan))

    async def spawns(ctx: Context, depth: int) -> None:
        if depth:
            await ctx.clock.sleep(0.02 * (depth % 5))
            options = EnqueueOptions(queue="abc"[depth % 3])
            await client.enqueue([Draft(definition, {"depth": depth - 1}, options)])

    definition = apart.task(spawns)
    await client.enqueue([Draft(definition, {"depth": 30}, EnqueueOptions(queue="a"))])
    stopped = await apart.done(apart.worker(burst=True, queues=("a", "b", "c")).run())

    assert (stopped.reason, stopped.done) == ("idle", 31)


async def test_a_burst_does_not_hammer_a_queue_while_another_is_away(apart: Yard) -> None:
    polls: list[str] = []
    inner = apart.ports.queue

    class Counted(FlakyQueue):
        async def receive(self, **options: Any) -> Any:
            polls.append(self.name)
            if self.name == "down" and polls.count("down") < 5:
                raise UnavailableError(str(options))
            return await super().receive(**options)

    apart.ports = replace(apart.ports, queue=lambda name: Counted(inner(name), apart.queue_plan))
    stopped = await apart.done(apart.worker(burst=True, queues=("up", "down")).run())

    assert stopped.reason == "idle"
    assert polls.count("up") < 10


async def test_a_message_that_cannot_be_given_back_does_not_spoil_a_stop(apart: Yard) -> None:
    """One slot and two queues: what comes from the second goes back, but its broker is away."""
    release = asyncio.Event()

    async def handler() -> None:
        await release.wait()

    definition = apart.task(handler)
    worker = apart.worker(concurrency=1, queues=("default", "other"))
    running = start(worker)
    await apart.turn()
    apart.queue_plan.fail_next("release", 100)
    for queue in ("default", "other"):
        await apart.enqueue(definition, options=EnqueueOptions(queue=queue))
    worker.stop()
    release.set()
    stopped = await apart.done(running)

    assert stopped.reason == "drained"
    apart.left_in_flight = (await apart.depth()).in_flight
