"""How much of a queue's tasks is logged, and what is promised then."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore import Context, Report, RetryLater, Snooze
from longshore.client import Client
from longshore.definition import TaskRegistry, define
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import ConfigurationError, LongshoreError
from longshore.levels import Level, LevelledLog
from longshore.operator import Operator
from longshore.policy import Policy, QueuePolicy
from longshore.protocol import Answer, Change, Claim, Verb
from longshore.settings import QueueSettings, Settings
from longshore.task import TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore.wiring import check_waits, open_ports, policy_of, preparer_of, worker_options
from longshore.worker import Limits, Worker
from tests.unit.yard import Yard, open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

UNLOGGED = [Level.FAILURES, Level.OFF]


@pytest.fixture
def level() -> Level:
    return Level.CLAIMS


@pytest.fixture
async def yard(level: Level) -> AsyncIterator[Yard]:
    async with open_yard(together=False, max_delay=timedelta(minutes=15)) as opened:
        log = LevelledLog(opened.ports.task_log, lambda _: level, opened.clock)
        opened.ports = replace(opened.ports, task_log=log)
        yield opened


async def echo(text: str) -> str:
    return text


async def fails(ctx: Context) -> None:
    raise ValueError(f"attempt {ctx.attempt}, fence {ctx.fence}")


# ------------------------------------------------------------------------------------------ claims


async def test_with_claims_a_waiting_task_has_no_row_and_an_ended_one_has(yard: Yard) -> None:
    task = await yard.enqueue(echo, "x")
    waiting = await yard.state(task)

    await yard.drain()

    row = await yard.row(task)
    assert waiting == "none"
    assert (row.state, row.result, row.token) == (TaskState.SUCCEEDED, b'"x"', 1)
    assert row.body is None


async def test_with_claims_a_failed_task_can_be_retried_from_its_row(yard: Yard) -> None:
    task = await yard.enqueue(fails, options=EnqueueOptions(attempts=1))

    await yard.drain()

    row = await yard.row(task)
    assert row.state is TaskState.FAILED
    assert row.body


async def test_with_claims_a_lost_worker_is_fenced_off(yard: Yard) -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    task = await yard.enqueue(waits)
    lost = asyncio.ensure_future(yard.worker().run())
    await yard.reaches(task, "running")
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)

    async with yard.working(name="rescuer"):
        await yard.passes(60)
        row = await yard.row(task)

    assert (row.worker, row.token, row.rescues) == ("rescuer", 2, 1)


@pytest.mark.parametrize(
    "options", [EnqueueOptions(key="k"), EnqueueOptions(delay=timedelta(hours=1))], ids=repr
)
async def test_with_claims_what_the_broker_cannot_do_goes_through_the_log(
    yard: Yard, options: EnqueueOptions
) -> None:
    task = await yard.enqueue(echo, "x", options=options)
    row = await yard.row(task)

    async with yard.working(publish=True):
        await yard.passes(3700, step=5)
        ended = await yard.row(task)

    assert row.body
    assert ended.result == b'"x"'


# ------------------------------------------------------------------------------- failures and off


@pytest.mark.parametrize("level", UNLOGGED)
async def test_without_claims_a_task_that_ends_well_leaves_nothing(yard: Yard) -> None:
    ran: list[int] = []

    async def notes(ctx: Context) -> None:
        ran.append(ctx.fence)

    await yard.enqueue(notes)

    await yard.drain()

    assert ran == [0]
    assert await yard.rows() == []
    assert (await yard.depth()).ready == 0


@pytest.mark.parametrize("level", UNLOGGED)
async def test_without_claims_the_brokers_receives_count_the_attempts(yard: Yard) -> None:
    seen: list[int] = []

    async def counts(ctx: Context) -> None:
        seen.append(ctx.attempt)
        raise RetryLater("1 second")

    await yard.enqueue(counts, options=EnqueueOptions(attempts=3))

    async with yard.working():
        await yard.passes(60)
        (letter,) = await yard.letters()

    assert seen == [1, 2, 3]
    assert letter.reason == "error"


@pytest.mark.parametrize("level", [Level.FAILURES])
async def test_with_failures_a_task_that_failed_for_good_has_a_row(yard: Yard) -> None:
    task = await yard.enqueue(fails, options=EnqueueOptions(attempts=1))

    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.reason) == (TaskState.FAILED, "error")
    assert row.error is not None
    assert row.error.message == "attempt 1, fence 0"
    assert row.body
    assert len(await yard.letters()) == 1


@pytest.mark.parametrize("level", [Level.FAILURES])
async def test_with_failures_a_log_that_is_away_loses_no_failure(yard: Yard) -> None:
    task = await yard.enqueue(fails, options=EnqueueOptions(attempts=1))
    yard.log_plan.fail_next("claim")
    yard.log_plan.lose_answer("finish")

    await yard.done(yard.worker(burst=True).run())

    assert await yard.state(task) == "failed"
    assert (await yard.depth()).ready == 0


@pytest.mark.parametrize("level", [Level.FAILURES])
async def test_with_failures_a_row_that_is_too_large_is_kept_without_its_weight(
    yard: Yard,
) -> None:
    async def says_much() -> Report:
        return Report.error("too much", data="x" * 20_000_000)

    task = await yard.enqueue(says_much, options=EnqueueOptions(attempts=1))

    await yard.drain(limits=Limits(report=100_000_000))

    row = await yard.row(task)
    assert row.state is TaskState.FAILED
    assert b"not kept" in (row.report or b"")
    assert len(await yard.letters()) == 1


@pytest.mark.parametrize("level", [Level.FAILURES])
async def test_with_failures_a_task_that_never_ends_leaves_nothing_in_memory(yard: Yard) -> None:
    """Its lease was lost, so that nobody finishes it here."""

    def kept() -> int:
        gc.collect()
        return sum(isinstance(one, Claim) for one in gc.get_objects())

    def bid(number: int) -> Claim:
        now = yard.clock.now()
        spec = TaskSpec(id=yard.ports.ids(), name="lost", queue="default", body=b"", created_at=now)
        lease = timedelta(seconds=30)
        return Claim(spec=spec, claim_id=f"{number}", worker="one", lease=lease, due_at=now)

    before = kept()
    answers = await yard.ports.task_log.claim([bid(number) for number in range(3)])

    assert [one.answer for one in answers] == [Answer.WON] * 3
    assert kept() == before


@pytest.mark.parametrize("level", [Level.FAILURES])
async def test_with_failures_a_retried_task_ends_in_its_row(yard: Yard) -> None:
    async def fails_at_first(ctx: Context) -> str:
        if ctx.run == 0:
            raise ValueError("not yet")
        return f"fence {ctx.fence}"

    task = await yard.enqueue(fails_at_first, options=EnqueueOptions(attempts=1))
    await yard.drain()

    await Operator(yard.ports).one(Verb.RETRY, task)
    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.result) == (TaskState.SUCCEEDED, b'"fence 2"')
    assert (await yard.depth()).ready == 0


@pytest.mark.parametrize("level", UNLOGGED)
async def test_without_claims_no_tombstone_promises_what_nobody_would_see(yard: Yard) -> None:
    task = await yard.enqueue(echo, "x")
    spec = TaskSpec(id=task, name="echo", queue="default", body=b"", created_at=yard.clock.now())

    (answer,) = await yard.ports.task_log.transition(
        [Change(task_id=task, verb=Verb.CANCEL, spec=spec)]
    )

    assert answer.applied is False
    assert await yard.rows() == []


@pytest.mark.parametrize("level", [Level.OFF])
async def test_with_the_log_off_a_failed_task_is_a_dead_letter_alone(yard: Yard) -> None:
    await yard.enqueue(fails, options=EnqueueOptions(attempts=1))

    await yard.drain()

    (letter,) = await yard.letters()
    assert await yard.rows() == []
    assert letter.detail == "attempt 1, fence 0"


@pytest.mark.parametrize("level", UNLOGGED)
async def test_without_claims_a_snooze_is_the_brokers_delay(yard: Yard) -> None:
    async def snoozes(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise Snooze("10 minutes")

    await yard.enqueue(snoozes)

    async with yard.working():
        await yard.passes(60)
        delayed = await yard.depth()
        await yard.passes(600)
        ended = await yard.depth()

    assert (delayed.delayed, ended.delayed) == (1, 0)
    assert (ended.ready, ended.in_flight) == (0, 0)


@pytest.mark.parametrize("level", UNLOGGED)
@pytest.mark.parametrize(
    "options", [EnqueueOptions(key="k"), EnqueueOptions(delay=timedelta(hours=1))], ids=repr
)
async def test_without_claims_what_the_broker_cannot_do_is_refused(
    yard: Yard, options: EnqueueOptions
) -> None:
    with pytest.raises(LongshoreError, match="set its log to claims or full"):
        await yard.enqueue(echo, "x", options=options)

    assert (await yard.depth()).ready == 0


# ------------------------------------------------------------------------------------ by settings


@pytest.mark.parametrize(
    ("log", "waiting", "ended"),
    [
        ("full", ["queued"], ["succeeded"]),
        ("claims", [], ["succeeded"]),
        ("failures", [], []),
        ("off", [], []),
    ],
)
async def test_a_queues_setting_says_how_much_is_logged(
    tmp_path: Path, log: str, waiting: list[str], ended: list[str]
) -> None:
    settings = Settings(
        url=f"sqlite:///{tmp_path}/q.db",
        queues={"default": QueueSettings.model_validate({"log": log})},
    )
    registry = TaskRegistry()
    registry.add(define(echo, name="echo"))
    message = Draft(registry.get("echo"), ["x"], EnqueueOptions())

    async with open_ports(settings) as ports:
        await Client(ports, preparer_of(settings, ports.ids)).enqueue([message])
        before = [row.state for row in (await ports.task_log.find(TaskQuery())).tasks]
        options = replace(worker_options(settings), burst=True)
        stopped = await Worker(ports, registry, policy_of(settings), options).run()
        after = [row.state for row in (await ports.task_log.find(TaskQuery())).tasks]

    assert stopped.done == 1
    assert (before, after) == (waiting, ended)


@pytest.mark.parametrize("level", UNLOGGED)
async def test_without_claims_a_broker_that_delays_nothing_is_refused(level: Level) -> None:
    policy = Policy(queues={"default": QueuePolicy(log=level)})
    async with open_yard(together=False, max_release_delay=timedelta(0)) as yard:
        with pytest.raises(ConfigurationError, match="nowhere to wait"):
            check_waits(yard.ports, policy, ["default"])

        check_waits(yard.healthy, policy, ["default"])
        check_waits(yard.ports, Policy(), ["default"])


# --------------------------------------------------------------------------------- beside a log


async def test_a_log_that_is_away_lets_go_of_nothing_that_it_does_not_keep() -> None:
    began: list[str] = []
    ended: list[str] = []

    async def sleeps(ctx: Context) -> None:
        began.append(ctx.queue)
        await ctx.clock.sleep(60)
        ended.append(ctx.queue)

    async with open_yard(together=False) as yard:
        levels = {"default": Level.FULL, "plain": Level.OFF}
        log = LevelledLog(yard.ports.task_log, levels.__getitem__, yard.clock)
        yard.ports = replace(yard.ports, task_log=log)
        definition = yard.task(sleeps)
        for queue in levels:
            await yard.enqueue(definition, options=EnqueueOptions(queue=queue))
        async with yard.working(queues=tuple(levels)):
            await yard.until(lambda: len(began) == 2)
            yard.log_plan.sleep()
            await yard.passes(70)
            yard.log_plan.wake()
            await yard.passes(120)
            depths = [await yard.depth(queue) for queue in levels]

    assert began.count("plain") == 1
    assert ended.count("plain") == 1
    assert [(depth.ready, depth.in_flight) for depth in depths] == [(0, 0), (0, 0)]
