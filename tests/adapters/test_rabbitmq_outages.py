"""What nearly every worker on RabbitMQ gets wrong: to be alive and silent after a reconnect.

Brokers are killed and connections go dumb while a producer and a worker are at it. The worker must
be at work again soon, nothing may be lost, and each task must have succeeded once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from longshore.client import Client, Preparer
from longshore.clock import SystemClock
from longshore.definition import TaskRegistry, define
from longshore.draft import Draft
from longshore.errors import LongshoreError
from longshore.policy import Policy
from longshore.ports import Ports
from longshore.task import TaskState
from longshore.worker import Worker, WorkerOptions
from longshore_adapters.memory import ADAPTER as MEMORY
from longshore_adapters.rabbitmq import ADAPTER as RABBITMQ
from tests.brokers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from longshore.identity import TaskId
    from tests.brokers.private import PrivateBroker
    from tests.brokers.proxy import Way

pytestmark = pytest.mark.once

RESTARTS = 10
RESUMES_WITHIN = 5.0
HEARTBEAT = 2
NOTICES_WITHIN = 2 * HEARTBEAT + 1.0
"""Two heartbeats are missed, and looked for once a second."""
DEADLINE = 60.0
BATCH = 10
PACE = 0.1
AGAIN = 0.05


@dataclass
class Load:
    """A producer and a worker; which tasks were sent, and when each handler began."""

    ports: Ports
    sent: list[TaskId] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)

    def has_run_since(self, moment: float) -> bool:
        return bool(self.begun) and self.begun[-1] > moment

    async def resumed(self, since: float, within: float) -> float:
        """Wait until a handler begins after a moment; by how many seconds it was later."""
        ahead = max(since - time.monotonic(), 0)
        await until(lambda: self.has_run_since(since), ahead + within)
        return next(at for at in self.begun if at > since) - since

    async def succeeded_once(self) -> None:
        """Wait until every task that was sent has succeeded; each of them once."""
        log = self.ports.task_log

        async def states() -> Counter[str]:
            return Counter("lost" if one is None else one.state for one in await log.get(self.sent))

        end = time.monotonic() + DEADLINE
        while (found := await states()) != {TaskState.SUCCEEDED: len(self.sent)}:
            assert time.monotonic() < end, found
            await asyncio.sleep(PACE)
        for task_id in self.sent:
            outcomes = Counter(one.outcome for one in await log.attempts(task_id))
            assert outcomes["succeeded"] == 1, (task_id, outcomes)


@asynccontextmanager
async def loaded(url: str, produced_at: str | None = None) -> AsyncGenerator[Load]:
    """Send and run tasks until the end of the context; then let what was sent come to its end."""
    clock, name = SystemClock(), f"outage-{uuid4().hex[:12]}"
    registry, policy = TaskRegistry(), Policy(queue=name)
    async with (
        RABBITMQ.open(url, clock) as queues,
        RABBITMQ.open(produced_at or url, clock) as outgoing,
        MEMORY.open("memory://", clock) as log,
    ):
        assert queues.queue is not None
        assert outgoing.queue is not None
        assert log.task_log is not None
        ports = Ports(queue=queues.queue, task_log=log.task_log, store=log.store, clock=clock)
        outwards = Ports(queue=outgoing.queue, task_log=log.task_log, store=log.store, clock=clock)
        await ports.queue(name).declare()
        load = Load(ports)

        async def work(number: int) -> int:
            load.begun.append(time.monotonic())
            return number

        registry.add(define(work))
        worker = Worker(ports, registry, policy, WorkerOptions(queues=(name,)))
        over = asyncio.Event()
        async with asyncio.TaskGroup() as both:
            working = both.create_task(worker.run())
            sending = both.create_task(_send(outwards, policy, registry, load, over))
            began = time.monotonic()
            await load.resumed(began, DEADLINE)
            yield load
            over.set()
            await sending
            await load.succeeded_once()
            worker.stop()
            await working
        depth = await ports.queue(name).depth()
        await ports.queue(name).delete()
        assert (depth.ready, depth.dead) == (0, 0)


async def _send(
    ports: Ports, policy: Policy, registry: TaskRegistry, load: Load, over: asyncio.Event
) -> None:
    """Send some tasks ten times a second; what was not confirmed is sent again, as the same."""
    preparer = Preparer(ports.ids, policy)
    client, definition = Client(ports, preparer), registry.get("work")
    while not over.is_set():
        drafts = [Draft(definition, {"number": number}) for number in range(BATCH)]
        records = preparer.records(drafts, ports.clock.now())
        load.sent += [record.spec.id for record in records]
        while True:
            try:
                await client.submit(records)
                break
            except LongshoreError:
                await asyncio.sleep(AGAIN)
        await asyncio.sleep(PACE)


async def until(condition: Callable[[], bool], within: float) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"it has not come to be within {within} s"
        await asyncio.sleep(0.01)


@pytest.mark.timeout(300)
async def test_broker_restarted_ten_times_under_load(private_rabbitmq: PrivateBroker) -> None:
    broker, took = private_rabbitmq, list[float]()

    def restart(number: int) -> float:
        end = broker.stop if number % 5 == 4 else broker.kill
        end()
        broker.start()
        return time.monotonic()

    async with loaded(broker.url) as load:
        for number in range(RESTARTS):
            back = await asyncio.to_thread(restart, number)
            took.append(await load.resumed(back, RESUMES_WITHIN))

    assert len(took) == RESTARTS


@pytest.fixture
def proxy(rabbitmq_url: str) -> Iterator[Proxy]:
    with Proxy(urlsplit(rabbitmq_url).port or 0) as proxy:
        yield proxy


@pytest.fixture
def url(proxy: Proxy) -> str:
    return f"rabbitmq://guest:guest@127.0.0.1:{proxy.port}?heartbeat={HEARTBEAT}"


WAYS: list[tuple[Way, ...]] = [("up", "down"), ("up",), ("down",)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("ways", WAYS, ids="+".join)
async def test_connections_that_went_dumb_are_noticed_and_made_anew(
    proxy: Proxy, url: str, ways: tuple[Way, ...]
) -> None:
    async with loaded(url) as load:
        before = proxy.accepted

        proxy.forget(*ways)
        silent = time.monotonic()
        await until(lambda: proxy.accepted > before, NOTICES_WITHIN)
        await load.resumed(silent + NOTICES_WITHIN, RESUMES_WITHIN)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("ways", WAYS, ids="+".join)
async def test_a_proxy_that_stalls_without_closing_ends_no_consumption(
    proxy: Proxy, url: str, ways: tuple[Way, ...]
) -> None:
    async with loaded(url) as load:
        proxy.stall(*ways)
        await asyncio.sleep(3 * HEARTBEAT)  # so long the network is gone; nothing is waited for
        proxy.resume()

        await load.resumed(time.monotonic(), RESUMES_WITHIN)


@pytest.mark.timeout(120)
async def test_a_worker_behind_a_dumb_connection_takes_what_others_send_meanwhile(
    proxy: Proxy, url: str, rabbitmq_url: str
) -> None:
    async with loaded(url, produced_at=rabbitmq_url) as load:
        proxy.forget()
        silent = time.monotonic()

        await load.resumed(silent + NOTICES_WITHIN, RESUMES_WITHIN)


@pytest.mark.timeout(120)
async def test_connections_that_are_cut_again_and_again_lose_nothing(
    proxy: Proxy, url: str
) -> None:
    async with loaded(url) as load:
        for _ in range(5):
            proxy.cut()
            await load.resumed(time.monotonic(), RESUMES_WITHIN)
        proxy.refuse()
        await asyncio.sleep(HEARTBEAT)  # so long there is no broker; nothing is waited for
        proxy.resume()

        await load.resumed(time.monotonic(), RESUMES_WITHIN)
