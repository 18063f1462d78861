from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen
from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.errors import LeaseLostError, UnavailableError
from longshore.identity import TaskIds
from longshore.queue import Outgoing, Rejection, Release, SupportsDeadLetters
from longshore_adapters.sqs import ADAPTER
from tests.adapters.sqs_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend
    from tests.adapters.sqs_proxy import Proxy

pytestmark = pytest.mark.once

LEASE = timedelta(minutes=1)
SOON = timedelta(seconds=2)


@pytest.fixture
async def proxy(localstack_url: str, aws_environment: None) -> AsyncIterator[Proxy]:
    async with proxied(localstack_url) as proxy:
        yield proxy


@pytest.fixture
async def backend(proxy: Proxy) -> AsyncIterator[Backend]:
    async with ADAPTER.open(f"sqs://?endpoint_url={proxy.url}", SystemClock()) as backend:
        yield backend


@pytest.fixture
def name() -> str:
    return f"faults-{uuid4().hex[:12]}"


@pytest.fixture
async def queue(backend: Backend, proxy: Proxy, name: str) -> AsyncIterator[Queue]:
    assert backend.queue is not None
    queue = backend.queue(name)
    await queue.declare()
    yield queue
    proxy.fault = lambda _operation, _body: None
    await queue.delete()


def message(body: bytes = b"{}") -> Outgoing:
    return Outgoing(key=TaskIds()(), body=body)


def numbered(count: int) -> list[Outgoing]:
    return [message(b"%d" % number) for number in range(count)]


async def take(queue: Queue, count: int, lease: timedelta = LEASE) -> list[Delivery]:
    taken: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(taken) < count:
            taken += await queue.receive(limit=count - len(taken), wait=SOON, lease=lease)
    return taken


def always(fault: str) -> Callable[[str, dict[str, Any]], str | None]:
    return lambda _operation, _body: fault


async def test_a_send_whose_answer_is_lost_is_sent_again(proxy: Proxy, queue: Queue) -> None:
    proxy.next("SendMessageBatch", "lose")

    answers = await queue.send([message(b"once or twice")])

    assert answers == [None]
    assert proxy.asked["SendMessageBatch"] == 2
    assert {each.body for each in await take(queue, 2)} == {b"once or twice"}


async def test_an_ack_whose_answer_is_lost_is_done(proxy: Proxy, queue: Queue) -> None:
    await queue.send([message()])
    held = await take(queue, 1)
    proxy.next("DeleteMessageBatch", "lose")

    assert await queue.ack(held) == [None]

    assert (await queue.depth()).in_flight == 0


async def test_what_a_lost_receive_took_comes_after_its_lease(proxy: Proxy, queue: Queue) -> None:
    await queue.send([message(b"late")])
    proxy.next("ReceiveMessage", "lose")

    with pytest.raises(UnavailableError, match="ReceiveMessage"):
        await queue.receive(limit=1, wait=SOON, lease=timedelta(seconds=1))

    assert proxy.asked["ReceiveMessage"] == 1
    [delivery] = await take(queue, 1)
    assert (delivery.body, delivery.receives) == (b"late", 2)


async def test_a_fifo_receive_whose_answer_is_lost_is_repeated_under_its_name(
    proxy: Proxy, backend: Backend, name: str
) -> None:
    assert backend.queue is not None
    queue = backend.queue(f"{name}.fifo")
    await queue.declare()
    await queue.send([message()])
    proxy.next("ReceiveMessage", "lose")
    with pytest.raises(UnavailableError):
        await queue.receive(limit=1, wait=SOON, lease=timedelta(seconds=1))
    await take(queue, 1)
    with suppress(UnavailableError):
        await queue.receive(limit=1, wait=timedelta(0), lease=LEASE)

    received = [body for operation, body in proxy.bodies if operation == "ReceiveMessage"]
    attempts = [body["ReceiveRequestAttemptId"] for body in received]

    assert attempts[0] == attempts[1]
    assert len(set(attempts[1:])) == len(attempts[1:])
    await queue.delete()


async def test_a_group_is_sent_in_its_order_however_late_a_request_arrives(
    proxy: Proxy, backend: Backend, name: str
) -> None:
    assert backend.queue is not None
    queue = backend.queue(f"{name}.fifo")
    await queue.declare()
    proxy.next("SendMessageBatch", "late")

    await queue.send([replace(each, group="g") for each in numbered(20)])

    bodies: list[bytes] = []
    while len(bodies) < 20:
        [held] = await take(queue, 1)
        bodies.append(held.body)
        await queue.ack([held])
    assert bodies == [b"%d" % number for number in range(20)]
    await queue.delete()


@pytest.mark.parametrize(("groups", "at_once"), [(1, 1), (40, 4)])
async def test_requests_wait_for_one_another_only_where_they_share_a_group(
    proxy: Proxy, backend: Backend, name: str, groups: int, at_once: int
) -> None:
    assert backend.queue is not None
    queue = backend.queue(f"{name}.fifo")
    await queue.declare()
    await queue.send([message()])
    proxy.pause, proxy.most = 0.2, 0

    answers = await queue.send(
        [replace(each, group=f"g{place % groups}") for place, each in enumerate(numbered(40))]
    )

    assert answers == [None] * 40
    assert proxy.most == at_once
    await queue.delete()


