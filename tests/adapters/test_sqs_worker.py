"""Workers on SQS: what a task costs, and what other libraries' workers do there wrongly."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore import RetryLater
from longshore.client import Client, Preparer
from longshore.clock import SystemClock
from longshore.definition import TaskRegistry, define
from longshore.draft import Draft
from longshore.policy import Policy, QueuePolicy
from longshore.ports import Ports
from longshore.task import TaskState
from longshore.task_log import TaskQuery
from longshore.worker import Worker, WorkerOptions
from longshore_adapters.memory import ADAPTER as MEMORY
from longshore_adapters.sqs import ADAPTER as SQS
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.registry import Backend
    from tests.unit.yard import Yard

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]

COUNT = 200
LEASE = timedelta(seconds=6)
VISIBILITY = LEASE + timedelta(seconds=5)


@pytest.fixture
async def yard(localstack_url: str, aws_environment: None) -> AsyncIterator[Yard]:
    url = f"sqs://?endpoint_url={localstack_url}&prefix=t{uuid4().hex[:12]}-"
    async with open_yard(together=False, clock=SystemClock(), urls=(url, "memory://")) as opened:
        opened.policy = Policy(default=QueuePolicy(lease=LEASE))
        await opened.healthy.queue("default").declare()
        yield opened
        await opened.healthy.queue("default").delete()


async def work(number: int) -> int:
    return number


def counted(backend: Backend) -> Counter[str]:
    assert backend.calls is not None
    return Counter(backend.calls())


@pytest.mark.parametrize("suffix", ["", ".fifo"], ids=["standard", "fifo"])
async def test_a_worker_runs_every_task_for_a_third_of_a_call_each(
    localstack_url: str, aws_environment: None, suffix: str
) -> None:
    clock, name = SystemClock(), f"worker-{uuid4().hex[:12]}{suffix}"
    registry, policy = TaskRegistry(), Policy(queue=name)
    definition = define(work)
    registry.add(definition)
    async with (
        SQS.open(f"sqs://?endpoint_url={localstack_url}", clock) as queues,
        MEMORY.open("memory://", clock) as log,
    ):
        assert queues.queue is not None
        assert log.task_log is not None
        ports = Ports(queue=queues.queue, task_log=log.task_log, store=log.store, clock=clock)
        queue = ports.queue(name)
        await queue.declare()
        before = counted(queues)

        client = Client(ports, Preparer(ports.ids, policy))
        await client.enqueue([Draft(definition, {"number": number}) for number in range(COUNT)])
        options = WorkerOptions(queues=(name,), burst=True, concurrency=50)
        await Worker(ports, registry, policy, options).run()

        cost = counted(queues) - before
        query = TaskQuery(states=frozenset({TaskState.SUCCEEDED}))
        assert (await log.task_log.count(query)).value == COUNT
        depth = await queue.depth()
        assert (depth.ready, depth.in_flight) == (0, 0)
        assert cost["ReceiveMessage.short"] == 0
        paid = cost["SendMessageBatch"] + cost["ReceiveMessage"] + cost["DeleteMessageBatch"]
        assert paid / COUNT <= 0.35
        await queue.delete()


async def test_a_task_longer_than_its_visibility_runs_once(yard: Yard) -> None:
    """With another worker beside it that would take the message were it visible."""
    began: list[int] = []

    async def long(number: int) -> None:
        began.append(number)
        await asyncio.sleep((VISIBILITY + timedelta(seconds=3)).total_seconds())

    task = await yard.enqueue(long, 1)
    async with yard.working(), yard.working(yard.rival()):
        await yard.reaches(task, "running")
        await asyncio.wait_for(_ended(yard), 60)

    row = await yard.row(task)
    assert began == [1]
    assert (row.state, row.token, row.rescues) == (TaskState.SUCCEEDED, 1, 0)


async def test_a_concurrency_of_fifty_holds_fifty_in_flight(yard: Yard) -> None:
    """Each waits for all the others, so that none would end with a smaller number of them."""
    together = asyncio.Barrier(50)

    async def meets(number: int) -> None:
        await together.wait()

    task = yard.task(meets)
    for number in range(50):
        await yard.enqueue(task, number)

    stopped = await yard.drain(concurrency=50)

    assert (stopped.done, stopped.failed) == (50, 0)


async def test_a_retry_may_wait_longer_than_sqs_delays_anything(yard: Yard) -> None:
    async def busy() -> None:
        raise RetryLater("1 hour")

    task = await yard.enqueue(busy)
    await yard.drain()

    row, depth = await yard.row(task), await yard.depth()
    assert (row.state, row.attempts) == (TaskState.RETRYING, 1)
    assert row.wake_at == row.due_at
    assert row.body is not None
    assert (depth.ready, depth.in_flight, depth.delayed) == (0, 0, 0)


async def _ended(yard: Yard) -> None:
    while not all(row.final for row in await yard.rows()):
        await asyncio.sleep(0.05)
