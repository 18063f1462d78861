"""Brokers without leases: what nobody in a worker holds any more goes back from there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.conformance.faults import GatedQueue
from longshore.errors import StorageError
from longshore.policy import LEASE
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.unit.yard import Yard


@pytest.fixture
async def tied() -> AsyncIterator[Yard]:
    """A broker whose deliveries belong to a connection, and a log apart from it."""
    none = timedelta(0)
    async with open_yard(
        together=False, leases=False, max_delay=none, max_release_delay=none
    ) as yard:
        yield yard


async def echo(text: str) -> str:
    return text


async def test_a_task_that_was_lost_here_runs_again_though_the_broker_has_no_leases(
    tied: Yard,
) -> None:
    """Within two leases of the last renewal, as everywhere."""

    async def handler() -> None:
        began.append(tied.clock.monotonic())
        if len(began) == 1:
            await asyncio.Event().wait()

    began: list[float] = []
    task = await tied.enqueue(handler)
    async with tied.working():
        await tied.reaches(task, "running")
        tied.log_plan.sleep()
        await tied.passes(LEASE)
        tied.log_plan.wake()
        await tied.reaches(task, "succeeded", moving=True)

    assert await tied.outcomes(task) == ["lost", "succeeded"]
    assert began[1] - began[0] <= 2 * LEASE.total_seconds()


class RefusedOnce:
    """A gate behind which the first release fails, and not for want of an answer."""

    def __init__(self) -> None:
        self.refused = 0

    async def through(self, verb: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if verb == "release" and not self.refused:
            self.refused += 1
            raise StorageError("refused, as planned by the test")
        return await call()


async def test_a_broker_that_refuses_to_take_back_ends_no_worker(tied: Yard) -> None:
    async def handler() -> None:
        began.append("once")
        if len(began) == 1:
            await asyncio.Event().wait()

    began, gate, inside = list[str](), RefusedOnce(), tied.ports.queue
    tied.ports = replace(tied.ports, queue=lambda name: GatedQueue(inside(name), gate))
    task = await tied.enqueue(handler)
    async with tied.working():
        await tied.reaches(task, "running")
        tied.log_plan.sleep()
        await tied.passes(LEASE)
        tied.log_plan.wake()
        await tied.reaches(task, "succeeded", moving=True)

    assert gate.refused == 1
    assert await tied.outcomes(task) == ["lost", "succeeded"]


async def test_a_message_stays_in_hand_while_its_task_runs(tied: Yard) -> None:
    async def handler() -> None:
        began.append("once")
        await release.wait()

    release, began = asyncio.Event(), list[str]()
    task = await tied.enqueue(handler)
    async with tied.working():
        await tied.reaches(task, "running")
        await tied.passes(5 * LEASE)
        held = await tied.depth()
        release.set()
        await tied.reaches(task, "succeeded")

    assert (held.ready, held.in_flight) == (0, 1)
    assert began == ["once"]
    assert (await tied.depth()).in_flight == 0


async def test_a_message_that_could_not_be_buried_is_buried_later(tied: Yard) -> None:
    tied.queue_plan.fail_next("reject")
    await tied.send(b"not an event")

    async with tied.working():
        await tied.passes(LEASE)
        letters = await tied.letters()

    assert [one.body for one in letters] == [b"not an event"]
    assert (await tied.depth()).in_flight == 0


async def test_a_message_whose_park_was_not_answered_is_claimed_again(tied: Yard) -> None:
    """The log was away just then: the copy of what another worker runs waits here for its turn."""

    async def handler() -> None:
        await release.wait()

    release = asyncio.Event()
    task = await tied.enqueue(handler)
    row = await tied.row(task)
    assert row.body is not None
    async with tied.working(name="one", concurrency=1):
        await tied.reaches(task, "running")
        tied.log_plan.fail_next("transition")
        await tied.send(row.body, key=task)
        async with tied.working(name="two"):
            await tied.passes(LEASE)
            parked = await tied.row(task)
            held = await tied.depth()
            release.set()
            await tied.reaches(task, "succeeded")

    assert parked.wake_at is not None
    assert (held.ready, held.in_flight) == (0, 1)
