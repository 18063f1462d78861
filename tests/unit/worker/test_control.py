"""The worker's beat, and what operators order through the Store."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.conformance import FlakyQueue, FlakyStore, SlowStore, SlowTaskLog
from longshore.control import Aim, Health, Orders, Registry, WorkerEntry, WorkerVerb, health_of
from longshore.draft import EnqueueOptions
from longshore.store import Put
from longshore.task import TaskState
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from longshore.definition import TaskDefinition
    from longshore.identity import TaskId
    from longshore.store import Store
    from tests.unit.yard import Yard

BEAT = 6.0
"""More than a beat and less than two."""


class Crowd:
    """Handlers that wait to be let go, and are counted."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.running = 0
        self.most = 0
        self.definition: TaskDefinition | None = None

    async def handler(self) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.release.wait()
        finally:
            self.running -= 1


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


def store_of(yard: Yard) -> Store:
    assert yard.healthy.store is not None
    return yard.healthy.store


def orders(yard: Yard) -> Orders:
    return Orders(store_of(yard), yard.clock)


async def workers(yard: Yard) -> list[WorkerEntry]:
    return await Registry(store_of(yard)).workers()


async def fill(yard: Yard, crowd: Crowd, count: int, queue: str = "default") -> list[TaskId]:
    if crowd.definition is None:
        crowd.definition = yard.task(crowd.handler)
    definition = crowd.definition
    options = EnqueueOptions(queue=queue)
    return [await yard.enqueue(definition, options=options) for _ in range(count)]


async def states(yard: Yard, tasks: list[TaskId]) -> list[tuple[str, int]]:
    rows = [await yard.row(task) for task in tasks]
    return sorted((row.state.value, row.attempts) for row in rows)


# -------------------------------------------------------------------------------------------- beat


async def test_a_worker_says_what_it_does_and_takes_its_entry_away(
    yard: Yard, crowd: Crowd
) -> None:
    tasks = await fill(yard, crowd, 3)

    async with yard.working(concurrency=2, queues=("default", "mail"), name="here:7"):
        await yard.passes(BEAT)
        (entry,) = await workers(yard)
        crowd.release.set()

    assert entry.id.startswith("here:7-")
    assert (entry.name, entry.state, entry.queues) == ("here:7", "running", ("default", "mail"))
    assert (entry.concurrency, entry.running, entry.held) == (2, 2, 2)
    assert {one.id for one in entry.tasks} <= set(tasks)
    assert {one.queue for one in entry.tasks} == {"default"}
    assert health_of(entry, yard.clock.now()) is Health.OK
    assert await workers(yard) == []


async def test_a_worker_that_beats_no_more_is_late_then_gone_then_forgotten(yard: Yard) -> None:
    running = asyncio.ensure_future(yard.worker().run())
    await yard.passes(BEAT)
    yard.store_plan.sleep()

    (entry,) = await workers(yard)
    now = entry.beat_at
    ages = [health_of(entry, now + timedelta(seconds=age)) for age in (5, 9, 11, 19, 21)]
    await yard.passes(40)
    later = await workers(yard)

    assert ages == [Health.OK, Health.OK, Health.LATE, Health.LATE, Health.GONE]
    assert later == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(("lease", "least"), [(30.0, 11), (6.0, 29)])
async def test_a_beat_is_one_get_and_one_put(yard: Yard, lease: float, least: int) -> None:
    calls: list[str] = []

    class Counted(FlakyStore):
        def __getattribute__(self, name: str) -> Any:
            if name in {"get", "put", "delete", "add", "scan"}:
                calls.append(name)
            return super().__getattribute__(name)

    yard.ports = replace(yard.ports, store=Counted(store_of(yard), yard.store_plan))
    yard.policy = replace(
        yard.policy, default=replace(yard.policy.default, lease=timedelta(seconds=lease))
    )
    async with yard.working(queues=("a", "b", "c")):
        await yard.passes(60, step=0.25)

    beats = calls.count("put")
    assert least <= beats <= least * 1.4
    assert calls == ["get", "put"] * beats + ["delete"]


