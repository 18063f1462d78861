"""How a worker of several queues shares itself: by weight, in strict order, or evenly (T20)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.conformance import FlakyQueue
from longshore.control import Orders
from longshore.draft import EnqueueOptions
from longshore.policy import Policy, QueuePolicy

if TYPE_CHECKING:
    from longshore.definition import TaskDefinition
    from tests.unit.yard import Yard


class Crowd:
    """Handlers that note when they began, and wait to be let go."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.release = asyncio.Event()
        self.began: list[str] = []
        self.running: Counter[str] = Counter()
        self.definition: TaskDefinition = yard.task(self.handler)

    async def handler(self, queue: str) -> None:
        self.began.append(queue)
        self.running[queue] += 1
        try:
            await self.release.wait()
        finally:
            self.running[queue] -= 1

    async def fill(self, **counts: int) -> None:
        for queue, count in counts.items():
            for _ in range(count):
                options = EnqueueOptions(queue=queue)
                await self.yard.enqueue(self.definition, queue, options=options)


@pytest.fixture
def crowd(yard: Yard) -> Crowd:
    return Crowd(yard)


async def test_round_robin_gives_queues_equal_shares_whatever_their_weights(
    yard: Yard, crowd: Crowd
) -> None:
    yard.policy = Policy(queues={"a": QueuePolicy(weight=9), "b": QueuePolicy(weight=1)})
    await crowd.fill(a=100, b=100)

    async with yard.working(concurrency=40, queues=("a", "b"), selection="round-robin"):
        await yard.turn()
        running = dict(crowd.running)
        crowd.release.set()

    assert running == {"a": 20, "b": 20}


async def test_strict_takes_from_a_later_queue_only_when_the_earlier_are_empty(
    yard: Yard, crowd: Crowd
) -> None:
    await crowd.fill(low=10, middle=10, high=10)
    crowd.release.set()

    stopped = await yard.drain(
        concurrency=2, prefetch=0, queues=("high", "middle", "low"), selection="strict"
    )

    assert stopped.done == 30
    assert crowd.began == ["high"] * 10 + ["middle"] * 10 + ["low"] * 10


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_strict_goes_back_to_the_first_queue_for_each_free_slot(
    yard: Yard, crowd: Crowd, concurrency: int
) -> None:
    await crowd.fill(low=20)
    options: dict[str, Any] = {"concurrency": concurrency, "prefetch": 0, "selection": "strict"}

    async with yard.working(queues=("high", "low"), **options):
        await yard.until(lambda: crowd.running["low"] == concurrency)
        await crowd.fill(high=10)
        crowd.release.set()
        await yard.until(lambda: len(crowd.began) == 30, moving=True)

    assert crowd.began == ["low"] * concurrency + ["high"] * 10 + ["low"] * (20 - concurrency)


async def test_strict_has_all_slots_for_the_only_queue_that_has_something(
    yard: Yard, crowd: Crowd
) -> None:
    await crowd.fill(low=20)

    async with yard.working(concurrency=8, queues=("high", "middle", "low"), selection="strict"):
        await yard.passes(1)
        running = dict(crowd.running)
        crowd.release.set()

    assert running == {"low": 8}


async def test_strict_waits_on_every_empty_queue_at_once(yard: Yard, crowd: Crowd) -> None:
    crowd.release.set()

    async with yard.working(queues=("high", "middle", "low"), selection="strict"):
        await yard.passes(5)
        for queue in ("low", "high", "middle", "low"):
            began = yard.clock.monotonic()
            await crowd.fill(**{queue: 1})
            count = len(crowd.began)
            await yard.until(lambda count=count: len(crowd.began) > count)
            assert yard.clock.monotonic() == began
            await yard.turn()

    assert crowd.began == ["low", "high", "middle", "low"]


async def test_strict_passes_a_queue_at_its_own_limit(yard: Yard, crowd: Crowd) -> None:
    yard.policy = Policy(
        queues={"high": QueuePolicy(concurrency=2), "low": QueuePolicy(concurrency=3)}
    )
    await crowd.fill(high=10, low=10)

    async with yard.working(concurrency=8, queues=("high", "low"), selection="strict"):
        await yard.passes(5)
        running = dict(crowd.running)
        crowd.release.set()
        await yard.until(lambda: len(crowd.began) == 20, moving=True)

    assert running == {"high": 2, "low": 3}


