"""How much a worker holds, and of what."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from longshore.draft import EnqueueOptions
from longshore.policy import Policy, QueuePolicy
from longshore.task import TaskState

if TYPE_CHECKING:
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
        await yard.until(lambda: is_done(yard, 20))

    assert running == {"slow": 2, "fast": 6}
    assert holds == {"slow": 2, "fast": 6}
    assert crowd.most["slow"] == 2


async def is_done(yard: Yard, count: int) -> bool:
    return sum(row.final for row in await yard.rows()) == count


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
    release = asyncio.Event()

    async def handler(number: int) -> None:
        if number >= 8:
            await release.wait()

    definition = yard.task(handler)
    for number in range(8):
        await yard.enqueue(definition, number)

    async with yard.working(concurrency=4):
        await yard.until(lambda: is_done(yard, 8))
        for number in range(8, 30):
            await yard.enqueue(definition, number)
        await yard.turn()
        holds = (await held(yard))["default"]
        release.set()

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
        await yard.until(lambda: is_done(yard, 2))

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
