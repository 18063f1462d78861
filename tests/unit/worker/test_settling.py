"""Outcomes that the log refuses, that need no log, and messages that their queue refuses."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from longshore import Context, Retry
from longshore.conformance import FlakyQueue, FlakyTaskLog
from longshore.draft import EnqueueOptions
from longshore.errors import LeaseLostError, StorageError, UnavailableError
from longshore.levels import Level, LevelledLog
from longshore.report import Report
from longshore.task import TaskState
from tests.unit.yard import FlakyTogether, Yard

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.identity import TaskId
    from longshore.protocol import Outcome

ONCE = EnqueueOptions(attempts=1)


class Refuses(Protocol):
    """Says which outcomes a log refuses."""

    def __call__(self, outcome: Outcome, /) -> bool: ...


async def echo(text: str = "") -> str:
    return text


async def fails(text: str = "") -> None:
    raise ValueError(text)


def picky(yard: Yard, refuses: Refuses, error: Callable[[str], Exception] = StorageError) -> None:
    """Let the log refuse a whole batch for the sake of one outcome in it."""

    def look(outcomes: Any) -> None:
        if any(map(refuses, outcomes)):
            raise error("the log does not take this")

    class Picky(FlakyTaskLog):
        async def finish(self, outcomes: Any) -> Any:
            look(outcomes)
            return await super().finish(outcomes)

    class PickyTogether(FlakyTogether):
        async def settle(self, settlements: Any) -> Any:
            look([one.outcome for one in settlements])
            return await super().settle(settlements)

    together = yard.healthy.together
    yard.ports = replace(
        yard.ports,
        task_log=Picky(yard.healthy.task_log, yard.log_plan),
        together=None if together is None else PickyTogether(together, yard.log_plan),
    )


async def states(yard: Yard, tasks: list[TaskId]) -> list[str]:
    return [await yard.state(task) for task in tasks]


# ---- one outcome that is refused for good


@pytest.mark.parametrize("error", [StorageError, UnicodeError])
async def test_an_end_that_the_log_refuses_is_kept_without_its_weight(
    yard: Yard, error: Callable[[str], Exception]
) -> None:
    picky(yard, lambda outcome: outcome.result == b'"bad"', error)
    definition = yard.task(echo)
    tasks = [await yard.enqueue(definition, text) for text in ("a", "bad", "b", "c")]

    async with yard.working():
        await yard.passes(5)
        ended = await states(yard, tasks)

    row = await yard.row(tasks[1])
    assert ended == ["succeeded"] * 4
    assert row.result is None
    assert "not kept" in Report.from_dict(json.loads(row.report or b"")).message
    assert [(await yard.row(task)).result for task in (tasks[0], tasks[3])] == [b'"a"', b'"c"']


async def test_a_failure_whose_error_the_log_refuses_is_a_failure_with_the_reason(
    yard: Yard,
) -> None:
    picky(yard, lambda outcome: outcome.error is not None and "bad" in outcome.error.message)
    definition = yard.task(fails)
    tasks = [await yard.enqueue(definition, text, options=ONCE) for text in ("a", "bad", "b")]

    async with yard.working():
        await yard.passes(5)
        ended = await states(yard, tasks)

    row = await yard.row(tasks[1])
    assert ended == ["failed"] * 3
    assert row.error is not None
    assert "the log does not take" in row.error.message
    assert len(await yard.letters()) == 3


async def test_a_retry_whose_error_the_log_refuses_is_made_all_the_same(yard: Yard) -> None:
    async def fails_at_first(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise ValueError("bad")
        return "at last"

    picky(yard, lambda outcome: outcome.error is not None and "bad" in outcome.error.message)
    task = await yard.enqueue(yard.task(fails_at_first, retry=Retry(backoff=1)))

    async with yard.working():
        row = await yard.reaches(task, "succeeded", moving=True)

    assert row.result == b'"at last"'


async def test_an_end_that_the_log_refuses_in_every_form_is_no_others_trouble(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    """Its lease runs out, and a last try that is lost as well ends the task."""
    refused: set[str] = set()
    picky(yard, lambda outcome: outcome.task_id in refused)
    definition = yard.task(echo)
    tasks = [await yard.enqueue(definition, text) for text in ("a", "bad", "b", "c")]
    refused.add(tasks[1])

    async with yard.working():
        await yard.passes(5)
        early = await states(yard, tasks)
        await yard.passes(300)
        late = await yard.row(tasks[1])

    assert early == ["succeeded", "running", "succeeded", "succeeded"]
    assert f"the end of task {tasks[1]} cannot be written" in caplog.text
    assert (late.state, late.reason) == (TaskState.FAILED, "poison")


async def test_a_log_that_takes_nothing_loses_no_result(yard: Yard) -> None:
    """A full disk refuses renewals too: what it refuses is not the outcome's fault."""
    full = True

    class Full(FlakyTaskLog):
        async def renew(self, renewals: Any) -> Any:
            if full:
                message = "the disk is full"
                raise StorageError(message)
            return await super().renew(renewals)

    picky(yard, lambda _: full)
    yard.ports = replace(yard.ports, task_log=_Both(yard.ports.task_log, Full, yard))
    definition = yard.task(echo)
    tasks = [await yard.enqueue(definition, text) for text in ("a", "b", "c")]

    async with yard.working():
        await yard.passes(20)
        early = await states(yard, tasks)
        full = False
        await yard.passes(10)

    assert early == ["running"] * 3
    assert [(await yard.row(task)).result for task in tasks] == [b'"a"', b'"b"', b'"c"']


