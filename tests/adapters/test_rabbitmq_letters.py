"""Dead letters beyond what one consumer brings at a time are reached like the first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.identity import TaskIds
from longshore.queue import Outgoing, Queue, Rejection, SupportsDeadLetters
from longshore_adapters.rabbitmq import ADAPTER
from longshore_adapters.rabbitmq.morgue import AT_ONCE
from longshore_adapters.rabbitmq.sieve import OUT_OF_ORDER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.once

BEHIND = AT_ONCE + OUT_OF_ORDER + 100
PORTION = 1000
WAIT = timedelta(seconds=20)


@pytest.fixture
async def queue(rabbitmq_url: str) -> AsyncIterator[Queue]:
    """A queue with more dead letters than a look takes at once."""
    url = f"{rabbitmq_url}?prefix=letters-{uuid4().hex[:8]}-"
    async with ADAPTER.open(url, SystemClock()) as opened:
        assert opened.queue is not None
        queue = opened.queue("q")
        await queue.declare()
        ids, dead = TaskIds(), 0
        while dead < BEHIND:
            await queue.send([Outgoing(key=ids(), body=b"{}") for _ in range(PORTION)])
            came = 0
            while came < PORTION:
                taken = await queue.receive(limit=PORTION, wait=WAIT, lease=WAIT)
                await queue.reject([Rejection(delivery=one, reason="error") for one in taken])
                came += len(taken)
            dead += came
        yield queue
        await queue.delete()


@pytest.mark.timeout(120)
async def test_letters_behind_thousands_of_others_are_listed_sent_again_and_removed(
    queue: Queue,
) -> None:
    assert isinstance(queue, SupportsDeadLetters)
    there = (await queue.depth()).dead
    listed: list[str] = []
    after: str | None = None

    while page := await queue.dead_letters(limit=PORTION, after=after):
        after = page[-1].id
        listed += [letter.id for letter in page]
    redriven = await queue.redrive(listed[-2:-1])
    removed = await queue.discard(listed[-1:])
    depth = await queue.depth()

    assert len(set(listed)) == len(listed) == there
    assert listed == sorted(listed)
    assert (redriven, removed) == ([None], [None])
    assert (depth.ready, depth.dead) == (1, there - 2)
