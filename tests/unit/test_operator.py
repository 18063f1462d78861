from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from longshore.draft import EnqueueOptions
from longshore.errors import TaskNotFoundError, TransitionError, UnavailableError
from longshore.operator import Operator
from longshore.protocol import Verb
from longshore.publish import Publisher
from longshore.task import FINAL, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.identity import TaskId
    from tests.unit.yard import Yard

ONCE = EnqueueOptions(attempts=1)


@pytest.fixture(params=["together", "apart"])
async def yard(request: pytest.FixtureRequest) -> AsyncIterator[Yard]:
    async with open_yard(together=request.param == "together") as opened:
        opened.task(echo)
        opened.task(fails)
        yield opened


async def echo(text: str = "") -> str:
    return text


async def fails() -> None:
    raise ValueError("no")


async def queued(yard: Yard) -> TaskId:
    return await yard.enqueue(yard.registry.get("echo"))


async def scheduled(yard: Yard) -> TaskId:
    return await yard.enqueue(yard.registry.get("echo"), options=EnqueueOptions(delay=60))


async def paused(yard: Yard) -> TaskId:
    task = await queued(yard)
    await yard.operator.one(Verb.PAUSE, task)
    return task


async def succeeded(yard: Yard) -> TaskId:
    task = await queued(yard)
    await yard.drain()
    return task


async def failed(yard: Yard) -> TaskId:
    task = await yard.enqueue(yard.registry.get("fails"), options=ONCE)
    await yard.drain()
    return task


async def cancelled(yard: Yard) -> TaskId:
    task = await queued(yard)
    await yard.operator.one(Verb.CANCEL, task)
    return task


async def expired(yard: Yard) -> TaskId:
    options = EnqueueOptions(expires=1)
    task = await yard.enqueue(yard.registry.get("echo"), options=options)
    await yard.passes(2)
    await yard.drain()
    return task


MAKERS = [queued, scheduled, paused, succeeded, failed, cancelled, expired]

# Each verb, the states it starts from, and the state it leads to (None: it stays).
EFFECTS = {
    Verb.CANCEL: ({"queued", "scheduled", "paused"}, "cancelled"),
    Verb.PAUSE: ({"queued", "scheduled"}, "paused"),
    Verb.RESUME: ({"paused"}, "queued"),
    Verb.RETRY: ({"failed", "cancelled", "expired"}, "queued"),
    Verb.FORCE_FAIL: (set[str](), "failed"),
    Verb.FORCE_SUCCEED: (set[str](), "succeeded"),
    Verb.ARCHIVE: ({"succeeded", "failed", "cancelled", "expired"}, None),
    Verb.DELETE: (
        {"queued", "scheduled", "paused", "succeeded", "failed", "cancelled", "expired"},
        None,
    ),
}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("verb", EFFECTS)
async def test_a_verb_changes_what_it_may_and_refuses_the_rest_with_the_reason(
    yard: Yard, verb: Verb, make: object
) -> None:
    assert callable(make)
    task = await cast("Any", make)(yard)
    allowed, leads_to = EFFECTS[verb]
    before = await yard.row(task)

    if before.state.value in allowed:
        after = await yard.operator.one(verb, task)
        ends_open = verb is Verb.DELETE and before.state not in FINAL
        expected = "cancelled" if ends_open else leads_to or before.state.value
        assert after.state.value == expected
    else:
        with pytest.raises(TransitionError, match=f"it is {before.state.value}"):
            await yard.operator.one(verb, task)
        assert await yard.row(task) == before


async def test_a_verb_on_a_task_that_is_not_there_says_so(yard: Yard) -> None:
    for verb in EFFECTS:
        with pytest.raises(TaskNotFoundError):
            await yard.operator.one(verb, yard.ports.ids())


# The log knows a task that was sent directly only after its message: it may be cancelled before.


def tombstone(yard: Yard, task: TaskId) -> TaskSpec:
    return TaskSpec(
        id=task, name="echo", queue="default", body=b"", created_at=yard.ports.clock.now()
    )


async def unrecorded(yard: Yard) -> TaskId:
    """Enqueue a task whose message was sent and whose row was not written."""
    yard.log_plan.fail_next("record")
    task = await yard.enqueue(yard.registry.get("echo"))
    assert await yard.state(task) == "none"
    return task


async def test_a_task_cancelled_before_its_row_is_written_never_starts(apart: Yard) -> None:
    task = await unrecorded(apart)

    row = await apart.operator.one(Verb.CANCEL, task, spec=tombstone(apart, task))
    ran = await apart.drain()

    assert (row.state, row.spec.name) == (TaskState.CANCELLED, "echo")
    assert (ran.done, await apart.state(task)) == (0, "cancelled")
    assert await apart.attempts(task) == []
    assert (await apart.depth()).ready == 0


async def test_a_task_paused_before_its_row_is_written_runs_when_resumed(apart: Yard) -> None:
    task = await unrecorded(apart)

    await apart.operator.one(Verb.PAUSE, task, spec=tombstone(apart, task))
    paused_first = (await apart.drain()).done, await apart.state(task)
    await apart.operator.one(Verb.RESUME, task)
    await apart.drain()

    assert paused_first == (0, "paused")
    assert await apart.state(task) == "succeeded"


async def test_a_row_that_is_there_decides_and_not_what_the_caller_knows(yard: Yard) -> None:
    task = await succeeded(yard)

    with pytest.raises(TransitionError, match="it is succeeded"):
        await yard.operator.one(Verb.CANCEL, task, spec=tombstone(yard, task))


