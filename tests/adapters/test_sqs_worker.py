from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.client import Client, Preparer
from longshore.clock import SystemClock
from longshore.definition import TaskRegistry, define
from longshore.draft import Draft
from longshore.policy import Policy
from longshore.ports import Ports
from longshore.task import TaskState
from longshore.task_log import TaskQuery
from longshore.worker import Worker, WorkerOptions
from longshore_adapters.memory import ADAPTER as MEMORY
from longshore_adapters.sqs import ADAPTER as SQS

if TYPE_CHECKING:
    from longshore.registry import Backend

pytestmark = pytest.mark.once

COUNT = 200


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
