"""Tasks that outlast what the broker lets a message be held: they go on without it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore import Context, RetryLater
from longshore.draft import EnqueueOptions
from longshore.task import TaskState
from tests.unit.yard import Yard, open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOLD = timedelta(minutes=12)
DETACHED = 11 * 60 + 10
"""Seconds after which no message of a task that still runs is left."""


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    async with open_yard(together=False, max_hold=HOLD) as opened:
        yield opened


async def long(ctx: Context) -> str:
    await ctx.clock.sleep(30 * 60)
    return f"token {ctx.fence}"


async def waits() -> None:
    await asyncio.Event().wait()


async def test_a_message_is_let_go_before_the_broker_takes_it_and_the_task_ends_well(
    yard: Yard,
) -> None:
    task = await yard.enqueue(long)

    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(10 * 60)
        before, armed_before = await yard.depth(), (await yard.row(task)).wake_at
        await yard.passes(DETACHED - 10 * 60)
        after, row = await yard.depth(), await yard.row(task)
        await yard.passes(20 * 60)
        ended = await yard.row(task)

    assert (before.in_flight, armed_before) == (1, None)
    assert (after.in_flight, after.ready) == (0, 0)
    assert row.state is TaskState.RUNNING
    assert row.wake_at is not None
    assert row.body
    assert (ended.state, ended.result) == (TaskState.SUCCEEDED, b'"token 1"')
    assert ended.wake_at is None


async def test_a_task_without_its_message_is_rescued_when_its_worker_is_lost(yard: Yard) -> None:
    task = await yard.enqueue(waits)
    lost = asyncio.ensure_future(yard.worker().run())
    await yard.reaches(task, "running")
    await yard.passes(DETACHED)

    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    async with yard.working(publish=True, name="rescuer"):
        await yard.passes(60)
        row = await yard.row(task)

    assert (row.worker, row.token, row.rescues) == ("rescuer", 2, 1)


async def test_a_scheduler_leaves_a_running_task_without_a_message_alone(yard: Yard) -> None:
    task = await yard.enqueue(long)

    async with yard.working(publish=True), yard.working(name="other"):
        await yard.reaches(task, "running")
        await yard.passes(31 * 60)
        row = await yard.row(task)

    assert (row.state, row.token) == (TaskState.SUCCEEDED, 1)
    assert await yard.outcomes(task) == ["succeeded"]


async def test_a_task_without_its_message_is_retried_by_the_log(yard: Yard) -> None:
    async def fails(ctx: Context) -> str:
        if ctx.attempt == 2:
            return "at last"
        await ctx.clock.sleep(DETACHED)
        raise RetryLater("10 minutes")

    task = await yard.enqueue(fails, options=EnqueueOptions(attempts=2))

    async with yard.working(publish=True):
        await yard.reaches(task, "running")
        await yard.passes(DETACHED + 5)
        between, messages = await yard.row(task), await yard.depth()
        await yard.passes(11 * 60)
        row = await yard.row(task)

    assert between.state is TaskState.RETRYING
    assert between.wake_at == between.due_at
    assert (messages.ready, messages.in_flight, messages.delayed) == (0, 0, 0)
    assert row.result == b'"at last"'


async def test_a_log_that_is_away_keeps_the_message_until_it_answers(yard: Yard) -> None:
    task = await yard.enqueue(long)

    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(10 * 60 + 50)
        yard.log_plan.fail_next("transition", n=2)
        await yard.passes(20)
        away = await yard.depth()
        await yard.passes(15)
        back = await yard.depth()

    assert (away.in_flight, back.in_flight) == (1, 0)


async def test_a_queue_that_keeps_the_order_of_groups_keeps_its_messages() -> None:
    async with open_yard(together=False, max_hold=HOLD, grouped=True) as yard:
        task = await yard.enqueue(long)

        async with yard.working():
            await yard.reaches(task, "running")
            await yard.passes(DETACHED)
            depth = await yard.depth()
            await yard.passes(20 * 60)

    assert depth.in_flight == 1
