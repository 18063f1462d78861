"""A host's clock that jumps back: what was held under the later time is not held for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.clock import ManualClock
from longshore.identity import TaskIds
from longshore.queue import Outgoing
from longshore_adapters.sqlite import ADAPTER

if TYPE_CHECKING:
    from pathlib import Path

    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend

LEASE = timedelta(seconds=30)
NO_WAIT = timedelta(0)
HOUR = timedelta(hours=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/clock.db"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def queue_of(backend: Backend) -> Queue:
    assert backend.queue is not None
    return backend.queue("default")


async def receive(queue: Queue) -> list[Delivery]:
    return await queue.receive(limit=10, wait=NO_WAIT, lease=LEASE)


@pytest.mark.parametrize("anew", [False, True], ids=["the same process", "a new process"])
async def test_what_a_dead_holder_took_before_the_jump_comes_back_after_a_lease(
    url: str, clock: ManualClock, *, anew: bool
) -> None:
    async with ADAPTER.open(url, clock) as backend:
        queue = queue_of(backend)
        await queue.send([Outgoing(key=TaskIds()(), body=b"{}")])
        await receive(queue)

        clock.set(clock.now() - HOUR)
        if anew:
            async with ADAPTER.open(url, clock) as other:
                at_once = await receive(queue_of(other))
        else:
            at_once = await receive(queue)
        clock.advance(LEASE + timedelta(seconds=1))
        after = await receive(queue)

    assert at_once == []
    assert [one.receives for one in after] == [2]


async def test_a_message_for_later_keeps_its_time_when_the_clock_jumps_back(
    url: str, clock: ManualClock
) -> None:
    async with ADAPTER.open(url, clock) as backend:
        queue = queue_of(backend)
        await queue.send([Outgoing(key=TaskIds()(), body=b"{}", delay=HOUR)])
        await receive(queue)

        clock.set(clock.now() - HOUR)
        await receive(queue)
        clock.advance(HOUR)
        early = await receive(queue)
        clock.advance(HOUR)
        due = await receive(queue)

    assert (len(early), len(due)) == (0, 1)


async def test_a_live_holder_keeps_its_message_over_the_jump(url: str, clock: ManualClock) -> None:
    async with ADAPTER.open(url, clock) as backend:
        queue = queue_of(backend)
        await queue.send([Outgoing(key=TaskIds()(), body=b"{}")])
        held = await receive(queue)

        clock.set(clock.now() - HOUR)
        others = await receive(queue)
        for _ in range(6):
            clock.advance(LEASE / 3)
            assert await queue.extend(held, lease=LEASE) == [None]
            others += await receive(queue)

    assert others == []
