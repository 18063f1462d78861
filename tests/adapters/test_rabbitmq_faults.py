from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.conformance.queue.hands import message
from longshore.errors import (
    ClosedError,
    ConfigurationError,
    LeaseLostError,
    LongshoreError,
    UnavailableError,
)
from longshore.queue import Outgoing, Rejection, Release
from longshore_adapters.rabbitmq import ADAPTER, confirms, frames, limits
from longshore_adapters.rabbitmq import sender as sending
from longshore_adapters.rabbitmq.errors import BlockedError, QueueMissingError
from longshore_adapters.rabbitmq.link import Link
from longshore_adapters.rabbitmq.options import parse_url
from longshore_adapters.rabbitmq.wire import write_properties
from tests.brokers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend
    from tests.brokers.private import PrivateBroker

pytestmark = pytest.mark.once

LEASE = timedelta(seconds=30)
BRIEF = timedelta(seconds=0.3)
LONG = timedelta(seconds=20)
MANY = 500


def prefixed(url: str, options: str = "") -> str:
    return f"{url}?prefix=faults-{uuid4().hex[:8]}-{options}"


@pytest.fixture
async def backend(rabbitmq_url: str) -> AsyncIterator[Backend]:
    async with ADAPTER.open(prefixed(rabbitmq_url), SystemClock()) as opened:
        yield opened


@pytest.fixture
async def queue(backend: Backend) -> AsyncIterator[Queue]:
    made = named(backend)
    await made.declare()
    yield made
    await made.delete()


@pytest.fixture
def proxy(rabbitmq_url: str) -> Iterator[Proxy]:
    with Proxy(int(rabbitmq_url.rpartition(":")[2])) as opened:
        yield opened


@pytest.fixture
async def far(proxy: Proxy) -> AsyncIterator[Queue]:
    """A queue behind the proxy, whose connections notice within seconds that they are dead."""
    url = prefixed(f"rabbitmq://guest:guest@127.0.0.1:{proxy.port}", "&heartbeat=1")
    async with ADAPTER.open(url, SystemClock()) as opened:
        made = named(opened)
        await made.declare()
        yield made
        proxy.resume()
        await made.delete()


def named(backend: Backend, name: str = "q") -> Queue:
    assert backend.queue is not None
    return backend.queue(name)


def messages(count: int, first: int = 0) -> list[Outgoing]:
    return [message(b"%d" % number) for number in range(first, first + count)]


async def take(queue: Queue, limit: int = 10, wait: timedelta = LONG) -> list[Delivery]:
    return await queue.receive(limit=limit, wait=wait, lease=LEASE)


async def drained(queue: Queue) -> set[bytes]:
    bodies: set[bytes] = set()
    while taken := await take(queue, MANY, timedelta(seconds=1)):
        bodies |= {delivery.body for delivery in taken}
        await queue.ack(taken)
    return bodies


