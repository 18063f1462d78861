"""Servers that are away for a while, at every step of a task's way through a worker."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Context, Report, Retry
from longshore.conformance import FlakyQueue, FlakyTaskLog
from longshore.draft import EnqueueOptions
from longshore.errors import StorageError, UnavailableError
from longshore.publish import Publisher
from longshore.scheduler import Scheduler
from longshore.scheduler.sightings import Sightings
from longshore.task import TaskState
from longshore.task_log import TaskLogCapabilities
from longshore.worker import Limits
from tests.unit.messages import CORE

if TYPE_CHECKING:
    from tests.unit.yard import Yard

ONCE = EnqueueOptions(attempts=1)


async def echo(text: str = "") -> str:
    return text


async def fails() -> None:
    raise ValueError("no")


async def at_work(yard: Yard, seconds: float = 60, **options: Any) -> None:
    """Let a worker work for a while."""
    async with yard.working(**options):
        await yard.passes(seconds)


# ----------------------------------------------------------------------------------------- the log


@pytest.mark.parametrize("fault", ["fail_next", "lose_answer"])
@pytest.mark.parametrize("n", [1, 3])
async def test_a_claim_is_repeated_until_it_is_answered(apart: Yard, fault: str, n: int) -> None:
    task = await apart.enqueue(echo, "x")
    getattr(apart.log_plan, fault)("claim", n)

    await at_work(apart)

    row = await apart.row(task)
    assert (row.state, row.token) == (TaskState.SUCCEEDED, 1)
    assert await apart.outcomes(task) == ["succeeded"]


@pytest.mark.parametrize("fault", ["fail_next", "lose_answer"])
@pytest.mark.parametrize("handler", [echo, fails])
async def test_an_outcome_is_repeated_until_it_is_answered(
    yard: Yard, fault: str, handler: Any
) -> None:
    runs: list[int] = []

    async def counted(ctx: Context) -> object:
        runs.append(ctx.attempt)
        return await handler()

    task = await yard.enqueue(counted, options=ONCE)
    getattr(yard.log_plan, fault)("finish", 3)

    await at_work(yard, 120)

    assert runs == [1]
    assert await yard.state(task) == ("succeeded" if handler is echo else "failed")
    left = await yard.depth()
    assert (left.ready, left.in_flight, left.delayed) == (0, 0, 0)


async def test_a_log_that_is_away_for_minutes_loses_no_outcome(yard: Yard) -> None:
    task = await yard.enqueue(echo, "kept")

    async with yard.working():
        yard.log_plan.sleep()
        await yard.turn()
        if yard.together:  # its claims go by the log, which is asleep
            assert await yard.state(task) == "queued"
        yard.log_plan.wake()
        await yard.passes(2)
        yard.log_plan.sleep()
        await yard.passes(300)
        yard.log_plan.wake()
        await yard.passes(60)
        row = await yard.reaches(task, "succeeded", moving=True)

    assert row.result == b'"kept"'


async def test_an_outcome_that_waits_for_the_log_keeps_its_lease(yard: Yard) -> None:
    """Renewals that get through while finishes do not keep the task ours."""
    task = await yard.enqueue(echo, "kept")
    yard.log_plan.fail_next("finish", n=30)

    async with yard.working():
        await yard.passes(100)
        token = (await yard.row(task)).token
        row = await yard.reaches(task, "succeeded", moving=True)

    assert token == 1
    assert row.rescues == 0
    assert await yard.outcomes(task) == ["succeeded"]


async def test_receiving_pauses_while_too_many_outcomes_wait(apart: Yard) -> None:
    definition = apart.task(echo)
    for _ in range(200):
        await apart.enqueue(definition)
    apart.log_plan.fail_next("finish", n=1000)

    async with apart.working(concurrency=2):
        await apart.passes(20)
        held = (await apart.depth()).in_flight
        apart.log_plan._failing.clear()  # noqa: SLF001 - the only way to end a planned outage early
        await apart.passes(60)

    assert held < 60
    assert {row.state for row in await apart.rows()} == {TaskState.SUCCEEDED}


async def test_progress_that_cannot_be_written_harms_nothing(yard: Yard) -> None:
    async def handler(ctx: Context) -> str:
        ctx.progress(0.5)
        await ctx.clock.sleep(5)
        return "done"

    task = await yard.enqueue(handler)
    yard.log_plan.fail_next("note", n=10)
    await at_work(yard, 30)

    assert await yard.state(task) == "succeeded"


async def test_a_stop_waits_for_the_log_no_longer_than_its_grace(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[int] = []

    async def handler(ctx: Context) -> int:
        runs.append(ctx.fence)
        return ctx.fence

    task = await yard.enqueue(handler)
    yard.log_plan.fail_next("finish", n=10_000)
    worker = yard.worker(grace=timedelta(seconds=10))
    running = asyncio.ensure_future(worker.run())
    await yard.reaches(task, "running")
    await yard.turn()
    worker.stop()
    await yard.passes(12)
    stopped = await yard.done(running)
    async with yard.working(yard.rival()):
        await yard.passes(60)
        row = await yard.row(task)

    assert stopped.reason == "drained"
    assert "1 outcomes were not written" in caplog.text
    assert runs == [1, 2]
    assert (row.state, row.result) == (TaskState.SUCCEEDED, b"2")


async def test_a_second_stop_does_not_wait_for_the_log(yard: Yard) -> None:
    task = await yard.enqueue(echo)
    yard.log_plan.fail_next("finish", n=10_000)
    worker = yard.worker(grace=timedelta(hours=1))
    running = asyncio.ensure_future(worker.run())
    await yard.reaches(task, "running")
    await yard.turn()
    worker.stop()
    await yard.passes(5)
    assert not running.done()
    worker.stop()
    await yard.passes(2)

    assert running.done()
    yard.left_in_flight = 1


# -------------------------------------------------------------------------------------- the broker


@pytest.mark.parametrize("fault", ["fail_next", "lose_answer"])
async def test_receiving_goes_on_after_an_outage(yard: Yard, fault: str) -> None:
    task = await yard.enqueue(echo, "x")
    getattr(yard.queue_plan, fault)("receive", 3)

    await at_work(yard, 120)

    assert await yard.outcomes(task) == ["succeeded"]
    assert (await yard.depth()).ready == 0


@pytest.mark.parametrize("fault", ["fail_next", "lose_answer"])
@pytest.mark.parametrize("n", [1, 100])
async def test_a_message_that_cannot_be_acknowledged_makes_no_second_run(
    apart: Yard, fault: str, n: int
) -> None:
    task = await apart.enqueue(echo, "x")
    getattr(apart.queue_plan, fault)("ack", n)

    async with apart.working():
        await apart.passes(20)
        early = await apart.depth()
        apart.queue_plan._failing.clear()  # noqa: SLF001 - the only way to end a planned outage early
        apart.queue_plan._losing.clear()  # noqa: SLF001 - as above
        await apart.passes(60)

    left = await apart.depth()
    assert early.in_flight == (n == 100 and fault == "fail_next")
    assert (left.ready, left.in_flight) == (0, 0)
    assert await apart.outcomes(task) == ["succeeded"]


async def test_a_dead_letter_is_written_when_the_broker_is_back(apart: Yard) -> None:
    task = await apart.enqueue(fails, options=ONCE)
    apart.queue_plan.fail_next("reject", n=3)

    await at_work(apart, 10)

    (letter,) = await apart.letters()
    assert (letter.key, letter.stamp) == (task, 0)


async def test_an_unreadable_message_waits_for_a_broker_that_is_away(apart: Yard) -> None:
    await apart.send(b"damaged")
    good = await apart.enqueue(echo)
    apart.queue_plan.fail_next("reject")

    await at_work(apart, 60)

    assert await apart.state(good) == "succeeded"
    assert [letter.body for letter in await apart.letters()] == [b"damaged"]


async def test_what_was_won_begins_though_what_was_lost_cannot_be_settled(apart: Yard) -> None:
    done = await apart.enqueue(echo, "first")
    await apart.drain()
    row = await apart.row(done)
    await apart.send(row.spec.body, key=done)
    fresh = await apart.enqueue(apart.registry.get("echo"), "second")
    apart.queue_plan.fail_next("ack", n=1000)

    async with apart.working():
        await apart.turn()
        state = await apart.state(fresh)
        apart.queue_plan._failing.clear()  # noqa: SLF001 - the only way to end a planned outage early
        await apart.passes(60)

    assert state == "succeeded"
    assert (await apart.depth()).ready == 0


async def test_a_burst_gives_a_queue_up_that_does_not_answer_for_its_grace(apart: Yard) -> None:
    apart.queue_plan.sleep()
    began = apart.clock.monotonic()

    with pytest.raises(UnavailableError):
        await apart.done(apart.worker(burst=True, grace=timedelta(seconds=10)).run())

    assert 10 <= apart.clock.monotonic() - began < 15


async def test_a_burst_outlives_a_short_outage(apart: Yard) -> None:
    await apart.enqueue(echo, "x")
    apart.queue_plan.fail_next("receive", 3)

    stopped = await apart.done(apart.worker(burst=True).run())

    assert stopped.done == 1


async def test_a_queue_that_does_not_answer_is_not_told_each_second(
    apart: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    apart.queue_plan.sleep()

    async with apart.working():
        await apart.passes(65)
        apart.queue_plan.wake()

    said = [one for one in caplog.messages if "does not answer" in one]
    assert len(said) == 3


@pytest.mark.parametrize(("seconds", "known"), [(5, True), (45, False)])
async def test_lost_messages_are_looked_for_soon_after_an_outage_where_looks_are_rare(
    apart: Yard, *, seconds: int, known: bool
) -> None:
    class Costly(FlakyTaskLog):
        @property
        def capabilities(self) -> TaskLogCapabilities:
            return replace(super().capabilities, indexed=False)

    log = Costly(apart.healthy.task_log, apart.log_plan)
    apart.ports = replace(apart.ports, task_log=log)
    assert apart.ports.store is not None
    sightings = Sightings(apart.ports.store)
    await sightings.look(apart.clock.now())

    async with apart.working(publish=False):
        await apart.passes(1)
        apart.queue_plan.sleep()
        await apart.passes(seconds)
        apart.queue_plan.wake()
        await apart.passes(30)

    assert (await sightings.looked() is not None) == known


async def test_an_outage_of_one_queue_is_none_of_the_others(apart: Yard) -> None:
    inner = apart.ports.queue

    class Down(FlakyQueue):
        async def receive(self, **options: Any) -> Any:
            await asyncio.sleep(0)
            raise UnavailableError(str(options))

    apart.ports = replace(
        apart.ports,
        queue=lambda name: Down(inner(name), apart.queue_plan) if name == "down" else inner(name),
    )
    task = await apart.enqueue(echo)

    await at_work(apart, 10, queues=("down", "default"))

    assert await apart.state(task) == "succeeded"


# ---- what cannot be waited out


class Full(FlakyTaskLog):
    """A log whose disk fills up."""

    full = False

    async def claim(self, claims: Any) -> Any:
        if self.full:
            message = "the disk is full"
            raise StorageError(message)
        return await super().claim(claims)


async def test_a_full_disk_ends_the_worker_with_its_reason_and_loses_nothing(
    apart: Yard,
) -> None:
    log = Full(apart.healthy.task_log, apart.log_plan)
    apart.ports = replace(apart.ports, task_log=log)
    release = asyncio.Event()

    async def handler() -> str:
        await release.wait()
        return "finished"

    definition = apart.task(handler)
    first = await apart.enqueue(definition)
    running = asyncio.ensure_future(apart.worker().run())
    await apart.reaches(first, "running")
    log.full = True
    second = await apart.enqueue(definition)
    await apart.turn()
    assert not running.done()
    release.set()
    with pytest.raises(StorageError, match="disk is full"):
        await apart.done(running)
    async with apart.working(apart.rival()):
        await apart.passes(60)

    assert (await apart.row(first)).result == b'"finished"'
    assert await apart.outcomes(first) == ["succeeded"]
    assert await apart.outcomes(second) == ["succeeded"]


async def test_an_end_too_large_for_the_log_is_kept_without_its_weight(yard: Yard) -> None:
    async def handler(ctx: Context) -> str:
        ctx.report.info("a note")
        return "x" * 20_000_000

    task = await yard.enqueue(handler)
    await yard.drain(limits=Limits(result=100_000_000))

    row = await yard.row(task)
    report = Report.from_dict(__import__("json").loads(row.report or b""))
    assert (row.state, row.result) == (TaskState.SUCCEEDED, None)
    assert report.kind == "warning"
    assert "not kept" in report.message
    assert (await yard.depth()).ready == 0


async def test_a_bug_in_a_part_of_the_worker_ends_it_instead_of_crippling_it(yard: Yard) -> None:
    class Buggy(type(yard.ports.task_log)):  # type: ignore[misc]  # any log will do
        async def due(self, **options: Any) -> Any:
            raise KeyError(str(options))

    yard.ports = replace(yard.ports, task_log=Buggy(yard.healthy.task_log, yard.log_plan))

    with pytest.raises(KeyError):
        await yard.done(yard.worker(publish=True).run())

    assert yard.rows is not None


# ---------------------------------------------------------------------------------- the scheduler


async def test_a_bug_in_the_log_is_heard_while_the_worker_waits_for_messages(apart: Yard) -> None:
    class Broken(FlakyTaskLog):
        async def claim(self, claims: Any) -> Any:
            if any(claim.spec.body.count(b"fatal") for claim in claims):
                raise RuntimeError("a bug of the log")
            return await super().claim(claims)

    apart.ports = replace(apart.ports, task_log=Broken(apart.healthy.task_log, apart.log_plan))
    definition = apart.task(echo)
    running = asyncio.ensure_future(apart.worker().run())
    for number in range(8):  # short ones, so that it receives while it claims
        await apart.enqueue(definition, str(number))
        await apart.until(lambda wanted=number + 1: apart.has_ended(wanted))
    await apart.enqueue(definition, "fatal")

    with pytest.raises(RuntimeError, match="a bug of the log"):
        await asyncio.wait_for(running, 10)  # no time passes on the worker's clock

    apart.left_in_flight = 1


async def test_while_the_log_is_away_one_batch_more_is_received_at_most(apart: Yard) -> None:
    apart.task(echo, name="echo")

    async with apart.working(concurrency=4, prefetch=100):
        await apart.turn()
        apart.log_plan.sleep()
        for number in range(10):
            await apart.send(json.dumps({**CORE, "id": str(number), "type": "echo"}).encode())
            await apart.passes(2)
        held = (await apart.depth()).in_flight
        apart.log_plan.wake()
        await apart.until(lambda: apart.has_ended(10), moving=True)

    assert held == 2


async def test_the_scheduler_waits_an_outage_out(apart: Yard) -> None:
    task = await apart.enqueue(echo, options=EnqueueOptions(key="k"))
    apart.queue_plan.fail_next("send", n=4)
    other = await apart.enqueue(apart.registry.get("echo"), options=EnqueueOptions(key="k2"))
    apart.log_plan.fail_next("due", n=3)
    scheduler = asyncio.ensure_future(Scheduler(apart.ports).run())

    await apart.passes(20)
    await apart.drain()
    scheduler.cancel()
    await asyncio.gather(scheduler, return_exceptions=True)

    assert await apart.state(task) == "succeeded"
    assert await apart.state(other) == "succeeded"


async def test_what_was_sent_is_confirmed_though_another_queue_is_down(apart: Yard) -> None:
    """Otherwise each second would send it once more, for as long as the outage lasts."""
    inner = apart.ports.queue

    class Down(FlakyQueue):
        async def send(self, messages: Any) -> Any:
            await asyncio.sleep(0)
            raise UnavailableError(str(messages))

    apart.queue_plan.sleep()
    definition = apart.task(echo)
    up = await apart.enqueue(definition, options=EnqueueOptions(key="a", queue="up"))
    await apart.enqueue(definition, options=EnqueueOptions(key="b", queue="down"))
    apart.queue_plan.wake()
    await apart.passes(10, step=10)
    ports = replace(
        apart.ports,
        queue=lambda name: Down(inner(name), apart.queue_plan) if name == "down" else inner(name),
    )
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await Publisher(ports).publish_due()

    assert (await apart.depth("up")).ready == 1
    assert await apart.state(up) == "queued"


async def test_a_running_row_is_published_only_when_its_lease_is_dead(apart: Yard) -> None:
    """A row that holds its own wake-up, as one that was parked while it ran."""

    async def handler(ctx: Context) -> int:
        if ctx.fence == 1:
            await asyncio.Event().wait()
        return ctx.fence

    task = await apart.enqueue(
        apart.task(handler, retry=Retry(backoff=0)), options=EnqueueOptions(key="k")
    )
    await apart.passes(11, step=11)
    dead = asyncio.ensure_future(apart.worker(capture=False).run())
    await apart.reaches(task, "running")
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    published = await Publisher(apart.ports).publish_due()
    await apart.passes(60, step=60)
    async with apart.working(apart.rival()):
        row = await apart.reaches(task, "succeeded")

    assert published.sent == 0
    assert row.result == b"2"
