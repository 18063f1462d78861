"""How much a worker holds, and of what."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from longshore.conformance import FlakyQueue, FlakyTaskLog
from longshore.draft import EnqueueOptions
from longshore.policy import Policy, QueuePolicy
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.identity import TaskId
    from tests.unit.yard import Yard


class Crowd:
    """Handlers that wait to be let go, and are counted."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.began: list[str] = []

    async def handler(self, name: str) -> None:
        self.began.append(name)
        self.running[name] += 1
        self.most[name] = max(self.most[name], self.running[name])
        try:
            await self.release.wait()
        finally:
            self.running[name] -= 1


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


async def fill(yard: Yard, crowd: Crowd, **counts: int) -> None:
    definition = yard.task(crowd.handler)
    for queue, count in counts.items():
        for _ in range(count):
            await yard.enqueue(definition, queue, options=EnqueueOptions(queue=queue))


async def held(yard: Yard) -> Counter[str]:
    rows = await yard.rows()
    return Counter(row.spec.queue for row in rows if row.state is TaskState.RUNNING)


@asynccontextmanager
async def first_short_then_long(yard: Yard) -> AsyncIterator[list[TaskId]]:
    """A worker of 4 slots, taught by short tasks to fetch ahead; then 22 come that take all day."""
    release = asyncio.Event()

    async def handler(number: int) -> None:
        if number >= 8:
            await release.wait()

    definition = yard.task(handler)
    for number in range(8):
        await yard.enqueue(definition, number)

    async with yard.working(concurrency=4):
        await yard.until(lambda: yard.has_ended(8))
        yield [await yard.enqueue(definition, number) for number in range(8, 30)]
        release.set()


@pytest.mark.parametrize("concurrency", [1, 50])
async def test_as_many_run_at_once_as_there_are_slots(
    yard: Yard, crowd: Crowd, concurrency: int
) -> None:
    await fill(yard, crowd, default=concurrency * 2)

    async with yard.working(concurrency=concurrency):
        await yard.turn()
        running, holds = crowd.running["default"], await held(yard)
        crowd.release.set()
        await yard.turn()

    assert running == concurrency
    assert holds["default"] == concurrency
    assert crowd.most["default"] == concurrency


async def test_a_queues_own_limit_is_kept(yard: Yard, crowd: Crowd) -> None:
    yard.policy = Policy(queues={"slow": QueuePolicy(concurrency=2)})
    await fill(yard, crowd, slow=10, fast=10)

    async with yard.working(concurrency=8, queues=("slow", "fast")):
        await yard.turn()
        running, holds = dict(crowd.running), await held(yard)
        crowd.release.set()
        await yard.turn()
        await yard.until(lambda: yard.has_ended(20))

    assert running == {"slow": 2, "fast": 6}
    assert holds == {"slow": 2, "fast": 6}
    assert crowd.most["slow"] == 2


async def test_queues_share_the_slots_by_their_weights(yard: Yard, crowd: Crowd) -> None:
    yard.policy = Policy(queues={"a": QueuePolicy(weight=3), "b": QueuePolicy(weight=1)})
    await fill(yard, crowd, a=100, b=100)

    async with yard.working(concurrency=40, queues=("a", "b")):
        await yard.turn()
        running = dict(crowd.running)
        crowd.release.set()

    assert running["a"] + running["b"] == 40
    assert running["a"] == pytest.approx(30, abs=4)


async def test_a_queue_that_is_alone_has_all_slots_whatever_its_weight(
    yard: Yard, crowd: Crowd
) -> None:
    yard.policy = Policy(queues={"a": QueuePolicy(weight=99), "b": QueuePolicy(weight=1)})
    await fill(yard, crowd, b=20)

    async with yard.working(concurrency=10, queues=("a", "b")):
        await yard.passes(2, step=0.1)
        running = dict(crowd.running)
        crowd.release.set()

    assert running == {"b": 10}


async def test_long_tasks_are_not_fetched_ahead(yard: Yard, crowd: Crowd) -> None:
    await fill(yard, crowd, default=20)

    async with yard.working(concurrency=4):
        await yard.passes(10)
        holds, messages = await held(yard), await yard.depth()
        crowd.release.set()

    assert holds["default"] == 4
    assert messages.ready == 16


async def test_short_tasks_are_fetched_ahead_and_long_ones_again_not(yard: Yard) -> None:
    async with first_short_then_long(yard):
        await yard.turn()
        holds = (await held(yard))["default"]

    assert holds == 8


@pytest.mark.parametrize("prefetch", [0, 3])
async def test_a_given_prefetch_is_kept(yard: Yard, crowd: Crowd, prefetch: int) -> None:
    await fill(yard, crowd, default=20)

    async with yard.working(concurrency=4, prefetch=prefetch):
        await yard.turn()
        holds, running = (await held(yard))["default"], crowd.running["default"]
        crowd.release.set()

    assert (holds, running) == (4 + prefetch, 4)


async def test_two_queues_and_one_slot_hold_one_task(yard: Yard, crowd: Crowd) -> None:
    """The other queue's message must be free for other workers, however long this one takes."""
    definition = yard.task(crowd.handler)
    async with yard.working(concurrency=1, queues=("a", "b")):
        await yard.turn()
        for queue in "ab":
            await yard.enqueue(definition, queue, options=EnqueueOptions(queue=queue))
        await yard.turn()
        holds = await held(yard)
        free = (await yard.depth("a")).ready + (await yard.depth("b")).ready
        crowd.release.set()
        await yard.until(lambda: yard.has_ended(2))

    assert sum(holds.values()) == 1
    assert free == 1