async def test_sends_go_on_when_their_connection_is_cut(far: Queue, proxy: Proxy) -> None:
    sent = messages(MANY)

    sending = [asyncio.create_task(far.send([one])) for one in sent[: MANY // 2]]
    await asyncio.sleep(0)
    proxy.cut()
    sending += [asyncio.create_task(far.send([one])) for one in sent[MANY // 2 :]]
    answers = await asyncio.gather(*sending)

    assert answers == [[None]] * MANY
    assert await drained(far) == {one.body for one in sent}


async def test_a_receiver_is_not_told_of_a_connection_that_comes_back(
    far: Queue, proxy: Proxy
) -> None:
    waiting = asyncio.create_task(take(far))
    await take(far, wait=BRIEF)

    proxy.cut()
    await far.send(messages(1))

    [delivery] = await asyncio.wait_for(waiting, 5)
    assert delivery.body == b"0"


async def test_what_was_held_on_a_lost_connection_cannot_be_used(far: Queue, proxy: Proxy) -> None:
    await far.send(messages(1))
    [held] = await take(far)

    proxy.cut()
    [again] = await take(far)

    assert [type(one) for one in await far.ack([held])] == [LeaseLostError]
    assert [type(one) for one in await far.release([Release(delivery=held)])] == [LeaseLostError]
    rejection = Rejection(delivery=held, reason="error")
    assert [type(one) for one in await far.reject([rejection])] == [LeaseLostError]
    assert again.body == held.body
    assert await far.ack([again]) == [None]


async def test_a_stalled_connection_is_noticed_and_replaced(far: Queue, proxy: Proxy) -> None:
    await far.send(messages(1))
    [held] = await take(far)
    waiting = asyncio.create_task(take(far, wait=timedelta(seconds=30)))
    accepted = proxy.accepted

    proxy.stall()
    while proxy.accepted == accepted:
        await asyncio.sleep(0.05)
    proxy.resume()
    since = asyncio.get_running_loop().time()
    [again] = await waiting

    assert asyncio.get_running_loop().time() - since < 5
    assert again.body == held.body


async def test_a_server_that_is_away_is_said_within_seconds(far: Queue, proxy: Proxy) -> None:
    await far.send(messages(1))
    waiting = asyncio.create_task(take(far, wait=timedelta(seconds=60)))
    await far.send(messages(1))
    await waiting

    proxy.refuse()
    proxy.cut()
    receiving = asyncio.create_task(take(far, wait=timedelta(seconds=60)))

    with pytest.raises(UnavailableError, match="was not reached"):
        await asyncio.wait_for(far.send(messages(1)), 15)
    with pytest.raises(UnavailableError, match="was not reached"):
        await asyncio.wait_for(receiving, 15)


async def test_another_host_is_tried(rabbitmq_url: str) -> None:
    account, _, address = rabbitmq_url.rpartition("@")
    url = prefixed(f"{account}@127.0.0.1:1,{address}")
    async with ADAPTER.open(url, SystemClock()) as opened:
        queue = named(opened)
        await queue.declare()

        first = await asyncio.gather(queue.send(messages(1)), return_exceptions=True)
        answers = await queue.send(messages(1))

        assert isinstance(first[0], list | UnavailableError)
        assert answers == [None]
        await queue.delete()


async def test_a_message_for_no_queue_is_an_error(backend: Backend) -> None:
    with pytest.raises(QueueMissingError, match="longshore init"):
        await named(backend).send(messages(2))


async def test_receiving_from_no_queue_is_an_error_until_there_is_one(backend: Backend) -> None:
    queue = named(backend)
    with pytest.raises(QueueMissingError, match="longshore init"):
        await take(queue)

    await queue.declare()
    await queue.send(messages(1))

    assert [one.body for one in await take(queue)] == [b"0"]
    await queue.delete()


async def test_a_queue_that_is_deleted_and_made_again_is_received_from(
    queue: Queue, rabbitmq_url: str
) -> None:
    await queue.send(messages(1))
    [held] = await take(queue)
    waiting = asyncio.create_task(take(queue))
    await asyncio.sleep(0)

    await queue.delete()
    with pytest.raises((QueueMissingError, ClosedError)):
        await asyncio.wait_for(waiting, 15)
    await queue.declare()
    await queue.send(messages(1, first=7))

    assert [one.body for one in await take(queue)] == [b"7"]
    assert [type(one) for one in await queue.ack([held])] == [LeaseLostError]


async def test_a_queue_that_somebody_else_deletes_ends_the_wait(rabbitmq_url: str) -> None:
    url = prefixed(rabbitmq_url)
    async with ADAPTER.open(url, SystemClock()) as ours, ADAPTER.open(url, SystemClock()) as theirs:
        await named(ours).declare()
        waiting = asyncio.create_task(take(named(ours)))
        await take(named(ours), wait=BRIEF)

        await named(theirs).delete()

        with pytest.raises(QueueMissingError):
            await asyncio.wait_for(waiting, 10)


async def test_a_cancelled_receive_gives_back_what_came(queue: Queue, rabbitmq_url: str) -> None:
    """Wherever in its life it is cancelled."""
    for turns in range(20):
        waiting = asyncio.create_task(take(queue))
        sending = asyncio.create_task(queue.send(messages(3)))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        waiting.cancel()
        [taken] = await asyncio.gather(waiting, return_exceptions=True)
        await sending

        held = [] if isinstance(taken, BaseException) else taken
        assert {one.body for one in held} | await drained(queue) == {b"0", b"1", b"2"}
        await queue.ack(held)


async def test_closing_gives_back_what_was_held(rabbitmq_url: str) -> None:
    url = prefixed(rabbitmq_url)
    async with ADAPTER.open(url, SystemClock()) as first:
        await named(first).declare()
        await named(first).send(messages(3))
        taken = await take(named(first), 2)
        await named(first).ack(taken[:1])

    async with ADAPTER.open(url, SystemClock()) as second:
        left = await drained(named(second))
        await named(second).delete()

    assert left == {b"0", b"1", b"2"} - {taken[0].body}


async def test_closing_ends_what_waits_for_a_server_that_is_not_there() -> None:
    async with ADAPTER.open("rabbitmq://127.0.0.1:1", SystemClock()) as opened:
        waiting = asyncio.create_task(take(named(opened)))
        sending = asyncio.create_task(named(opened).send(messages(1)))
        await asyncio.sleep(0)

    with pytest.raises((ClosedError, UnavailableError)):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises((ClosedError, UnavailableError)):
        await asyncio.wait_for(sending, 5)


async def test_a_queue_in_another_form_is_said_with_what_differs(rabbitmq_url: str) -> None:
    url = prefixed(rabbitmq_url)
    async with (
        ADAPTER.open(f"{url}&type=classic", SystemClock()) as old,
        ADAPTER.open(url, SystemClock()) as new,
    ):
        await named(old).declare()

        with pytest.raises(ConfigurationError, match=r"x-queue-type.*quorum.*classic"):
            await named(new).declare()
        assert await named(old).send(messages(1)) == [None]
        await named(old).delete()


async def test_strict_priorities_of_quorum_queues_are_refused_by_an_old_server(
    rabbitmq_url: str,
) -> None:
    async with ADAPTER.open(prefixed(rabbitmq_url, "&bands=10"), SystemClock()) as opened:
        queue = named(opened)
        with pytest.raises(ConfigurationError, match=r"4\.3"):
            await queue.declare()
        with pytest.raises(ConfigurationError, match=r"4\.3"):
            await queue.send(messages(1))
        with pytest.raises(ConfigurationError, match=r"4\.3"):
            await take(queue)


async def test_a_wrong_password_is_said(rabbitmq_url: str) -> None:
    url = rabbitmq_url.replace("guest:guest", "guest:wrong")
    async with ADAPTER.open(url, SystemClock()) as opened:
        queue = named(opened)
        with pytest.raises(UnavailableError, match="password"):
            await queue.declare()
        with pytest.raises(UnavailableError, match="password"):
            await queue.send(messages(1))
        with pytest.raises(UnavailableError, match="password"):
            await take(queue)


async def test_a_sender_goes_on_after_its_connection_was_cut(proxy: Proxy) -> None:
    url = prefixed(f"rabbitmq://guest:guest@127.0.0.1:{proxy.port}")
    async with ADAPTER.open(url, SystemClock()) as opened:
        await named(opened).declare()
        with ADAPTER.open_sender(url, SystemClock()) as sender:
            first = await asyncio.to_thread(sender.send, "q", messages(1))
            proxy.cut()
            second = await asyncio.to_thread(sender.send, "q", messages(3, first=1))

        assert (first, second) == ([None], [None] * 3)
        assert await drained(named(opened)) == {b"0", b"1", b"2", b"3"}
        await named(opened).delete()


@pytest.fixture
def crowded() -> Iterator[None]:
    """A process with so many files open that `select` takes no further one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    with ExitStack() as files:
        for _ in range(1100):
            files.enter_context(Path(os.devnull).open("rb"))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("crowded")
async def test_what_was_written_before_the_end_goes_out_however_many_files_are_open(
    queue: Queue, backend: Backend
) -> None:
    options = parse_url(backend.url)
    link = await asyncio.to_thread(Link, options, options.hosts[0], purpose="test", heartbeat=0)

    properties = write_properties(b"", {}, id="m", sent_at=0)
    link.write(
        frames.open_channel(1)
        + frames.publish_head(1, "", options.prefix + queue.name)
        + frames.content(1, properties, b"x" * limits.MAX_BODY)
    )
    await asyncio.to_thread(link.close)

    assert len(await take(queue)) == 1


async def test_a_sender_whose_idle_connections_are_forgotten_makes_a_new_one(
    rabbitmq_url: str, proxy: Proxy
) -> None:
    url = prefixed(f"rabbitmq://guest:guest@127.0.0.1:{proxy.port}")
    async with ADAPTER.open(url, SystemClock()) as opened:
        await named(opened).declare()
        with ADAPTER.open_sender(url, SystemClock()) as sender:
            while proxy.accepted < 1 + sending.TRIES:
                await asyncio.gather(
                    *(asyncio.to_thread(sender.send, "q", messages(50)) for _ in range(8))
                )

            proxy.forget()
            again = await asyncio.to_thread(sender.send, "q", messages(1))

        assert again == [None]
        await named(opened).delete()


FORK = """
import os, sys
from longshore.clock import SystemClock
from longshore.conformance.queue.hands import message
from longshore_adapters.rabbitmq import ADAPTER

with ADAPTER.open_sender(sys.argv[1], SystemClock()) as sender:
    assert sender.send("q", [message(b"before")]) == [None]
    child = os.fork()
    if not child:
        try:
            os._exit(sender.send("q", [message(b"child")]) != [None])
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert sender.send("q", [message(b"parent")]) == [None]
"""


async def test_parent_and_child_of_a_fork_both_send(queue: Queue, backend: Backend) -> None:
    words = [sys.executable, "-c", FORK, backend.url]

    done = await asyncio.to_thread(subprocess.run, words, check=False, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
    assert await drained(queue) == {b"before", b"child", b"parent"}


async def test_many_threads_may_send_at_once(queue: Queue, backend: Backend) -> None:
    with ADAPTER.open_sender(backend.url, SystemClock()) as sender:
        answers = await asyncio.gather(
            *(
                asyncio.to_thread(sender.send, queue.name, messages(50, first=50 * number))
                for number in range(8)
            )
        )

    assert answers == [[None] * 50] * 8
    assert await drained(queue) == {b"%d" % number for number in range(400)}


async def test_a_sender_says_what_is_missing(backend: Backend) -> None:
    with (
        ADAPTER.open_sender(backend.url, SystemClock()) as sender,
        pytest.raises(QueueMissingError),
    ):
        await asyncio.to_thread(sender.send, "nobody", messages(1))


class TestOnABrokerOfOurOwn:
    @pytest.fixture
    async def queue(self, private_rabbitmq: PrivateBroker) -> AsyncIterator[Queue]:
        async with ADAPTER.open(prefixed(private_rabbitmq.url), SystemClock()) as opened:
            made = named(opened)
            await made.declare()
            yield made
            await made.delete()

    async def told(self, broker: PrivateBroker, *words: str) -> str:
        return await asyncio.to_thread(broker.told, *words)

    async def test_a_broker_short_of_memory_makes_senders_wait(
        self, queue: Queue, private_rabbitmq: PrivateBroker
    ) -> None:
        await queue.send(messages(1))
        await self.told(private_rabbitmq, "set_vm_memory_high_watermark", "0.00001")

        sending = asyncio.create_task(queue.send(messages(2, first=1)))
        done, _ = await asyncio.wait({sending}, timeout=1)
        await self.told(private_rabbitmq, "set_vm_memory_high_watermark", "0.6")

        assert not done
        assert await asyncio.wait_for(sending, 10) == [None, None]
        assert await drained(queue) == {b"0", b"1", b"2"}

    async def test_a_broker_that_stays_short_of_memory_is_said(
        self, queue: Queue, private_rabbitmq: PrivateBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(confirms, "PATIENCE", 2.0)
        await queue.send(messages(1))
        await self.told(private_rabbitmq, "set_vm_memory_high_watermark", "0.00001")

        # RabbitMQ blocks a connection with the first message that it sends.
        answers = await asyncio.gather(
            queue.send(messages(1)), queue.send(messages(1)), return_exceptions=True
        )
        later = await asyncio.gather(queue.send(messages(1)), return_exceptions=True)
        await self.told(private_rabbitmq, "set_vm_memory_high_watermark", "0.6")

        assert all(isinstance(answer, UnavailableError) for answer in answers)
        assert [type(answer) for answer in later] == [BlockedError]
        assert await asyncio.wait_for(queue.send(messages(1)), 10) == [None]

    @pytest.mark.timeout(120)
    async def test_a_channel_that_the_broker_closes_is_opened_again(
        self, private_rabbitmq: PrivateBroker
    ) -> None:
        terms = "consumer_timeout, 1000), application:set_env(rabbit, channel_tick_interval, 500"
        await self.told(private_rabbitmq, "eval", f"application:set_env(rabbit, {terms}).")
        url = prefixed(private_rabbitmq.url)
        async with ADAPTER.open(url, SystemClock()) as opened:
            queue = named(opened)
            await queue.declare()
            await queue.send(messages(1))
            [held] = await take(queue)

            again: list[Delivery] = []
            problem: LongshoreError | None = None
            while not again:
                try:
                    again = await take(queue, wait=timedelta(seconds=5))
                except UnavailableError as error:
                    problem = error

            assert again[0].body == held.body
            assert [type(one) for one in await queue.ack([held])] == [LeaseLostError]
            assert problem is None or "consumer_timeout" in str(problem)
            await queue.delete()
        default = (
            "consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000"
        )
        await self.told(private_rabbitmq, "eval", f"application:set_env(rabbit, {default}).")