async def test_a_group_keeps_its_order_where_one_message_of_a_request_spoils_it(
    proxy: Proxy, backend: Backend, name: str
) -> None:
    """The request is refused as a whole, and each of its messages sent alone."""
    assert backend.queue is not None
    queue = backend.queue(f"{name}.fifo")
    await queue.declare()
    proxy.fault = lambda _, body: "spoilt" if len(body.get("Entries", ())) > 1 else None
    await queue.send([message()])
    proxy.pause, proxy.most = 0.05, 0

    answers = await queue.send([replace(each, group="g") for each in numbered(5)])

    assert answers == [None] * 5
    assert proxy.most == 1
    await queue.delete()


async def test_a_slow_service_is_not_taken_for_an_empty_queue(proxy: Proxy, queue: Queue) -> None:
    await queue.send(numbered(40))
    proxy.pause = 0.4

    taken: list[Delivery] = []
    while came := await queue.receive(limit=40, wait=timedelta(0), lease=LEASE):
        taken += came

    assert len(taken) == 40


@pytest.mark.parametrize("fault", ["throttle", "broken", "cut"])
async def test_a_service_that_fails_for_a_moment_is_asked_again(
    proxy: Proxy, queue: Queue, fault: str
) -> None:
    proxy.next("SendMessageBatch", fault, times=2)

    assert await queue.send([message()]) == [None]

    assert proxy.asked["SendMessageBatch"] == 3


async def test_what_is_sent_together_keeps_the_order_of_its_groups(
    proxy: Proxy, backend: Backend, name: str
) -> None:
    """It takes more than one request, and the first is the one that has to be repeated."""
    assert backend.queue is not None
    queue = backend.queue(f"{name}.fifo")
    await queue.declare()
    went: list[list[int]] = []

    def throttled(operation: str, body: dict[str, Any]) -> str | None:
        if operation == "SendMessageBatch":
            went.append([int(each["MessageBody"]) for each in body["Entries"]])
        return "throttle" if operation == "SendMessageBatch" and len(went) == 1 else None

    proxy.fault = throttled
    answers = await queue.send(
        [replace(each, group=f"{place % 2}") for place, each in enumerate(numbered(44))]
    )

    numbers = [number for request in went[1:] for number in request]
    assert answers == [None] * 44
    assert numbers[::2] + numbers[1::2] == [*range(0, 44, 2), *range(1, 44, 2)]
    await queue.delete()


async def test_entries_that_fail_are_sent_again_and_no_others(proxy: Proxy, queue: Queue) -> None:
    proxy.fault = lambda operation, _body: (
        "entries" if operation in {"SendMessageBatch", "DeleteMessageBatch"} else None
    )

    answers = await queue.send(numbered(30))
    held = await take(queue, 30)
    acks = await queue.ack(held)

    assert answers == acks == [None] * 30
    assert sorted(int(each.body) for each in held) == list(range(30))
    depth = await queue.depth()
    assert (depth.ready, depth.in_flight) == (0, 0)


async def test_every_verb_says_that_the_service_is_away_and_works_when_it_is_back(
    proxy: Proxy, queue: Queue
) -> None:
    await queue.send([message(b"before")])
    held = await take(queue, 1)
    proxy.fault = always("cut")

    calls = [
        queue.send([message()]),
        queue.receive(limit=1, wait=SOON, lease=LEASE),
        queue.ack(held),
        queue.release([Release(delivery=held[0])]),
        queue.reject([Rejection(delivery=held[0], reason="error")]),
        queue.extend(held, lease=LEASE),
        queue.depth(),
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in answers] == [UnavailableError] * len(calls)
    proxy.fault = lambda _operation, _body: None
    assert await queue.ack(held) == [None]
    await queue.send([message(b"after")])
    assert [each.body for each in await take(queue, 1)] == [b"after"]


async def test_a_queue_that_was_deleted_is_missed_by_name_and_used_again_when_it_is_back(
    backend: Backend, queue: Queue, proxy: Proxy
) -> None:
    await queue.send([message()])
    await queue.delete()

    with pytest.raises(UnavailableError, match=r"does not exist; make it with: longshore init"):
        await queue.send([message()])
    with pytest.raises(UnavailableError, match="longshore init"):
        await queue.receive(limit=1, wait=SOON, lease=LEASE)
    await queue.declare()

    assert await queue.send([message(b"new")]) == [None]
    assert [each.body for each in await take(queue, 1)] == [b"new"]


async def test_a_receive_under_way_survives_that_its_queue_is_made_anew(
    proxy: Proxy, queue: Queue, localstack_url: str
) -> None:
    async with ADAPTER.open(f"sqs://?endpoint_url={localstack_url}", SystemClock()) as other:
        assert other.queue is not None
        theirs = other.queue(queue.name)
        await queue.send([message()])
        await theirs.delete()
        await theirs.declare()
        await theirs.send([message(b"new")])

        assert [each.body for each in await take(queue, 1)] == [b"new"]