async def test_strict_passes_a_queue_that_is_paused(yard: Yard, crowd: Crowd) -> None:
    await crowd.fill(high=2, low=2)
    crowd.release.set()
    assert yard.healthy.store is not None
    await Orders(yard.healthy.store, yard.clock).pause_queues(["high"])

    async with yard.working(queues=("high", "low"), selection="strict"):
        await yard.passes(5)

    assert crowd.began == ["low", "low"]


async def test_strict_passes_a_queue_that_is_away(apart: Yard) -> None:
    crowd = Crowd(apart)
    await crowd.fill(low=2)
    crowd.release.set()
    inner, plan = apart.healthy.queue, apart.queue_plan
    apart.ports = replace(
        apart.ports,
        queue=lambda name: FlakyQueue(inner(name), plan) if name == "high" else inner(name),
    )
    plan.sleep()

    async with apart.working(queues=("high", "low"), selection="strict"):
        await apart.passes(2, step=0.1)

    assert crowd.began == ["low", "low"]


@pytest.mark.parametrize("selection", ["strict", "round-robin", "weighted"])
@pytest.mark.parametrize("ends", [{"burst": True}, {"idle": timedelta(seconds=5)}], ids=str)
async def test_whatever_the_selection_a_worker_ends_when_nothing_is_left(
    yard: Yard, crowd: Crowd, selection: str, ends: dict[str, Any]
) -> None:
    await crowd.fill(a=3, b=30, c=3)
    crowd.release.set()

    worker = yard.worker(queues=("a", "b", "c"), selection=selection, **ends)
    stopped = await yard.done(worker.run())

    assert (stopped.reason, stopped.done) == ("idle", 36)


async def test_strict_waits_as_long_as_it_may_be_idle(yard: Yard) -> None:
    worker = yard.worker(queues=("a", "b"), selection="strict", idle=timedelta(seconds=5))
    stopped = await yard.done(worker.run())

    assert stopped.reason == "idle"
    assert 5 <= yard.clock.monotonic() < 12


async def test_strict_stops_waiting_on_a_later_queue_when_an_earlier_one_has_something(
    yard: Yard, crowd: Crowd
) -> None:
    came: list[str] = []
    inner = yard.ports.queue

    class Watched(FlakyQueue):
        async def receive(self, **options: Any) -> Any:
            deliveries = await super().receive(**options)
            came.extend([self.name] * len(deliveries))
            return deliveries

    yard.ports = replace(yard.ports, queue=lambda name: Watched(inner(name), yard.queue_plan))
    async with yard.working(concurrency=2, queues=("high", "low"), selection="strict"):
        await yard.passes(1)
        await crowd.fill(high=2)
        await yard.turn()
        await crowd.fill(low=1)
        await yard.passes(5)
        waiting = list(came)
        crowd.release.set()
        await yard.until(lambda: len(crowd.began) == 3)

    assert waiting == ["high", "high"]


@pytest.mark.parametrize("burst", [True, False])
async def test_strict_asks_no_queue_over_and_over_while_tasks_run(
    yard: Yard, crowd: Crowd, *, burst: bool
) -> None:
    asked: Counter[str] = Counter()
    inner = yard.ports.queue

    class Asked(FlakyQueue):
        async def receive(self, **options: Any) -> Any:
            asked[self.name] += 1
            return await super().receive(**options)

    yard.ports = replace(yard.ports, queue=lambda name: Asked(inner(name), yard.queue_plan))
    yard.policy = Policy(queues={name: QueuePolicy(concurrency=1) for name in "abc"})
    await crowd.fill(a=2, b=2, c=2)

    worker = yard.worker(
        concurrency=9, queues=("a", "b", "c", "d"), selection="strict", burst=burst
    )
    async with yard.working(worker):
        await yard.passes(10, step=0.1)
        total = asked.total()
        crowd.release.set()

    assert crowd.running.total() == 0
    assert total <= 12