async def test_a_worker_without_a_store_works(yard: Yard, crowd: Crowd) -> None:
    yard.ports = replace(yard.ports, store=None)
    (task,) = await fill(yard, crowd, 1)
    crowd.release.set()

    await yard.drain()

    assert await yard.state(task) == "succeeded"


async def test_a_store_that_is_away_stops_nothing_and_is_heard_when_it_is_back(
    yard: Yard, crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "longshore.worker")
    yard.store_plan.sleep()
    (task,) = await fill(yard, crowd, 1)

    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(20)
        await orders(yard).pause_queues(["default"])
        yard.store_plan.wake()
        await yard.passes(BEAT)
        crowd.release.set()
        (entry,) = await workers(yard)

    said = [record.message for record in caplog.records if "the store" in record.message]
    assert entry.paused_queues == ("default",)
    assert [words.split(",")[0].split(":")[0] for words in said] == [
        "the store does not answer",
        "the store answers again",
    ]


async def test_a_store_that_hangs_delays_the_start_by_seconds_only(
    yard: Yard, crowd: Crowd
) -> None:
    class Hanging(FlakyStore):
        async def get(self, keys: Any) -> Any:
            await asyncio.Event().wait()
            raise AssertionError(keys)

    yard.ports = replace(yard.ports, store=Hanging(store_of(yard), yard.store_plan))
    (task,) = await fill(yard, crowd, 1)
    crowd.release.set()

    async with yard.working():
        await yard.reaches(task, "succeeded", moving=True)

    assert 5 <= yard.clock.monotonic() < 10


@pytest.mark.parametrize(
    "book",
    [b"{", b"[]", b'{"v":2,"orders":[]}', b'{"v":1,"orders":[{"number":1,"verb":"explode"}]}'],
)
async def test_orders_nobody_can_read_are_passed_over(
    yard: Yard, crowd: Crowd, book: bytes
) -> None:
    async with yard.working():
        await yard.passes(1)
        (entry,) = await workers(yard)
        await store_of(yard).put([Put(key=f"control/worker/{entry.id}", value=book)])
        await yard.passes(BEAT)
        (task,) = await fill(yard, crowd, 1)
        await yard.reaches(task, "running")
        crowd.release.set()


# ----------------------------------------------------------------------------------- a paused queue


async def test_a_paused_queue_starts_nothing_new_and_what_has_not_begun_goes_back(
    yard: Yard, crowd: Crowd
) -> None:
    tasks = await fill(yard, crowd, 5)

    async with yard.working(concurrency=2, prefetch=3):
        await yard.reaches(tasks[4], "running")
        paused = await orders(yard).pause_queues(["default"])
        await yard.passes(BEAT)
        at_pause, depth = await states(yard, tasks), await yard.depth()
        crowd.release.set()
        tasks += await fill(yard, crowd, 1)
        await yard.passes(60)
        later = await states(yard, tasks)
        resumed = await orders(yard).resume_queues(["default"])
        await yard.passes(BEAT)
        await yard.turn()
        at_the_end = await states(yard, tasks)

    assert (paused, resumed) == ([True], [True])
    assert at_pause == [("queued", 0)] * 3 + [("running", 1)] * 2
    assert (depth.ready, depth.in_flight) == (3, 2)
    assert later == [("queued", 0)] * 4 + [("succeeded", 1)] * 2
    assert at_the_end == [("succeeded", 1)] * 6
    assert await yard.outcomes(tasks[4]) == ["given_back", "succeeded"]


async def test_a_queue_that_is_paused_already_is_not_touched_at_the_start(
    yard: Yard, crowd: Crowd
) -> None:
    (task,) = await fill(yard, crowd, 1)
    await orders(yard).pause_queues(["default"])

    async with yard.working():
        await yard.passes(30)
        state, begun = await yard.row(task), crowd.most

    assert (state.state, state.attempts, begun) == (TaskState.QUEUED, 0, 0)
    assert await yard.outcomes(task) == []