async def test_several_tasks_are_answered_one_by_one(yard: Yard) -> None:
    first, second = await queued(yard), await queued(yard)
    await yard.operator.one(Verb.CANCEL, second)

    answers = await yard.operator.apply(Verb.CANCEL, [first, second, yard.ports.ids()])

    assert [answer.applied for answer in answers] == [True, False, False]
    assert answers[2].task is None


async def test_a_retried_task_is_published_at_once_and_runs_again(yard: Yard) -> None:
    task = await failed(yard)

    row = await yard.operator.one(Verb.RETRY, task)
    ready = (await yard.depth()).ready
    await yard.drain()

    assert (row.run, row.attempts, row.error) == (1, 0, None)
    assert ready == 1
    assert await yard.outcomes(task) == ["failed", "failed"]


async def test_a_retried_task_is_retried_though_its_queue_is_away(apart: Yard) -> None:
    """The verb is done; its message follows by the scheduler."""
    task = await failed(apart)
    apart.queue_plan.sleep()

    row = await Operator(apart.ports).one(Verb.RETRY, task)
    apart.queue_plan.wake()
    published = await Publisher(apart.ports).publish_due()
    await apart.drain()

    assert row.state is TaskState.QUEUED
    assert published.sent == 1
    assert await apart.outcomes(task) == ["failed", "failed"]


@pytest.fixture
async def apart() -> AsyncIterator[Yard]:
    async with open_yard(together=False) as opened:
        opened.task(echo)
        opened.task(fails)
        yield opened


async def test_a_verb_is_not_done_where_the_log_is_away(apart: Yard) -> None:
    task = await failed(apart)
    apart.log_plan.sleep()

    with pytest.raises(UnavailableError):
        await Operator(apart.ports).one(Verb.RETRY, task)

    assert await apart.state(task) == "failed"


async def test_a_retry_after_force_waits_for_the_lease_of_the_old_run(yard: Yard) -> None:
    release = asyncio.Event()

    async def handler() -> None:
        await release.wait()

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        lease = (await yard.row(task)).lease_until
        await yard.operator.one(Verb.FORCE_FAIL, task)
        row = await yard.operator.one(Verb.RETRY, task)
        messages = await yard.depth()
        await yard.passes(23)
        release.set()
        early = await yard.row(task)

    assert row.due_at == lease
    assert messages.ready == 0
    assert early.state is TaskState.QUEUED
    await yard.passes(10)
    await Publisher(yard.ports).publish_due()
    await yard.drain()
    assert await yard.state(task) == "succeeded"


async def test_a_scheduled_task_that_is_resumed_keeps_its_time(yard: Yard) -> None:
    task = await scheduled(yard)
    due = (await yard.row(task)).due_at
    await yard.operator.one(Verb.PAUSE, task)
    await yard.drain()

    row = await yard.operator.one(Verb.RESUME, task)
    await yard.drain()
    early = await yard.state(task)
    await yard.passes(60, step=60)
    await Publisher(yard.ports).publish_due()
    await yard.drain()

    assert row.due_at == due
    assert early == "queued"
    assert await yard.state(task) == "succeeded"


# ------------------------------------------------------------------------------------------ sweeps


async def test_a_sweep_does_a_verb_to_all_that_match_over_every_page(yard: Yard) -> None:
    definition = yard.registry.get("echo")
    for number in range(1203):
        queue = "other" if number % 3 == 0 else "default"
        await yard.enqueue(definition, options=EnqueueOptions(queue=queue))

    swept = await yard.operator.sweep(Verb.CANCEL, TaskQuery(queues=("default",)))

    states = [(row.spec.queue, row.state.value) for row in cast("list[Any]", await every_row(yard))]
    assert (swept.changed, swept.refused) == (802, 0)
    assert states.count(("default", "cancelled")) == 802
    assert states.count(("other", "queued")) == 401


async def every_row(yard: Yard) -> list[object]:
    page = await yard.healthy.task_log.find(TaskQuery(), limit=5000)
    return [*page.tasks]


async def test_a_sweep_counts_what_it_may_not_change(yard: Yard) -> None:
    await failed(yard)
    await succeeded(yard)
    await cancelled(yard)

    swept = await yard.operator.sweep(Verb.RETRY, TaskQuery())
    ran = await yard.drain()

    assert (swept.changed, swept.refused) == (2, 1)
    assert (ran.done, ran.failed) == (1, 1)


async def test_a_sweep_may_filter_by_what_failed(yard: Yard) -> None:
    await failed(yard)
    await cancelled(yard)

    swept = await yard.operator.sweep(Verb.ARCHIVE, TaskQuery(error="valueerror"))

    assert swept.changed == 1


# ------------------------------------------------------------------------------------------- purge


async def test_a_purged_queue_is_empty_and_its_tasks_are_cancelled(yard: Yard) -> None:
    ended = await succeeded(yard)
    waiting = [await queued(yard), await scheduled(yard), await paused(yard)]
    kept = await yard.enqueue(
        yard.registry.get("echo"), options=EnqueueOptions(queue="other", delay=timedelta(hours=1))
    )

    count = await yard.operator.purge_queue("default")

    depth = await yard.depth()
    rows = [await yard.row(task) for task in waiting]
    assert count == 3
    assert [(row.state.value, row.reason) for row in rows] == [("cancelled", "purged")] * 3
    assert await yard.state(kept) == "scheduled"
    assert await yard.state(ended) == "succeeded"
    assert (depth.ready, depth.delayed) == (0, 0)


async def test_a_purge_leaves_what_runs(yard: Yard) -> None:
    release = asyncio.Event()

    async def handler() -> str:
        await release.wait()
        return "done"

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        count = await yard.operator.purge_queue("default")
        release.set()
        row = await yard.reaches(task, "succeeded")

    assert count == 0
    assert row.result == b'"done"'
