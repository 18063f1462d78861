"""What nearly every worker on RabbitMQ gets wrong: to be alive and silent after a reconnect.

Brokers are killed and connections go dumb while a producer and a worker are at it. The worker must
be at work again soon, nothing may be lost, and each task must have succeeded once.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.policy import Policy
from longshore.ports import Ports
from longshore_adapters.memory import ADAPTER as MEMORY
from longshore_adapters.rabbitmq import ADAPTER as RABBITMQ
from tests.brokers.proxy import Proxy
from tests.integration.load import loaded as under_load
from tests.integration.load import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tests.brokers.private import PrivateBroker
    from tests.brokers.proxy import Way
    from tests.integration.load import Load

pytestmark = pytest.mark.once

RESTARTS = 10
RESUMES_WITHIN = 5.0
HEARTBEAT = 2
NOTICES_WITHIN = 2 * HEARTBEAT + 1.0
"""Two heartbeats are missed, and looked for once a second."""


@asynccontextmanager
async def loaded(url: str, produced_at: str | None = None) -> AsyncGenerator[Load]:
    """Send and run tasks until the end of the context; then let what was sent come to its end."""
    clock, name = SystemClock(), f"outage-{uuid4().hex[:12]}"
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
        async with under_load(ports, Policy(queue=name), outwards=outwards) as load:
            yield load


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