async def test_other_queues_go_on(yard: Yard, crowd: Crowd) -> None:
    await orders(yard).pause_queues(["slow"])
    slow, fast = await fill(yard, crowd, 2, "slow"), await fill(yard, crowd, 2, "fast")
    crowd.release.set()

    async with yard.working(queues=("slow", "fast")):
        await yard.passes(BEAT)

    assert await states(yard, slow) == [("queued", 0)] * 2
    assert await states(yard, fast) == [("succeeded", 1)] * 2


@pytest.mark.parametrize("ends", [{"burst": True}, {"idle": timedelta(seconds=5)}], ids=str)
async def test_a_paused_queue_keeps_no_worker_from_ending(
    yard: Yard, crowd: Crowd, ends: dict[str, Any]
) -> None:
    await orders(yard).pause_queues(["slow"])
    slow, fast = await fill(yard, crowd, 1, "slow"), await fill(yard, crowd, 1, "fast")
    crowd.release.set()

    stopped = await yard.done(yard.worker(queues=("slow", "fast"), **ends).run())

    assert (stopped.reason, stopped.done) == ("idle", 1)
    assert await yard.state(slow[0]) == "queued"
    assert await yard.state(fast[0]) == "succeeded"


async def test_what_a_pause_gave_back_does_not_count_for_max_tasks(
    yard: Yard, crowd: Crowd
) -> None:
    tasks = await fill(yard, crowd, 6)
    worker = yard.worker(concurrency=1, prefetch=3, max_tasks=4)
    running = asyncio.ensure_future(worker.run())
    await yard.reaches(tasks[3], "running")
    worker.steering.pause()
    crowd.release.set()
    await yard.passes(BEAT)
    worker.steering.resume()
    stopped = await yard.done(running)

    assert (stopped.reason, stopped.done) == ("max_tasks", 4)


async def test_a_pause_in_the_middle_of_a_claim_gives_back_what_was_claimed(
    apart: Yard, crowd: Crowd
) -> None:
    second = timedelta(seconds=1)
    tasks = await fill(apart, crowd, 3)
    apart.ports = replace(
        apart.ports, task_log=SlowTaskLog(apart.healthy.task_log, second, apart.clock)
    )
    worker = apart.worker()
    async with apart.working(worker):
        await apart.passes(0.5, step=0.1)
        worker.steering.pause()
        await apart.passes(5, step=0.1)

    assert crowd.most == 0
    assert await states(apart, tasks) == [("queued", 0)] * 3
    assert (await apart.depth()).ready == 3


async def test_a_pause_ends_the_wait_for_messages(yard: Yard, crowd: Crowd) -> None:
    """Or the broker would count a receive of a message that is only given back."""
    came: list[int] = []
    inner = yard.ports.queue

    class Watched(FlakyQueue):
        async def receive(self, **options: Any) -> Any:
            deliveries = await super().receive(**options)
            came.append(len(deliveries))
            return deliveries

    yard.ports = replace(yard.ports, queue=lambda name: Watched(inner(name), yard.queue_plan))
    worker = yard.worker(poll=timedelta(hours=1))
    async with yard.working(worker):
        await yard.passes(1)
        worker.steering.pause()
        await yard.turn()
        (task,) = await fill(yard, crowd, 1)
        crowd.release.set()
        await yard.passes(5)
        paused = list(came)
        worker.steering.resume()
        await yard.reaches(task, "succeeded")

    assert paused == []
    assert came == [1]