async def test_a_handle_that_nobody_knows_is_a_lost_lease_and_harms_no_neighbour(
    queue: Queue,
) -> None:
    await queue.send(numbered(2))
    held = await take(queue, 2)
    await queue.ack(held[:1])

    released = await queue.release([Release(delivery=each) for each in held])

    assert isinstance(released[0], LeaseLostError)
    assert released[1] is None


async def test_a_rejection_whose_copy_fails_leaves_the_message(proxy: Proxy, queue: Queue) -> None:
    await queue.send([message(b"bad")])
    [held] = await take(queue, 1)
    proxy.fault = lambda operation, _body: "cut" if operation == "SendMessageBatch" else None

    with pytest.raises(UnavailableError):
        await queue.reject([Rejection(delivery=held, reason="error")])

    assert proxy.asked["DeleteMessageBatch"] == 0
    proxy.fault = lambda _operation, _body: None
    assert await queue.reject([Rejection(delivery=held, reason="error")]) == [None]
    assert isinstance(queue, SupportsDeadLetters)
    assert [each.body for each in await queue.dead_letters(limit=10)] == [b"bad"]


async def test_a_queue_outlives_the_service_s_restart(
    aws_environment: None, name: str, unused_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    server = await started(unused_port)
    try:
        async with ADAPTER.open(f"sqs://?endpoint_url={url}", SystemClock()) as backend:
            assert backend.queue is not None
            queue = backend.queue(name)
            await queue.declare()
            await queue.send([message()])
            server.kill()
            server.wait()

            with pytest.raises(UnavailableError, match="was not reached"):
                await queue.receive(limit=1, wait=SOON, lease=LEASE)
            server = await started(unused_port)
            with pytest.raises(UnavailableError, match="longshore init"):
                await queue.send([message()])
            await queue.declare()

            assert await queue.send([message(b"again")]) == [None]
            assert [each.body for each in await take(queue, 1)] == [b"again"]
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def unused_port() -> int:
    import socket  # noqa: PLC0415 - here alone

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def started(port: int) -> subprocess.Popen[bytes]:
    """A moto server of this test alone."""
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        try:
            urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=1).close()
        except OSError:
            return False
        return True

    async with asyncio.timeout(30):
        while not await asyncio.to_thread(answers):
            await asyncio.sleep(0.05)
    return server


@pytest.mark.parametrize("fault", ["lose", "cut", "throttle", "broken", "garbled"])
async def test_a_sender_leaves_to_the_sdk_what_is_not_plainly_answered(
    proxy: Proxy, queue: Queue, fault: str
) -> None:
    proxy.next("SendMessageBatch", fault)

    with ADAPTER.open_sender(f"sqs://?endpoint_url={proxy.url}", SystemClock()) as sender:
        answers = await asyncio.to_thread(sender.send, queue.name, [message(b"plain")])

    assert answers == [None]
    assert proxy.asked["SendMessageBatch"] >= 2
    assert {each.body for each in await take(queue, 1)} == {b"plain"}


async def test_a_sender_sends_entries_again_that_fail(proxy: Proxy, queue: Queue) -> None:
    proxy.fault = lambda operation, _: "entries" if operation == "SendMessageBatch" else None

    with ADAPTER.open_sender(f"sqs://?endpoint_url={proxy.url}", SystemClock()) as sender:
        answers = await asyncio.to_thread(sender.send, queue.name, numbered(12))

    assert answers == [None] * 12
    assert {each.body for each in await take(queue, 12)} == {b"%d" % n for n in range(12)}


async def test_what_is_no_text_leaves_a_sender_as_it_came(proxy: Proxy, queue: Queue) -> None:
    body = bytes(range(256))

    with ADAPTER.open_sender(f"sqs://?endpoint_url={proxy.url}", SystemClock()) as sender:
        await asyncio.to_thread(sender.send, queue.name, [message(body)])

    (came,) = await take(queue, 1)
    assert came.body == body
    assert proxy.asked["SendMessageBatch"] == 1


FORKING = """
import os, sys
from longshore.clock import SystemClock
from longshore.identity import TaskIds
from longshore.queue import Outgoing
from longshore_adapters.sqs import ADAPTER

url, name = sys.argv[1:]
with ADAPTER.open_sender(url, SystemClock()) as sender:
    sender.send(name, [Outgoing(key=TaskIds()(), body=b"parent")])
    child = os.fork()
    if not child:
        sender.send(name, [Outgoing(key=TaskIds()(), body=b"child")])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    sender.send(name, [Outgoing(key=TaskIds()(), body=b"parent again")])
"""


async def test_a_fork_sends_over_connections_of_its_own(proxy: Proxy, queue: Queue) -> None:
    words = [sys.executable, "-c", FORKING, f"sqs://?endpoint_url={proxy.url}", queue.name]

    ran = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, check=False, text=True, timeout=50
    )

    assert ran.returncode == 0, ran.stderr
    came = zip(proxy.bodies, proxy.peers, strict=True)
    parent, child, again = (at for (asked, _), at in came if asked == "SendMessageBatch")
    assert parent == again != child
