"""Old rows go, a few at a time, and none of which a message may come."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.conformance import FlakyTaskLog
from longshore.protocol import Record, Verb
from longshore.retry import Retry
from longshore.scheduler.prune import BATCH
from longshore.task import FINAL, TaskState
from tests.unit.scheduler.conftest import Site

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.task import Task

DAY = timedelta(days=1)
NONE = timedelta(0)
EVERY: Mapping[TaskState, timedelta] = dict.fromkeys(FINAL, DAY)


def echo() -> str:
    return "done"


async def ended(site: Site) -> dict[TaskState, TaskId]:
    """Leave a task of each end."""

    async def fails() -> None:
        raise ValueError("no")

    yard = site.yard
    succeeded = await yard.enqueue(echo)
    failed = await yard.enqueue(yard.task(fails, retry=Retry(attempts=1)))
    await yard.drain()
    cancelled = await yard.enqueue(yard.registry.get("echo"))
    await yard.cancel(cancelled)
    await yard.drain()
    return {
        TaskState.SUCCEEDED: succeeded,
        TaskState.FAILED: failed,
        TaskState.CANCELLED: cancelled,
    }


async def left(site: Site, tasks: Mapping[TaskState, TaskId]) -> set[TaskState]:
    return {state for state, task in tasks.items() if await site.yard.state(task) != "none"}


async def pruned(site: Site, **options: Any) -> None:
    """Let a scheduler look once."""
    async with site.scheduling(**options):
        await site.yard.turn()


async def days(site: Site, count: float) -> None:
    await site.yard.passes(count * DAY, step=DAY.total_seconds())


async def test_each_state_is_kept_as_long_as_it_is_said(together: Site) -> None:
    tasks = await ended(together)
    keep = {TaskState.SUCCEEDED: 2 * DAY, TaskState.FAILED: 4 * DAY}

    seen = []
    async with together.scheduling(keep=keep):
        for _ in range(5):
            await days(together, 1)
            await together.yard.passes(60)
            seen.append(await left(together, tasks))

    everything = set(tasks)
    assert seen[0] == everything
    assert seen[1] == seen[2] == everything - {TaskState.SUCCEEDED}
    assert seen[3] == seen[4] == {TaskState.CANCELLED}


async def test_a_state_without_an_age_is_kept_for_ever(together: Site) -> None:
    tasks = await ended(together)
    await days(together, 10_000)

    await pruned(together)

    assert await left(together, tasks) == set(tasks)


async def test_apart_nothing_is_removed_before_the_brokers_let_go_of_their_messages(
    site: Site,
) -> None:
    tasks = await ended(site)

    seen = []
    async with site.scheduling(keep=EVERY, message_retention=5 * DAY):
        for _ in range(5):
            await days(site, 1)
            await site.yard.passes(60)
            seen.append(len(await left(site, tasks)))

    assert seen == [3, 3, 3, 3, 0]


async def test_together_a_row_stays_while_a_message_of_it_stands(together: Site) -> None:
    """Else the message would be adopted, and the task run again."""
    ran = list[str]()

    def once() -> None:
        ran.append("once")

    task = await together.yard.enqueue(once)
    await together.yard.drain()
    row = await together.yard.row(task)
    await together.yard.send(row.spec.body, key=task)
    await days(together, 40)

    await pruned(together, keep=EVERY)
    stood = await together.yard.state(task)
    await together.yard.drain()
    await pruned(together, keep=EVERY)

    assert stood == "succeeded"
    assert await together.yard.state(task) == "none"
    assert ran == ["once"]


async def test_what_has_not_ended_is_never_removed(together: Site) -> None:
    task = await together.yard.enqueue(echo)
    await together.yard.operator.one(Verb.PAUSE, task)
    await days(together, 1000)

    await pruned(together, keep=EVERY)

    assert await together.yard.state(task) == "paused"


async def test_rows_go_in_small_batches_and_all_of_them_in_one_round(together: Site) -> None:
    count = 2 * BATCH + 5
    await _finished(together, count)
    await days(together, 2)
    asked = Counter[int]()

    class Counting(FlakyTaskLog):
        async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
            removed = await super().prune(states=states, before=before, limit=limit)
            asked[removed] += 1
            assert limit == BATCH
            return removed

    together.ports = replace(
        together.ports,
        task_log=Counting(together.yard.healthy.task_log, together.yard.log_plan),
    )
    async with together.scheduling(keep=EVERY) as scheduler:
        await together.yard.turn()

    assert scheduler.tally.pruned == count
    assert asked == {BATCH: 2, 5: 1}
    assert await together.yard.rows() == []


async def test_due_tasks_are_published_between_the_batches(together: Site) -> None:
    """A long clearing keeps nobody waiting."""
    await _finished(together, 5 * BATCH)
    await days(together, 2)
    calls = list[str]()

    class Noting(FlakyTaskLog):
        async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
            calls.append("prune")
            return await super().prune(states=states, before=before, limit=limit)

        async def due(self, *, before: datetime, limit: int) -> list[Task]:
            calls.append("due")
            return await super().due(before=before, limit=limit)

    together.ports = replace(
        together.ports, task_log=Noting(together.yard.healthy.task_log, together.yard.log_plan)
    )
    await pruned(together, keep=EVERY)

    assert "".join(call[0] for call in calls).startswith("dpdpdpdpdp")


async def test_a_clock_that_jumps_forward_makes_no_row_old(site: Site) -> None:
    """Of rows kept for a month, a message may still come today."""
    tasks = await ended(site)

    async with site.scheduling(keep=EVERY, message_retention=28 * DAY):
        await site.yard.passes(60)
        site.clock.set(site.clock.now() + 365 * DAY)
        await site.yard.passes(300)
        jumped = await left(site, tasks)
        await days(site, 28)
        await site.yard.passes(120)

    assert jumped == set(tasks)
    assert await left(site, tasks) == set()


async def test_a_clock_that_jumps_back_delays_what_is_removed(site: Site) -> None:
    tasks = await ended(site)

    async with site.scheduling(keep=EVERY, message_retention=NONE):
        await site.yard.passes(60)
        site.clock.set(site.clock.now() - 10 * DAY)
        await days(site, 5)
        early = await left(site, tasks)
        await days(site, 7)

    assert early == set(tasks)
    assert await left(site, tasks) == set()


async def test_an_outage_of_the_log_is_waited_out(together: Site) -> None:
    tasks = await ended(together)
    await days(together, 2)
    together.yard.log_plan.fail_next("prune", n=3)

    async with together.scheduling(keep=EVERY) as scheduler:
        await together.yard.passes(10)

    assert await left(together, tasks) == set()
    assert scheduler.tally.pruned == 3


@pytest.mark.parametrize("kept", [NONE, 10 * DAY])
async def test_a_message_that_comes_within_the_brokers_retention_finds_its_row(
    site: Site, kept: timedelta
) -> None:
    """However short its state is kept: the task is not run a second time."""
    ran = list[str]()

    def once() -> None:
        ran.append("once")

    task = await site.yard.enqueue(once)
    await site.yard.drain()
    body = (await site.yard.row(task)).spec.body

    async with site.scheduling(keep={TaskState.SUCCEEDED: kept}, message_retention=4 * DAY):
        await days(site, 3.9)
        await site.yard.passes(60)
        await site.yard.send(body, key=task)
        await site.yard.drain()

    assert ran == ["once"]


async def _finished(site: Site, count: int) -> None:
    """Leave cancelled rows without messages."""
    task = await site.yard.enqueue(echo)
    await site.yard.drain()
    row = await site.yard.row(task)
    records = [
        Record(
            spec=replace(row.spec, id=site.ports.ids()),
            state=TaskState.CANCELLED,
            due_at=row.due_at,
        )
        for _ in range(count - 1)
    ]
    await site.yard.healthy.task_log.record(records)