async def test_what_was_received_and_not_claimed_goes_back_unclaimed(crowd: Crowd) -> None:
    second = timedelta(seconds=1)
    async with open_yard(together=False, max_batch=2) as yard:
        tasks = await fill(yard, crowd, 4)
        log = SlowTaskLog(yard.healthy.task_log, second, yard.clock)
        yard.ports = replace(yard.ports, task_log=log)
        worker = yard.worker(concurrency=2, prefetch=4)
        async with yard.working(worker):
            await yard.passes(0.5, step=0.1)
            worker.steering.pause()
            await yard.passes(5, step=0.1)
        outcomes = [await yard.outcomes(task) for task in tasks]

        assert outcomes == [["given_back"]] * 2 + [[]] * 2
        assert (await yard.depth()).ready == 4


# ------------------------------------------------------------------------------------------- orders


async def test_a_paused_worker_takes_nothing_until_it_is_resumed(yard: Yard, crowd: Crowd) -> None:
    async with yard.working(queues=("a", "b")):
        await yard.passes(1)
        await orders(yard).signal(Aim(), WorkerVerb.PAUSE)
        await yard.passes(BEAT)
        tasks = await fill(yard, crowd, 1, "a") + await fill(yard, crowd, 1, "b")
        crowd.release.set()
        await yard.passes(30)
        paused, (entry,) = await states(yard, tasks), await workers(yard)
        await orders(yard).signal(Aim(), WorkerVerb.RESUME)
        await yard.passes(BEAT)
        await yard.turn()
        resumed = await states(yard, tasks)

    assert paused == [("queued", 0)] * 2
    assert entry.state == "paused"
    assert resumed == [("succeeded", 1)] * 2


async def test_a_resumed_worker_leaves_a_paused_queue_alone(yard: Yard, crowd: Crowd) -> None:
    await orders(yard).pause_queues(["default"])
    (task,) = await fill(yard, crowd, 1)
    worker = yard.worker()

    async with yard.working(worker):
        await yard.passes(1)
        worker.steering.pause()
        worker.steering.resume()
        await yard.passes(BEAT)

    assert await yard.state(task) == "queued"


async def test_a_worker_told_to_drain_lets_what_runs_end(yard: Yard, crowd: Crowd) -> None:
    tasks = await fill(yard, crowd, 3)
    running = asyncio.ensure_future(yard.worker(concurrency=1).run())
    await yard.passes(1)

    meant = await orders(yard).signal(Aim(), WorkerVerb.DRAIN)
    await yard.passes(BEAT)
    (entry,) = await workers(yard)
    crowd.release.set()
    stopped = await yard.done(running)

    assert [one.id for one in meant] == [entry.id]
    assert entry.state == "draining"
    assert (stopped.reason, stopped.done) == ("drained", 1)
    assert await states(yard, tasks) == [("queued", 0)] * 2 + [("succeeded", 1)]


@pytest.mark.parametrize("before", [(), (WorkerVerb.DRAIN,)], ids=["at once", "after a drain"])
async def test_a_worker_told_to_stop_gives_back_what_runs(
    yard: Yard, crowd: Crowd, before: tuple[WorkerVerb, ...]
) -> None:
    tasks = await fill(yard, crowd, 2)
    running = asyncio.ensure_future(yard.worker(grace=timedelta(hours=1)).run())
    await yard.passes(1)

    for verb in (*before, WorkerVerb.STOP):
        await orders(yard).signal(Aim(), verb)
        await yard.passes(BEAT)
    stopped = await yard.done(running)

    assert stopped.reason == "drained"
    assert yard.clock.monotonic() < 60
    assert await states(yard, tasks) == [("queued", 0)] * 2


@pytest.mark.parametrize(("size", "runs"), [(6, 6), (1, 1)])
async def test_a_worker_is_resized_while_it_runs(
    yard: Yard, crowd: Crowd, size: int, runs: int
) -> None:
    await fill(yard, crowd, 10)
    async with yard.working(concurrency=3):
        await yard.passes(1)
        at_first = crowd.running
        await orders(yard).signal(Aim(), WorkerVerb.RESIZE, size)
        await yard.passes(BEAT)
        grown = crowd.running
        (entry,) = await workers(yard)
        crowd.release.set()
        await yard.turn()

    assert (at_first, grown) == (3, max(runs, 3))
    assert entry.concurrency == size


