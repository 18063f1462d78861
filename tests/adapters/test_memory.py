from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import ManualClock, SystemClock
from longshore.conformance import (
    QueueContract,
    StoreContract,
    TaskLogContract,
    TogetherContract,
)
from longshore.errors import ConfigurationError
from longshore.identity import TaskIds
from longshore.queue import Outgoing
from longshore.store import Put
from longshore_adapters.memory import ADAPTER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from longshore.conformance import Connect, ConnectSync
    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend

MINUTE = timedelta(minutes=1)


class Memory:
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def url(self) -> str:
        return f"memory://{uuid4().hex}"

    @pytest.fixture
    def connect(self, url: str, clock: ManualClock) -> Connect:
        return lambda: ADAPTER.open(url, clock)


class TestMemoryQueue(Memory, QueueContract): ...


class TestMemoryTaskLog(Memory, TaskLogContract): ...


class TestMemoryStore(Memory, StoreContract): ...


class TestMemoryTogether(Memory, TogetherContract):
    @pytest.fixture
    def connect_sync(self, url: str, clock: ManualClock) -> ConnectSync:
        return lambda: ADAPTER.open_sync(url, clock)


async def keys_after(use: Callable[[Backend, Backend], Awaitable[None]], *urls: str) -> list[str]:
    """Open two backends, use them, and list what the second one's store holds."""
    clock = ManualClock()
    first_url, second_url = urls
    async with ADAPTER.open(first_url, clock) as first, ADAPTER.open(second_url, clock) as second:
        await use(first, second)
        assert second.store is not None
        return [entry.key for entry in await second.store.scan("")]


async def put_in_first(first: Backend, second: Backend) -> None:
    assert first is not second
    assert first.store is not None
    await first.store.put([Put(key="key", value=b"")])


async def test_backends_of_one_name_share_their_contents() -> None:
    url = f"memory://{uuid4().hex}"

    assert await keys_after(put_in_first, url, url) == ["key"]


async def test_backends_of_two_names_share_nothing() -> None:
    urls = [f"memory://{uuid4().hex}" for _ in range(2)]

    assert await keys_after(put_in_first, *urls) == []


async def test_a_backend_without_a_name_shares_nothing() -> None:
    assert await keys_after(put_in_first, "memory://", "memory://") == []


async def test_the_contents_end_with_the_last_backend_of_their_name() -> None:
    clock, url = ManualClock(), f"memory://{uuid4().hex}"
    async with ADAPTER.open(url, clock) as old:
        assert old.store is not None
        await old.store.put([Put(key="key", value=b"")])

    async with ADAPTER.open(url, clock) as new:
        assert new.store is not None
        found = await new.store.scan("")

    assert found == []


async def test_a_message_keeps_the_attributes_it_was_sent_with() -> None:
    async with ADAPTER.open("memory://", ManualClock()) as backend:
        queue = queue_of(backend)
        attributes = {"label": "sent"}
        await queue.send([Outgoing(key=TaskIds()(), body=b"", attributes=attributes)])
        attributes["label"] = "changed"

        [delivery] = await queue.receive(limit=1, wait=timedelta(0), lease=MINUTE)

    assert delivery.attributes["label"] == "sent"


def test_a_send_in_one_event_loop_wakes_a_receive_in_another() -> None:
    url, blocked = f"memory://{uuid4().hex}", threading.Event()
    received: list[Delivery] = []

    async def receive() -> None:
        async with ADAPTER.open(url, SystemClock()) as backend:
            asyncio.get_running_loop().call_soon(blocked.set)
            received.extend(await queue_of(backend).receive(limit=1, wait=MINUTE, lease=MINUTE))

    async def send() -> None:
        async with ADAPTER.open(url, SystemClock()) as backend:
            await queue_of(backend).send([Outgoing(key=TaskIds()(), body=b"across")])
            await asyncio.to_thread(receiver.join, 10)

    receiver = threading.Thread(target=lambda: asyncio.run(receive()))
    receiver.start()
    assert blocked.wait(10)
    asyncio.run(send())

    assert [delivery.body for delivery in received] == [b"across"]


@pytest.mark.parametrize("url", ["memory://name/path", "memory://name?durable=yes"])
async def test_an_url_that_says_more_than_a_name_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="more than a name"):
        ADAPTER.init(url)
    with pytest.raises(ConfigurationError, match="more than a name"):
        async with ADAPTER.open(url, ManualClock()):
            pass


def test_init_and_deinit_say_that_there_is_nothing() -> None:
    said = ADAPTER.init("memory://") + ADAPTER.deinit("memory://")

    assert [line.partition(": ")[2].split()[0] for line in said] == ["nothing", "nothing"]


def queue_of(backend: Backend) -> Queue:
    assert backend.queue is not None
    return backend.queue("q")
