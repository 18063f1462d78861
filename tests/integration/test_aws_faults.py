"""Worker, queue on SQS and log on DynamoDB, while their servers fail, and while they are killed.

The worker must be at work again soon, nothing may be lost, and each task must have succeeded once.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.policy import Policy, QueuePolicy
from longshore.ports import Ports
from longshore.scheduler import Scheduler, SchedulerOptions
from longshore_adapters.dynamodb import ADAPTER as DYNAMODB
from longshore_adapters.sqs import ADAPTER as SQS
from tests.adapters.sqs_proxy import proxied
from tests.integration.load import Pace, declared, loaded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.brokers.private import PrivateServer
    from tests.integration.load import Load

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("aws_environment"),
]

PACE: Final = Pace(every=0.5, deadline=120.0)
RESUMES_WITHIN: Final = 20.0
RESTARTS_WITHIN: Final = 60.0
"""A server that answers again has some loading to do yet."""
LEASE: Final = timedelta(seconds=30)
OUTAGE: Final = 30.0
LOG_OUTAGE: Final = 10.0
"""Below a lease: what ended meanwhile is put down before anybody may take it for lost."""
A_WHILE: Final = 5.0
GAP: Final = timedelta(seconds=2)


@asynccontextmanager
async def at_work(sqs: str, dynamodb: str) -> AsyncGenerator[Load]:
    """A producer, a worker and its scheduler, on a queue and a table of their own."""
    clock, name = SystemClock(), f"faults-{uuid4().hex[:12]}"
    log_url = f"dynamodb://{name}?endpoint_url={dynamodb}"
    await asyncio.to_thread(DYNAMODB.init, log_url)
    async with (
        SQS.open(f"sqs://?endpoint_url={sqs}", clock) as queues,
        DYNAMODB.open(log_url, clock) as log,
    ):
        assert queues.queue is not None
        assert log.task_log is not None
        ports = Ports(queue=queues.queue, task_log=log.task_log, store=log.store, clock=clock)
        policy = Policy(queue=name, default=QueuePolicy(lease=LEASE))
        async with loaded(ports, policy, pace=PACE) as load:
            yield load
    await asyncio.to_thread(DYNAMODB.deinit, log_url)


def each_in_turn(*faults: str | None) -> Callable[[str, dict[str, Any]], str | None]:
    """Let calls fail one after the other in these ways, whatever they ask for."""
    following = cycle(faults)
    return lambda _operation, _body: next(following)


def honest(_operation: str, _body: dict[str, Any]) -> None:
    """Let every call pass."""


async def test_every_call_to_sqs_failing_for_half_a_minute_loses_nothing(
    localstack_url: str, dynamodb_url: str
) -> None:
    async with proxied(localstack_url) as sqs, at_work(sqs.url, dynamodb_url) as load:
        sqs.fault = each_in_turn("cut", "broken", "lose", "throttle", "garbled")
        await asyncio.sleep(OUTAGE)  # so long it fails; nothing is waited for
        sqs.fault = honest

        await load.resumed(time.monotonic(), RESUMES_WITHIN)

    assert set(load.runs.values()) == {1}


async def test_every_call_to_dynamodb_failing_for_a_while_loses_nothing_and_runs_nothing_twice(
    localstack_url: str, dynamodb_url: str
) -> None:
    async with proxied(dynamodb_url) as dynamodb, at_work(localstack_url, dynamodb.url) as load:
        dynamodb.fault = each_in_turn("cut", "broken", "lose")
        await asyncio.sleep(LOG_OUTAGE)  # so long it fails; nothing is waited for
        dynamodb.fault = honest

        await load.resumed(time.monotonic(), RESUMES_WITHIN)

    assert set(load.runs.values()) == {1}


@pytest.mark.parametrize("fault", ["lose", "throttle", "broken"])
async def test_every_third_call_to_sqs_going_wrong_costs_time_alone(
    localstack_url: str, dynamodb_url: str, fault: str
) -> None:
    async with proxied(localstack_url) as sqs, at_work(sqs.url, dynamodb_url) as load:
        sqs.fault = each_in_turn(fault, None, None)
        await asyncio.sleep(A_WHILE)  # so long it fails; nothing is waited for
        sqs.fault = honest

    assert set(load.runs.values()) == {1}


async def test_every_fifth_entry_of_each_request_to_sqs_failing_costs_time_alone(
    localstack_url: str, dynamodb_url: str
) -> None:
    async with proxied(localstack_url) as sqs, at_work(sqs.url, dynamodb_url) as load:
        sqs.fault = lambda operation, _body: "entries" if operation.endswith("Batch") else None
        await asyncio.sleep(A_WHILE)  # so long it fails; nothing is waited for
        sqs.fault = honest

    assert set(load.runs.values()) == {1}


async def test_a_queue_that_is_deleted_and_made_again_under_load_loses_no_task(
    localstack_url: str, dynamodb_url: str
) -> None:
    async with at_work(localstack_url, dynamodb_url) as load:
        await made_again(load, localstack_url, delete=True)

        await load.resumed(time.monotonic(), RESUMES_WITHIN)
        await load.drained()
        async with looked_for_lost_messages(load):
            await load.succeeded_once()

    assert set(load.runs.values()) == {1}


async def test_a_queue_server_that_is_killed_with_its_messages_under_load_loses_no_task(
    private_sqs: PrivateServer, dynamodb_url: str
) -> None:
    """What it forgot is found missing by the scheduler, and sent again."""
    async with at_work(private_sqs.url, dynamodb_url) as load:
        await asyncio.to_thread(private_sqs.kill)
        await asyncio.to_thread(private_sqs.start)
        await made_again(load, private_sqs.url)

        await load.resumed(time.monotonic(), RESTARTS_WITHIN)
        await load.drained()
        async with looked_for_lost_messages(load):
            await load.succeeded_once()

    assert set(load.runs.values()) == {1}


async def test_a_log_server_that_is_killed_under_load_loses_no_task(
    localstack_url: str, private_dynamodb: PrivateServer
) -> None:
    async with at_work(localstack_url, private_dynamodb.url) as load:
        await asyncio.to_thread(private_dynamodb.kill)
        await asyncio.to_thread(private_dynamodb.start)

        await load.resumed(time.monotonic(), RESTARTS_WITHIN)


@asynccontextmanager
async def looked_for_lost_messages(load: Load) -> AsyncGenerator[None]:
    """Let a scheduler look, as each leader does, but not wait for tomorrow to look again.

    It has no store, by which it would know that the worker's own has looked today: on DynamoDB
    each look reads the whole log. What was sent just before its first look is too new for that
    one, so it looks again.
    """
    options = SchedulerOptions(audit_every=GAP, audit_gap=GAP)
    scheduler = Scheduler(replace(load.ports, store=None), options=options)
    looking = asyncio.create_task(scheduler.run())
    yield
    scheduler.stop()
    await looking


async def made_again(load: Load, sqs: str, *, delete: bool = False) -> None:
    """Do as an operator does with `longshore init`, on a connection of his own."""
    async with SQS.open(f"sqs://?endpoint_url={sqs}", SystemClock()) as backend:
        assert backend.queue is not None
        queue = backend.queue(load.policy.queue)
        if delete:
            await queue.delete()
        await declared(queue)
