"""What the queue's tests share: a queue of their own, and hands that send and take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.conformance.contract import DEADLINE, LONG, Contract, Opened, Time
from longshore.identity import TaskIds
from longshore.queue import Outgoing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from longshore.errors import LongshoreError
    from longshore.queue import Delivery, Depth, Queue

POLL = timedelta(seconds=2)
TRIES = 5
BRIEF = timedelta(seconds=0.2)


def message(body: bytes = b"{}") -> Outgoing:
    """Make a message under a key of its own; vary it with `dataclasses.replace`."""
    return Outgoing(key=TaskIds()(), body=body)


def flat(answers: Sequence[LongshoreError | None]) -> list[type[LongshoreError] | None]:
    """Answers by their types, which is what a test compares."""
    return [None if answer is None else type(answer) for answer in answers]


@dataclass(frozen=True, slots=True)
class Hands:
    """Sends to a queue and takes from it, each within a deadline."""

    queue: Queue
    time: Time

    async def send(self, *messages: Outgoing) -> None:
        """Send what the queue must accept."""
        assert await self.queue.send(messages) == [None] * len(messages)

    async def send_bodies(self, *bodies: bytes) -> None:
        """Send plain messages."""
        await self.send(*(message(body) for body in bodies))

    async def receive(
        self, limit: int = 10, *, lease: timedelta = LONG, wait: timedelta = BRIEF
    ) -> list[Delivery]:
        """Receive once."""
        got = self.queue.receive(limit=limit, wait=wait, lease=lease)
        return await self.time.within(DEADLINE, got)

    async def take(self, count: int = 1, *, lease: timedelta = LONG) -> list[Delivery]:
        """Receive until `count` deliveries are there."""
        taken: list[Delivery] = []
        for _ in range(TRIES):
            taken += await self.receive(count - len(taken), lease=lease, wait=POLL)
            if len(taken) == count:
                return taken
        pytest.fail(f"{len(taken)} of {count} messages came")

    async def take_bodies(self, count: int) -> list[bytes]:
        """Receive one by one; their bodies in the order they came."""
        return [(await self.take())[0].body for _ in range(count)]

    async def drained(self) -> list[Delivery]:
        """Everything that can be received now."""
        taken: list[Delivery] = []
        while more := await self.receive():
            taken += more
        return taken

    async def depth_is(self, expected: Depth) -> None:
        """Wait until the queue counts so; figures it calls approximate are not compared."""
        end = asyncio.get_running_loop().time() + DEADLINE.total_seconds()
        while (seen := exact(await self.queue.depth(), expected)) != expected:
            if asyncio.get_running_loop().time() > end:
                assert seen == expected
            await asyncio.sleep(0.02)


def exact(seen: Depth, expected: Depth) -> Depth:
    """Take the expected figure where the queue calls its own approximate; leave ages out."""
    lags = seen.approximate
    return replace(
        seen,
        ready=expected.ready if "ready" in lags else seen.ready,
        in_flight=expected.in_flight if "in_flight" in lags else seen.in_flight,
        delayed=expected.delayed if "delayed" in lags else seen.delayed,
        dead=expected.dead if "dead" in lags else seen.dead,
        oldest_age=None,
        approximate=frozenset(),
    )


class QueueSetting(Contract):
    """The fixtures of the queue's tests."""

    @pytest.fixture
    def queue_name(self) -> str:
        """Name a queue of this test alone."""
        return f"conformance-{uuid4().hex[:12]}"

    @pytest.fixture
    async def queue(self, backend: Opened, queue_name: str) -> AsyncIterator[Queue]:
        """Declare the queue under test, and delete it in the end."""
        assert backend.queue is not None
        queue = backend.queue(queue_name)
        await queue.declare()
        yield queue
        await queue.delete()

    @pytest.fixture
    def second(self, other: Opened, queue: Queue) -> Queue:
        """Reach the same queue by another connection."""
        assert other.queue is not None
        return other.queue(queue.name)

    @pytest.fixture
    def hands(self, queue: Queue, time: Time) -> Hands:
        """Send and take by the first connection."""
        return Hands(queue, time)

    @pytest.fixture
    def others_hands(self, second: Queue, time: Time) -> Hands:
        """Send and take by the second."""
        return Hands(second, time)