async def test_tasks_begin_by_priority_and_then_by_age(yard: Yard, crowd: Crowd) -> None:
    definition = yard.task(crowd.handler)
    for name, priority in [("a", 1), ("b", 9), ("c", 5), ("d", 9), ("e", 100)]:
        await yard.enqueue(definition, name, options=EnqueueOptions(priority=priority))
    crowd.release.set()

    await yard.drain(concurrency=1)

    assert crowd.began == ["e", "b", "d", "c", "a"]


async def test_a_queue_named_twice_is_served_once(yard: Yard, crowd: Crowd) -> None:
    await fill(yard, crowd, default=10)

    async with yard.working(concurrency=4, prefetch=0, queues=("default", "default")):
        await yard.turn()
        holds = (await held(yard))["default"]
        crowd.release.set()

    assert holds == 4


async def test_nothing_is_remembered_of_tasks_that_have_ended(yard: Yard) -> None:
    async def handler(size: int) -> str:
        return "x" * size

    definition = yard.task(handler)
    for _ in range(50):
        await yard.enqueue(definition, 1000)
    worker: Any = yard.worker(burst=True)

    await worker.run()

    assert worker._slots.held == {}  # noqa: SLF001 - what is held is what may leak
    assert not worker._slots.ready  # noqa: SLF001 - as above
    assert worker._slots.running == 0  # noqa: SLF001 - as above
    assert worker._settler.unwritten == 0  # noqa: SLF001 - as above


async def test_tasks_for_later_cost_a_worker_nothing(yard: Yard) -> None:
    """They wait in the queue or the log, never in a worker's hands."""

    async def handler() -> None: ...

    definition = yard.task(handler)
    for _ in range(500):
        await yard.enqueue(definition, options=EnqueueOptions(delay="1 hour"))
    worker: Any = yard.worker(concurrency=50)

    async with yard.working(worker):
        await yard.passes(60, step=5)
        holds, depth = len(worker._slots.held), await yard.depth()  # noqa: SLF001 - what is held is what may leak

    assert holds == 0
    assert (depth.in_flight, depth.delayed) == (0, 500)


async def test_what_was_fetched_ahead_of_long_tasks_goes_back_for_others(yard: Yard) -> None:
    async with first_short_then_long(yard) as tasks:
        await yard.turn()
        at_first = (await held(yard))["default"]
        await yard.passes(3)
        later, rows = (await held(yard))["default"], [await yard.row(task) for task in tasks]

    assert (at_first, later) == (8, 4)
    assert [row.attempts for row in rows] == [1] * 4 + [0] * 18


async def test_what_a_given_prefetch_holds_is_kept(yard: Yard, crowd: Crowd) -> None:
    await fill(yard, crowd, default=20)

    async with yard.working(concurrency=4, prefetch=3):
        await yard.passes(5)
        holds = (await held(yard))["default"]
        crowd.release.set()

    assert holds == 7


async def test_more_is_fetched_once_half_of_what_waits_has_begun(yard: Yard) -> None:
    """Few large batches cost less than many small ones."""
    turns = asyncio.Semaphore(0)
    definition = yard.task(turns.acquire)
    for _ in range(20):
        await yard.enqueue(definition)

    async with yard.working(concurrency=1, prefetch=4):
        seen: list[int] = []
        for ended in range(4):
            await yard.until(lambda wanted=ended: yard.has_ended(wanted))
            await yard.turn()
            seen.append((await held(yard))["default"])
            turns.release()
        for _ in range(20):
            turns.release()

    assert seen == [5, 4, 5, 4]


async def test_no_batch_is_larger_than_what_runs_at_once(apart: Yard) -> None:
    """While one batch begins, the next is fetched."""
    inner, limits = apart.ports.queue, list[int]()

    class Seen(FlakyQueue):
        async def receive(self, *, limit: int, **options: Any) -> Any:
            limits.append(limit)
            return await super().receive(limit=limit, **options)

    apart.ports = replace(apart.ports, queue=lambda name: Seen(inner(name), apart.queue_plan))

    async def handler() -> None: ...

    definition = apart.task(handler)
    for _ in range(60):
        await apart.enqueue(definition)
    stopped = await apart.done(apart.worker(burst=True, concurrency=4).run())

    assert stopped.done == 60
    assert max(limits) == 4


async def test_the_next_batch_is_received_while_one_is_claimed(apart: Yard) -> None:
    """Neither server waits for the other, once tasks are known to be short."""
    inner, claiming, during = apart.ports.queue, False, 0

    class Seen(FlakyQueue):
        async def receive(self, **options: Any) -> Any:
            nonlocal during
            during += claiming
            return await super().receive(**options)

    class Claims(FlakyTaskLog):
        async def claim(self, claims: Any) -> Any:
            nonlocal claiming
            claiming = True
            await apart.clock.sleep(0.01)
            answers = await super().claim(claims)
            claiming = False
            return answers

    log = Claims(apart.healthy.task_log, apart.log_plan)
    apart.ports = replace(
        apart.ports,
        task_log=log,
        queue=lambda name: Seen(inner(name), apart.queue_plan),
    )

    async def handler() -> None: ...

    definition = apart.task(handler)
    for _ in range(60):
        await apart.enqueue(definition)
    stopped = await apart.done(apart.worker(burst=True).run())

    assert stopped.done == 60
    assert during > 0
