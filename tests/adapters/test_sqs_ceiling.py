"""SQS holds a message for 12 hours since its receive; asking for more harms no other message."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import ManualClock
from longshore.errors import UnsupportedError
from longshore.identity import TaskIds
from longshore.queue import Outgoing, Release
from longshore_adapters.sqs import ADAPTER
from tests.adapters.sqs_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.queue import Delivery, Queue
    from tests.adapters.sqs_proxy import Proxy

pytestmark = pytest.mark.once

SECOND = timedelta(seconds=1)
MOMENT = timedelta(seconds=5)
LEASE = timedelta(minutes=5)
CEILING = timedelta(hours=12)
OPERATION = "ChangeMessageVisibilityBatch"


@pytest.fixture(params=["localstack_url", "moto_url"])
async def proxy(request: pytest.FixtureRequest, aws_environment: None) -> AsyncIterator[Proxy]:
    endpoint: str = request.getfixturevalue(request.param)
    async with proxied(endpoint) as proxy:
        yield proxy


@pytest.fixture
def clock() -> ManualClock:
    """By which we know how long a message has been held; the server counts by its own."""
    return ManualClock()


@pytest.fixture
async def queue(proxy: Proxy, clock: ManualClock) -> AsyncIterator[Queue]:
    async with ADAPTER.open(f"sqs://?endpoint_url={proxy.url}", clock) as backend:
        assert backend.queue is not None
        queue = backend.queue(f"ceiling-{uuid4().hex[:12]}")
        await queue.declare()
        yield queue
        proxy.fault = lambda _operation, _body: None
        await queue.delete()


async def held(queue: Queue, *bodies: bytes) -> list[Delivery]:
    """Send messages and take them, for a moment."""
    await queue.send([Outgoing(key=TaskIds()(), body=body) for body in bodies])
    taken: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(taken) < len(bodies):
            taken += await queue.receive(limit=10, wait=2 * SECOND, lease=MOMENT)
    return taken


async def visible_again(queue: Queue) -> list[bytes]:
    """What comes, and all that comes, when the moment has passed."""
    again = await queue.receive(limit=10, wait=20 * SECOND, lease=LEASE)
    return [each.body for each in again]


async def test_an_extension_past_twelve_hours_is_refused_by_us_and_the_others_are_extended(
    proxy: Proxy, clock: ManualClock, queue: Queue
) -> None:
    old = await held(queue, b"old")
    clock.advance(CEILING - LEASE + SECOND)
    new = await held(queue, b"new", b"newer")

    answers = await queue.extend([new[0], *old, new[1]], lease=LEASE)

    assert [type(answer) for answer in answers] == [type(None), UnsupportedError, type(None)]
    assert "held for 11:55:01" in str(answers[1])
    assert "12:00:00 since the receive is the limit of SQS (ChangeMessageVis" in str(answers[1])
    asked = [body["Entries"] for name, body in proxy.bodies if name == OPERATION]
    assert [len(entries) for entries in asked] == [2]
    assert await visible_again(queue) == [b"old"]


async def test_the_last_extension_ends_with_the_twelve_hours(
    clock: ManualClock, queue: Queue
) -> None:
    last = await held(queue, b"last")
    clock.advance(CEILING - LEASE)

    assert await queue.extend(last, lease=LEASE) == [None]


async def test_a_release_past_twelve_hours_is_refused_and_one_at_once_is_not(
    proxy: Proxy, clock: ManualClock, queue: Queue
) -> None:
    late, now = await held(queue, b"late", b"now")
    clock.advance(CEILING - LEASE + SECOND)

    answers = await queue.release([Release(delivery=late, delay=LEASE), Release(delivery=now)])

    assert isinstance(answers[0], UnsupportedError)
    assert answers[1] is None
    asked = [body["Entries"] for name, body in proxy.bodies if name == OPERATION]
    assert [[entry["VisibilityTimeout"] for entry in entries] for entries in asked] == [[0]]


async def test_whoever_else_holds_the_delivery_knows_how_long_it_has_been_held(
    proxy: Proxy, clock: ManualClock, queue: Queue
) -> None:
    """A worker's leases are kept by a connection of their own."""
    old = await held(queue, b"old")
    clock.advance(CEILING)

    async with ADAPTER.open(f"sqs://?endpoint_url={proxy.url}", clock) as backend:
        assert backend.queue is not None
        [answer] = await backend.queue(queue.name).extend(old, lease=MOMENT)

    assert isinstance(answer, UnsupportedError)


async def test_where_sqs_finds_it_passed_the_others_are_extended_all_the_same(
    proxy: Proxy, queue: Queue
) -> None:
    """Its clock may be ahead of ours."""
    old, new = await held(queue, b"old", b"new")
    proxy.fault = lambda operation, _body: "ceiling" if operation == OPERATION else None

    answers = await asyncio.gather(
        queue.extend([old], lease=CEILING), queue.extend([new], lease=LEASE)
    )

    assert isinstance(answers[0][0], UnsupportedError)
    assert answers[1] == [None]
    assert await visible_again(queue) == [b"old"]


async def test_where_a_request_is_refused_for_one_of_its_messages_the_others_are_extended(
    moto_url: str, aws_environment: None, clock: ManualClock
) -> None:
    """As moto does it, which counts the twelve hours from the send."""
    async with ADAPTER.open(f"sqs://?endpoint_url={moto_url}", clock) as backend:
        assert backend.queue is not None
        queue = backend.queue(f"ceiling-{uuid4().hex[:12]}")
        await queue.declare()
        old, new = await held(queue, b"old", b"new")

        answers = await asyncio.gather(
            queue.extend([old], lease=CEILING), queue.extend([new], lease=LEASE)
        )

        assert isinstance(answers[0][0], UnsupportedError)
        assert answers[1] == [None]
        await queue.delete()