class _Both(FlakyTaskLog):
    """A log that renews as another does."""

    def __init__(self, log: Any, renewing: type[FlakyTaskLog], yard: Yard) -> None:
        super().__init__(log, yard.log_plan)
        self._renewing = renewing(log, yard.log_plan)

    async def renew(self, renewals: Any) -> Any:
        return await self._renewing.renew(renewals)


# ---- outcomes that need no log


async def levelled(yard: Yard, levels: dict[str, Level]) -> None:
    log = LevelledLog(yard.ports.task_log, lambda name: levels.get(name, Level.OFF), yard.clock)
    yard.ports = replace(yard.ports, task_log=log)


async def test_what_needs_no_log_does_not_wait_for_one_that_is_away(apart: Yard) -> None:
    await levelled(apart, {"logged": Level.CLAIMS})
    go = asyncio.Event()

    async def waits() -> None:
        await go.wait()

    definition = apart.task(waits)
    logged = [await apart.enqueue(definition, options=EnqueueOptions(queue="logged"))]
    await apart.enqueue(definition)

    async with apart.working(queues=("logged", "default")):
        await apart.reaches(logged[0], "running")
        await apart.turn()
        apart.log_plan.sleep()
        go.set()
        await apart.passes(3)
        late = await apart.enqueue(definition)
        await apart.passes(3)
        left = await apart.depth()
        apart.log_plan.wake()
        await apart.passes(10)

    assert late
    assert (left.ready, left.in_flight) == (0, 0)
    assert await states(apart, logged) == ["succeeded"]


async def test_a_dead_letter_without_a_row_waits_for_no_other_row(apart: Yard) -> None:
    await levelled(apart, {"kept": Level.FAILURES})
    definition = apart.task(fails)
    apart.log_plan.sleep()
    kept = await apart.enqueue(definition, options=replace(ONCE, queue="kept"))
    await apart.enqueue(definition, options=ONCE)

    async with apart.working(queues=("kept", "default")):
        await apart.passes(10)
        early = [len(await apart.letters(name)) for name in ("default", "kept")]
        apart.log_plan.wake()
        await apart.passes(10)

    assert early == [1, 0]
    assert await apart.state(kept) == "failed"
    assert len(await apart.letters("kept")) == 1


# ---- messages that their queue refuses


@pytest.mark.parametrize("verb", ["ack", "release", "reject"])
async def test_a_message_that_its_queue_refuses_to_settle_is_told_of(
    apart: Yard, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    """It comes again after its lease, and is then answered by its row."""
    inner = apart.ports.queue
    refused: list[str] = []

    class Refusing(FlakyQueue):
        async def _refuse(self, name: str, items: Any, call: Any) -> Any:
            if name != verb or refused:
                return await call(items)
            refused.append(name)
            rest = await call(items[1:])
            return [LeaseLostError("the first of them"), *rest]

        async def ack(self, deliveries: Any) -> Any:
            return await self._refuse("ack", deliveries, super().ack)

        async def release(self, releases: Any) -> Any:
            return await self._refuse("release", releases, super().release)

        async def reject(self, rejections: Any) -> Any:
            return await self._refuse("reject", rejections, super().reject)

    apart.ports = replace(apart.ports, queue=lambda name: Refusing(inner(name), apart.queue_plan))
    if verb == "ack":
        await apart.enqueue(echo)
    else:
        attempts = 1 if verb == "reject" else 2
        await apart.enqueue(fails, options=EnqueueOptions(attempts=attempts))

    async with apart.working():
        await apart.passes(10)
        said = [one for one in caplog.messages if "left to" in one]
        await apart.passes(100)

    assert refused == [verb]
    assert len(said) == 1
    assert "the first of them" in said[0]
    assert (await apart.depth()).ready == 0


async def test_an_acknowledgement_that_hangs_keeps_no_outcome_from_the_log(apart: Yard) -> None:
    inner = apart.ports.queue
    answers = asyncio.Event()

    class Hanging(FlakyQueue):
        async def ack(self, deliveries: Any) -> Any:
            await answers.wait()
            return await super().ack(deliveries)

    apart.ports = replace(apart.ports, queue=lambda name: Hanging(inner(name), apart.queue_plan))
    definition = apart.task(echo)
    first = await apart.enqueue(definition)

    async with apart.working():
        await apart.reaches(first, "succeeded", moving=True)
        second = await apart.enqueue(definition)
        await apart.passes(10)
        state = await apart.state(second)
        answers.set()
        await apart.passes(5)

    assert state == "succeeded"
    assert (await apart.depth()).ready == 0


async def test_a_queue_that_is_away_keeps_no_other_from_its_acknowledgements(apart: Yard) -> None:
    inner = apart.ports.queue

    class Down(FlakyQueue):
        async def reject(self, rejections: Any) -> Any:
            await asyncio.sleep(0)
            raise UnavailableError(str(rejections))

    apart.ports = replace(
        apart.ports,
        queue=lambda name: Down(inner(name), apart.queue_plan) if name == "down" else inner(name),
    )
    go = asyncio.Event()

    async def ends(text: str) -> None:
        await go.wait()
        if text:
            raise ValueError(text)

    definition = apart.task(ends)
    bad = await apart.enqueue(definition, "bad", options=replace(ONCE, queue="down"))
    good = await apart.enqueue(definition, "")

    async with apart.working(queues=("down", "default")):
        await apart.reaches(bad, "running")
        await apart.reaches(good, "running")
        go.set()
        await apart.passes(5)
        left = await apart.depth()

    assert left.in_flight == 0
