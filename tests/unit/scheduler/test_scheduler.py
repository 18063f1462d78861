"""Due tasks run once, whoever leads, whoever dies, and whatever the clock does."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.conformance import FlakyQueue, FlakyTaskLog
from longshore.draft import EnqueueOptions
from longshore.errors import ConfigurationError, UnavailableError
from longshore.protocol import Claim, Record
from longshore.scheduler import Scheduler
from longshore.scheduler.publishing import BATCH, MOST
from longshore.task import TaskState
from tests.unit.scheduler.conftest import LEASE, Site

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.task import Task

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ran(site: Site) -> list[int]:
    """Declare a task that says when it ran: on the loop, for a thread takes real time.

    While one is slow to begin, a clock of ours may pass its lease.
    """
    said: list[int] = []

    async def note(number: int) -> None:
        said.append(number)

    site.yard.task(note, name="note")
    return said


async def waiting(site: Site, count: int, wait: timedelta = MINUTE, queue: str = "default") -> None:
    """Leave tasks in the log that are due later, as where the broker cannot delay."""
    task = await site.yard.enqueue(
        site.yard.registry.get("note"),
        424242,
        options=EnqueueOptions(delay="1000 days", queue=queue),
    )
    row = await site.yard.row(task)
    ids = [site.ports.ids() for _ in range(count)]
    body = row.spec.body
    records = [
        Record(
            spec=replace(
                row.spec,
                id=one,
                body=body.replace(task.encode(), one.encode()).replace(b"424242", b"%d" % number),
            ),
            state=TaskState.SCHEDULED,
            due_at=site.clock.now() + wait,
            armed=True,
        )
        for number, one in enumerate(ids)
    ]
    await site.yard.healthy.task_log.record(records)
    await site.yard.cancel(task)


# ------------------------------------------------------------------------------------- two at once


async def test_with_two_schedulers_each_due_task_runs_once(site: Site, ran: list[int]) -> None:
    """Both lead, for there is no store."""
    site.ports = replace(site.ports, store=None)
    await waiting(site, 20)

    async with site.scheduling("one"), site.scheduling("other"), site.yard.working():
        await site.yard.passes(2 * MINUTE)

    assert Counter(ran) == dict.fromkeys(range(20), 1)


async def test_of_two_that_share_a_store_only_one_looks_for_due_tasks(
    site: Site, ran: list[int]
) -> None:
    asked = Counter[str]()

    class Noting(FlakyTaskLog):
        name = "nobody"

        async def due(self, *, before: datetime, limit: int) -> list[Task]:
            asked[self.name] += 1
            return await super().due(before=before, limit=limit)

    ports = site.ports
    async with AsyncExitStack() as stack:
        for name in ("one", "other"):
            log = Noting(site.yard.healthy.task_log, site.yard.log_plan)
            log.name = name
            site.ports = replace(ports, task_log=log)
            await stack.enter_async_context(site.scheduling(name))
        await site.yard.passes(60)

    assert set(asked) == {"one"}


async def test_a_killed_leader_is_followed_within_two_leases_and_nothing_is_lost(
    site: Site, ran: list[int]
) -> None:
    await waiting(site, 5, wait=timedelta(seconds=3))
    await site.killed("dead")

    async with site.scheduling("heir"), site.yard.working():
        await site.yard.passes(2 * LEASE)

    assert Counter(ran) == dict.fromkeys(range(5), 1)


async def test_a_leader_that_dies_between_sending_and_saying_so_makes_no_second_run(
    site: Site, ran: list[int]
) -> None:
    await waiting(site, 5)
    await site.yard.passes(MINUTE)
    site.yard.log_plan.fail_next("transition")
    await site.killed("dead")
    assert (await site.yard.depth()).ready == 5

    async with site.scheduling("heir"), site.yard.working():
        await site.yard.passes(2 * LEASE)

    assert Counter(ran) == dict.fromkeys(range(5), 1)


async def test_without_the_store_due_tasks_are_published_all_the_same(
    site: Site, ran: list[int]
) -> None:
    await waiting(site, 5)
    site.store_plan.sleep()

    async with site.scheduling("one"), site.scheduling("other"), site.yard.working():
        await site.yard.passes(2 * MINUTE)

    assert Counter(ran) == dict.fromkeys(range(5), 1)


async def test_stopping_ends_it_and_lets_another_lead(site: Site, ran: list[int]) -> None:
    async with site.scheduling("one"):
        await site.yard.passes(5)
    await waiting(site, 1, wait=timedelta(seconds=1))

    async with site.scheduling("other"), site.yard.working():
        await site.yard.passes(3)

    assert ran == [0]


# ------------------------------------------------------------------------------ due, late, expired


async def test_tasks_are_published_in_the_second_they_are_due(site: Site, ran: list[int]) -> None:
    await waiting(site, 1, wait=timedelta(seconds=30))

    async with site.scheduling():
        await site.yard.passes(29)
        early = (await site.yard.depth()).ready
        await site.yard.passes(2)
        due = (await site.yard.depth()).ready

    assert (early, due) == (0, 1)


async def test_tasks_past_their_deadline_expire_without_any_worker(
    site: Site, ran: list[int]
) -> None:
    await waiting(site, 1, wait=MINUTE)
    (row,) = [row for row in await site.yard.rows() if row.state is TaskState.SCHEDULED]
    spec = replace(row.spec, id=site.ports.ids(), expires_at=site.clock.now() + MINUTE / 2)
    record = Record(spec=spec, state=TaskState.SCHEDULED, due_at=row.due_at, armed=True)
    await site.yard.healthy.task_log.record([record])

    async with site.scheduling() as scheduler:
        await site.yard.passes(2 * MINUTE)

    assert await site.yard.state(spec.id) == "expired"
    assert (scheduler.tally.expired, scheduler.tally.published) == (1, 1)


async def test_no_more_rows_are_asked_for_than_a_batch_however_many_wait(
    site: Site, ran: list[int]
) -> None:
    await waiting(site, 3 * BATCH + 1)
    await waiting(site, 100, wait=DAY)
    sizes: list[tuple[int, int]] = []

    class Measuring(FlakyTaskLog):
        async def due(self, *, before: datetime, limit: int) -> list[Task]:
            rows = await super().due(before=before, limit=limit)
            sizes.append((limit, len(rows)))
            return rows

    log = Measuring(site.yard.healthy.task_log, site.yard.log_plan)
    site.ports = replace(site.ports, task_log=log)
    await site.yard.passes(MINUTE)
    async with site.scheduling() as scheduler:
        await site.yard.turn()

    assert {limit for limit, _ in sizes} == {BATCH}
    assert [found for _, found in sizes if found] == [BATCH, BATCH, BATCH, 1]
    assert scheduler.tally.published == 3 * BATCH + 1


@pytest.mark.parametrize("raises", [True, False])
async def test_a_queue_that_takes_nothing_keeps_no_other_waiting(
    site: Site, ran: list[int], *, raises: bool
) -> None:
    """Its rows stay due, come first, and are more than a batch."""
    inner = site.ports.queue

    class Down(FlakyQueue):
        async def send(self, messages: Any) -> Any:
            await asyncio.sleep(0)
            error = UnavailableError("away")
            if raises:
                raise error
            return [error for _ in messages]

    await waiting(site, 2 * BATCH, wait=MINUTE, queue="down")
    await waiting(site, 10, wait=MINUTE + timedelta(seconds=1))
    site.ports = replace(
        site.ports,
        queue=lambda name: (
            Down(inner(name), site.yard.queue_plan) if name == "down" else inner(name)
        ),
    )
    async with site.scheduling(), site.yard.working():
        await site.yard.passes(2 * MINUTE)

    assert Counter(ran) == dict.fromkeys(range(10), 1)


@pytest.mark.parametrize("raises", [True, False])
async def test_a_crowd_that_cannot_be_sent_keeps_no_other_waiting(
    site: Site, ran: list[int], *, raises: bool
) -> None:
    """It is larger than what is ever looked at, and is sent once its queue takes it."""
    inner = site.ports.queue
    down = True

    class Missing(FlakyQueue):
        async def send(self, messages: Any) -> Any:
            error = ConfigurationError("there is no such queue")
            if not down:
                return await super().send(messages)
            if raises:
                raise error
            return [error for _ in messages]

    await waiting(site, MOST, wait=MINUTE, queue="down")
    await waiting(site, 10, wait=MINUTE + timedelta(seconds=1))
    site.ports = replace(
        site.ports,
        queue=lambda name: (
            Missing(inner(name), site.yard.queue_plan) if name == "down" else inner(name)
        ),
    )
    async with site.scheduling(), site.yard.working():
        await site.yard.passes(MINUTE)
        await site.yard.passes(20)
        early = Counter(ran)
        down = False
        await site.yard.passes(2 * MINUTE, step=10)
        depth = await site.yard.depth("down")

    assert early == dict.fromkeys(range(10), 1)
    assert depth.ready == MOST


async def test_what_cannot_be_sent_makes_the_batch_no_larger_than_the_most(
    site: Site, ran: list[int]
) -> None:
    asked: list[int] = []

    class Down(FlakyTaskLog):
        async def due(self, *, before: datetime, limit: int) -> list[Task]:
            asked.append(limit)
            raise UnavailableError("away")

    log = Down(site.yard.healthy.task_log, site.yard.log_plan)
    site.ports = replace(site.ports, task_log=log)
    async with site.scheduling():
        await site.yard.passes(20)

    assert max(asked) == MOST


async def test_a_chore_that_fails_keeps_no_other_from_its_turn(site: Site, ran: list[int]) -> None:
    await waiting(site, 1, wait=MINUTE)
    site.yard.log_plan.fail_next("stats", n=1000)
    site.yard.log_plan.fail_next("prune", n=1000)

    async with site.scheduling(keep={TaskState.FAILED: DAY}), site.yard.working():
        await site.yard.passes(2 * MINUTE)

    assert ran == [0]


# ---------------------------------------------------------------------------------------- one pass


async def test_once_does_everything_whoever_leads(together: Site) -> None:
    yard = together.yard
    done = await yard.enqueue(echo)
    await yard.drain()
    await yard.passes(2 * DAY, step=DAY.total_seconds())
    lost = await yard.enqueue(yard.registry.get("echo"))
    queue = yard.healthy.queue("default")
    await queue.ack(await queue.receive(limit=1, wait=timedelta(0), lease=MINUTE))
    await yard.passes(10, step=10)

    async with together.scheduling("leader"):
        pass
    await together.killed("leader")
    one = together.scheduler("other", keep={TaskState.SUCCEEDED: DAY})
    first = replace(await one.once())
    await yard.passes(3 * MINUTE, step=60)
    second = await together.scheduler("cron").once()

    assert (first.pruned, first.armed) == (1, 0)
    assert (second.pruned, second.armed, second.published) == (0, 1, 1)
    assert await yard.state(done) == "none"
    assert (await yard.row(lost)).audits == 1


async def test_once_raises_what_a_port_raises(site: Site) -> None:
    site.yard.log_plan.fail_next("due")

    with pytest.raises(UnavailableError):
        await site.scheduler().once()


async def test_it_is_made_of_ports_alone_as_a_worker_makes_it(site: Site) -> None:
    running = asyncio.ensure_future(Scheduler(site.ports, every=0.5).run())
    await site.yard.passes(3)

    running.cancel()
    (ended,) = await asyncio.gather(running, return_exceptions=True)

    assert isinstance(ended, asyncio.CancelledError)


# ------------------------------------------------------------------------------- clocks that jump


async def echo() -> str:
    return "done"


async def abandoned(site: Site) -> TaskId:
    """Let a worker claim a task and die; its message is back in the queue."""
    task = await site.yard.enqueue(echo)
    row = await site.yard.row(task)
    claim = Claim(
        spec=row.spec,
        claim_id="dead",
        worker="elsewhere:1",
        lease=timedelta(seconds=30),
        due_at=row.due_at,
    )
    (answer,) = await site.yard.healthy.task_log.claim([claim])
    assert answer.answer == "won"
    return task


async def test_a_lease_in_the_far_future_is_cut_by_the_worker_that_meets_it(site: Site) -> None:
    """The clock was set back by a day: its owner is dead, and nobody waits a day to see it.

    The message comes from a broker that goes by a clock of its own.
    """
    task = await abandoned(site)
    site.clock.set(site.clock.now() - DAY)
    await site.yard.send((await site.yard.row(task)).spec.body, key=task)

    async with site.yard.working(), site.scheduling():
        await site.yard.passes(5)
        cut = await site.yard.row(task)
        until = cut.lease_until
        assert until is not None
        soon = until - site.clock.now()
        await site.yard.passes(2 * MINUTE)

    assert cut.state is TaskState.RUNNING
    assert soon <= timedelta(seconds=30)
    row = await site.yard.row(task)
    assert row.finished_at is not None
    assert (row.state, await site.yard.outcomes(task)) == (
        TaskState.SUCCEEDED,
        ["lost", "succeeded"],
    )


async def test_a_jump_forward_makes_a_rescue_and_no_second_commit(site: Site) -> None:
    release, runs = asyncio.Event(), list[int]()

    async def slow() -> int:
        runs.append(len(runs))
        if len(runs) == 1:
            await release.wait()
        return len(runs)

    task = await site.yard.enqueue(slow)
    async with site.yard.working(), site.scheduling():
        await site.yard.until(lambda: bool(runs))
        site.clock.set(site.clock.now() + DAY)
        async with site.yard.working(site.yard.rival()):
            await site.yard.reaches(task, "succeeded", moving=True)
        release.set()
        await site.yard.passes(60)

    row = await site.yard.row(task)
    outcomes = await site.yard.outcomes(task)
    assert (row.state, row.token, row.result) == (TaskState.SUCCEEDED, 2, b"2")
    assert outcomes == ["lost", "succeeded"]


@pytest.mark.parametrize("jump", [-DAY, DAY], ids=["back", "forward"])
async def test_tasks_that_wait_in_the_log_run_once_though_the_clock_jumps(
    site: Site, ran: list[int], jump: timedelta
) -> None:
    await waiting(site, 5)

    async with site.scheduling("one"), site.scheduling("other"), site.yard.working():
        await site.yard.passes(30)
        site.clock.set(site.clock.now() + jump)
        await site.yard.passes(2 * MINUTE)
        early = list(ran)
        await site.yard.passes(DAY, step=600)

    assert len(early) == (0 if jump < timedelta(0) else 5)
    assert Counter(ran) == dict.fromkeys(range(5), 1)