async def test_threads_grow_with_the_worker(yard: Yard) -> None:
    gate, inside = threading.Event(), threading.Semaphore(0)

    def handler() -> None:
        inside.release()
        gate.wait(20)

    definition = yard.task(handler)
    for _ in range(4):
        await yard.enqueue(definition)
    worker = yard.worker(concurrency=1)
    async with yard.working(worker):
        await yard.passes(1)
        worker.steering.resize(4)
        await asyncio.to_thread(lambda: [inside.acquire(timeout=20) for _ in range(4)])
        gate.set()
        await yard.until(lambda: all_ended(yard), moving=True)


async def all_ended(yard: Yard) -> bool:
    return all(row.final for row in await yard.rows())


async def test_each_order_is_carried_out_once_and_in_order(yard: Yard, crowd: Crowd) -> None:
    async with yard.working(concurrency=3):
        await yard.passes(1)
        for size in (5, 7):
            await orders(yard).signal(Aim(), WorkerVerb.RESIZE, size)
        await orders(yard).signal(Aim(), WorkerVerb.PAUSE)
        await orders(yard).signal(Aim(), WorkerVerb.RESUME)
        await yard.passes(BEAT)
        (heard,) = await workers(yard)
        await yard.passes(3 * BEAT)
        (later,) = await workers(yard)

    assert (heard.concurrency, heard.state) == (later.concurrency, later.state) == (7, "running")


async def test_an_order_that_was_carried_out_is_not_heard_again(yard: Yard) -> None:
    worker = yard.worker()
    async with yard.working(worker):
        await yard.passes(1)
        await orders(yard).signal(Aim(), WorkerVerb.PAUSE)
        await yard.passes(BEAT)
        ordered = worker.steering.state
        worker.steering.resume()
        await yard.passes(3 * BEAT)
        (entry,) = await workers(yard)

    assert (ordered, entry.state) == ("paused", "running")


async def test_orders_are_for_the_workers_that_are_meant(yard: Yard) -> None:
    async with (
        yard.working(name="one:1", queues=("a", "b")),
        yard.working(name="two:2", queues=("b",)),
    ):
        await yard.passes(1)
        one, two = await workers(yard)
        meant = {
            str(aim): [entry.name for entry in await orders(yard).signal(aim, WorkerVerb.RESUME)]
            for aim in (
                Aim(),
                Aim(worker=one.id),
                Aim(worker="two:2"),
                Aim(worker="two:"),
                Aim(queue="a"),
                Aim(queue="b"),
                Aim(host=one.host, queue="a"),
                Aim(host="elsewhere"),
            )
        }

    assert list(meant.values()) == [
        ["one:1", "two:2"],
        ["one:1"],
        ["two:2"],
        [],
        ["one:1"],
        ["one:1", "two:2"],
        ["one:1"],
        [],
    ]
    assert two.name == "two:2"


async def test_operators_at_the_same_time_lose_no_order(yard: Yard) -> None:
    async with yard.working(name="one:1"):
        await yard.passes(1)
        (entry,) = await workers(yard)
        verbs = (WorkerVerb.PAUSE, WorkerVerb.RESUME, WorkerVerb.PAUSE)
        slow = SlowStore(store_of(yard), timedelta(milliseconds=200), yard.clock)
        operators = [Orders(slow, yard.clock) for _ in verbs]
        at_once = zip(operators, verbs, strict=True)
        await yard.done(asyncio.gather(*(one.signal(Aim(), verb) for one, verb in at_once)))
        (found,) = await store_of(yard).get([f"control/worker/{entry.id}"])

    assert found is not None
    written = json.loads(found.value)["orders"]
    assert sorted(order["verb"] for order in written) == ["pause", "pause", "resume"]
    assert len({order["number"] for order in written}) == 3
    assert found.expires_at is not None
