from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import ManualClock
from longshore.conformance import (
    FaultPlan,
    FlakyQueue,
    FlakyStore,
    FlakyTaskLog,
    QueueContract,
    SlowQueue,
    SlowStore,
    SlowTaskLog,
    StoreContract,
    TaskLogContract,
    Time,
    TogetherContract,
)
from longshore.errors import UnavailableError, UnsupportedError
from longshore.identity import TaskIds
from longshore.queue import Outgoing
from longshore.store import Put
from longshore.task_log import TaskQuery
from longshore_adapters.memory import ADAPTER
from longshore_adapters.null import ADAPTER as NULL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from longshore.conformance import Connect
    from longshore.queue import Queue
    from longshore.registry import Backend

DELAY = timedelta(seconds=3)
LEASE = timedelta(minutes=1)


class Healthy:
    """Memory behind wrappers whose plan lets everything through."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def connect(self, clock: ManualClock) -> Connect:
        url = f"memory://{uuid4().hex}"

        @asynccontextmanager
        async def connect() -> AsyncGenerator[Backend]:
            async with ADAPTER.open(url, clock) as backend:
                yield flaky(backend, FaultPlan())

        return connect


class TestHealthyQueue(Healthy, QueueContract): ...


class TestHealthyTaskLog(Healthy, TaskLogContract): ...


class TestHealthyStore(Healthy, StoreContract): ...


def flaky(backend: Backend, plan: FaultPlan) -> Backend:
    assert backend.queue is not None
    assert backend.task_log is not None
    assert backend.store is not None
    queue = backend.queue

    def flaky_queue(name: str) -> Queue:
        return FlakyQueue(queue(name), plan)

    return replace(
        backend,
        queue=flaky_queue,
        task_log=FlakyTaskLog(backend.task_log, plan),
        store=FlakyStore(backend.store, plan),
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan()


@pytest.fixture
async def backend(clock: ManualClock) -> AsyncGenerator[Backend]:
    async with ADAPTER.open("memory://", clock) as opened:
        yield opened


@pytest.fixture
def queue(backend: Backend, plan: FaultPlan) -> Queue:
    wrapped = flaky(backend, plan).queue
    assert wrapped is not None
    return wrapped("q")


async def send(queue: Queue) -> list[object]:
    return [*await queue.send([Outgoing(key=TaskIds()(), body=b"")])]


async def test_nothing_answers_while_the_server_sleeps(
    backend: Backend, queue: Queue, plan: FaultPlan
) -> None:
    wrapped = flaky(backend, plan)
    assert wrapped.task_log is not None
    assert wrapped.store is not None

    plan.sleep()
    for call in (queue.depth(), wrapped.task_log.stats(), wrapped.store.scan("")):
        with pytest.raises(UnavailableError):
            await call
    plan.wake()

    assert (await queue.depth()).ready == 0
    assert await wrapped.task_log.stats() == []
    assert await wrapped.store.scan("") == []


async def test_a_failed_call_was_not_carried_out(queue: Queue, plan: FaultPlan) -> None:
    plan.fail_next("send", n=2)

    for _ in range(2):
        with pytest.raises(UnavailableError):
            await send(queue)
    before = await queue.depth()
    answers = await send(queue)

    assert before.ready == 0
    assert answers == [None]


async def test_a_lost_answer_was_carried_out(queue: Queue, plan: FaultPlan) -> None:
    plan.lose_answer("send")

    with pytest.raises(UnavailableError):
        await send(queue)

    assert (await queue.depth()).ready == 1


async def test_a_planned_fault_is_its_own_verbs(queue: Queue, plan: FaultPlan) -> None:
    plan.fail_next("ack")

    assert await send(queue) == [None]
    with pytest.raises(UnavailableError):
        await queue.ack([])


async def test_a_fault_is_no_wider_than_its_plan(backend: Backend, queue: Queue) -> None:
    other = flaky(backend, FaultPlan()).queue
    assert other is not None

    assert await send(other("q")) == [None]
    assert (await queue.depth()).ready == 1


async def test_a_slow_port_takes_its_time_for_every_call(
    backend: Backend, clock: ManualClock
) -> None:
    assert backend.queue is not None
    assert backend.task_log is not None
    assert backend.store is not None
    queue = SlowQueue(backend.queue("q"), DELAY, clock)
    log = SlowTaskLog(backend.task_log, DELAY, clock)
    store = SlowStore(backend.store, DELAY, clock)
    time = Time(clock)

    for call in (
        queue.receive(limit=1, wait=timedelta(0), lease=LEASE),
        log.find(TaskQuery()),
        store.put([Put(key="key", value=b"")]),
    ):
        before = clock.monotonic()
        await time.within(DELAY * 2, call)
        assert clock.monotonic() - before >= DELAY.total_seconds()


async def test_what_the_queue_lacks_the_wrapper_lacks(clock: ManualClock, plan: FaultPlan) -> None:
    async with NULL.open("null://", clock) as opened:
        assert opened.queue is not None
        queue = FlakyQueue(opened.queue("q"), plan)

        for call in (
            queue.purge(),
            queue.dead_letters(limit=1),
            queue.redrive([]),
            queue.discard([]),
        ):
            with pytest.raises(UnsupportedError):
                await call


@pytest.mark.parametrize(
    "contract", [QueueContract, TaskLogContract, StoreContract, TogetherContract]
)
def test_no_promise_of_the_kit_hides_another(contract: type) -> None:
    names = [name for topic in contract.__mro__ for name in vars(topic) if name.startswith("test_")]

    assert len(names) > 10
    assert sorted(names) == sorted(set(names))
