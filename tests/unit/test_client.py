from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.client import Preparer
from longshore.clock import ManualClock
from longshore.definition import define
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import (
    EnqueueError,
    TaskNotFoundError,
    TooLargeError,
    UnavailableError,
    WaitTimeoutError,
)
from longshore.publish import Publisher
from longshore.task import TaskState
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.yard import Yard

MEGABYTE = 1_048_576


def handler(text: str = "") -> str:
    return text


TASK = define(handler)


@pytest.fixture
async def apart() -> AsyncIterator[Yard]:
    """One server for messages, another for rows."""
    async with open_yard(together=False) as yard:
        yard.registry.add(TASK)
        yield yard


@pytest.fixture
async def together() -> AsyncIterator[Yard]:
    async with open_yard(together=True) as yard:
        yard.registry.add(TASK)
        yield yard


@pytest.fixture(params=["together", "apart"])
async def yard(request: pytest.FixtureRequest) -> AsyncIterator[Yard]:
    async with open_yard(together=request.param == "together") as opened:
        opened.registry.add(TASK)
        yield opened


def draft(text: str = "x", **options: object) -> Draft:
    return Draft(TASK, {"text": text}, EnqueueOptions(**options))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - as each test gives them


KEYED = EnqueueOptions(key="invoice-7")


# ---------------------------------------------------------------------------------- every layout


async def test_an_enqueued_task_has_a_row_and_a_message(yard: Yard) -> None:
    (enqueued,) = await yard.client.enqueue([draft()])

    row = await yard.client.get(enqueued.id)
    assert row.state is enqueued.state is TaskState.QUEUED
    assert enqueued.inserted
    assert (await yard.depth()).ready == 1


async def test_a_batch_is_answered_in_its_order_and_runs_in_it(yard: Yard) -> None:
    drafts = [draft(str(n), queue="ab"[n % 2]) for n in range(6)]

    enqueued = await yard.client.enqueue(drafts)
    await yard.drain(queues=("a", "b"))

    rows = await yard.ports.task_log.get([one.id for one in enqueued])
    assert [one.queue for one in enqueued] == ["a", "b"] * 3
    assert [row.result for row in rows if row] == [f'"{n}"'.encode() for n in range(6)]


async def test_an_empty_batch_is_nothing(yard: Yard) -> None:
    assert await yard.client.enqueue([]) == []
    assert (await yard.depth()).ready == 0


async def test_a_key_makes_the_second_enqueue_answer_the_first_task(yard: Yard) -> None:
    (first,) = await yard.client.enqueue([draft("first", key="k")])
    (second,) = await yard.client.enqueue([draft("second", key="k")])
    await yard.drain()

    assert (first.inserted, second.inserted) == (True, False)
    assert second.id == first.id
    assert (await yard.row(first.id)).result == b'"first"'
    assert [await yard.outcomes(first.id), (await yard.depth()).ready] == [["succeeded"], 0]


async def test_one_key_twice_in_a_batch_is_one_task(yard: Yard) -> None:
    enqueued = await yard.client.enqueue([draft("a", key="k"), draft("b", key="k")])

    assert [one.inserted for one in enqueued] == [True, False]
    assert len(await yard.rows()) == 1


async def test_a_finished_key_answers_the_finished_task(yard: Yard) -> None:
    await yard.client.enqueue([draft(key="k")])
    await yard.drain()

    (again,) = await yard.client.enqueue([draft(key="k")])

    assert (again.inserted, again.state) == (False, TaskState.SUCCEEDED)
    assert (await yard.depth()).ready == 0


async def test_submitting_again_makes_no_second_task(yard: Yard) -> None:
    records = Preparer(yard.ports.ids).records([draft()], yard.clock.now())

    first = await yard.client.submit(records)
    again = await yard.client.submit(records)
    await yard.drain()

    assert [one.id for one in first] == [one.id for one in again]
    assert len(await yard.rows()) == 1
    assert await yard.outcomes(first[0].id) == ["succeeded"]


async def test_a_body_that_is_too_large_sends_nothing_of_its_batch(yard: Yard) -> None:
    with pytest.raises(TooLargeError, match="store the data elsewhere"):
        await yard.client.enqueue([draft(), draft("x" * MEGABYTE), draft(key="k")])

    assert await yard.rows() == []
    assert (await yard.depth()).ready == 0


async def test_a_delayed_task_waits_for_its_time(yard: Yard) -> None:
    (enqueued,) = await yard.client.enqueue([draft(delay=60)])

    await yard.drain()
    before = await yard.state(enqueued.id)
    await yard.passes(60, step=60)
    await yard.drain()

    assert enqueued.state is TaskState.SCHEDULED
    assert before == "scheduled"
    assert await yard.state(enqueued.id) == "succeeded"


# ------------------------------------------------------------------------------------ the direct


async def test_a_broker_that_does_not_answer_is_asked_once_more(apart: Yard) -> None:
    apart.queue_plan.fail_next("send")

    (enqueued,) = await apart.client.enqueue([draft()])

    assert (await apart.depth()).ready == 1
    assert await apart.state(enqueued.id) == "queued"


async def test_a_lost_confirmation_makes_two_messages_of_one_task(apart: Yard) -> None:
    apart.queue_plan.lose_answer("send")

    (enqueued,) = await apart.client.enqueue([draft()])
    sent = (await apart.depth()).ready
    await apart.drain()

    assert sent == 2
    assert await apart.outcomes(enqueued.id) == ["succeeded"]
    assert (await apart.depth()).ready == 0


async def test_nothing_is_recorded_of_what_was_not_sent(apart: Yard) -> None:
    apart.queue_plan.sleep()

    with pytest.raises(UnavailableError):
        await apart.client.enqueue([draft()])

    assert await apart.rows() == []


@pytest.mark.parametrize("fault", ["fail_next", "lose_answer"])
async def test_a_log_that_is_away_costs_a_sent_task_its_visibility_only(
    apart: Yard, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(apart.log_plan, fault)("record")

    (enqueued,) = await apart.client.enqueue([draft("done")])
    await apart.drain()

    assert (await apart.row(enqueued.id)).result == b'"done"'
    assert "not in the log yet" in caplog.text


async def test_of_two_queues_one_may_fail_and_the_caller_knows_which(apart: Yard) -> None:
    apart.queue_plan.fail_next("send", n=2)

    with pytest.raises(EnqueueError) as raised:
        await apart.client.enqueue([draft(queue="down"), draft(queue="up"), draft(key="k")])

    assert list(raised.value.failed) == [0]
    assert isinstance(raised.value.failed[0], UnavailableError)
    assert sorted(raised.value.sent) == sorted(row.id for row in await apart.rows())
    assert (await apart.depth("up")).ready == 1
    assert (await apart.depth("down")).ready == 0


async def test_rows_that_cannot_be_written_do_not_hide_what_was_sent(apart: Yard) -> None:
    apart.log_plan.sleep()

    with pytest.raises(EnqueueError) as raised:
        await apart.client.enqueue([draft(), draft(key="k")])

    assert list(raised.value.failed) == [1]
    assert len(raised.value.sent) == 1
    assert (await apart.depth()).ready == 1


# ------------------------------------------------------------------------------------ the outbox


async def test_a_keyed_task_is_recorded_before_it_is_sent(apart: Yard) -> None:
    apart.log_plan.sleep()

    with pytest.raises(UnavailableError):
        await apart.client.enqueue([draft(key="k")])

    assert (await apart.depth()).ready == 0


async def test_a_confirmed_outbox_row_has_no_wake_up_left(apart: Yard) -> None:
    (enqueued,) = await apart.client.enqueue([draft(key="k")])

    row = await apart.row(enqueued.id)
    assert (row.state, row.wake_at) == (TaskState.QUEUED, None)
    assert (await apart.depth()).ready == 1


@pytest.mark.parametrize(
    ("plan", "verb", "n", "messages"),
    [("queue_plan", "send", 2, 1), ("log_plan", "transition", 1, 2)],
    ids=["before-the-send", "before-the-confirmation"],
)
async def test_the_scheduler_sends_what_the_client_could_not(  # noqa: PLR0913, PLR0917 - a table
    apart: Yard,
    plan: str,
    verb: str,
    n: int,
    messages: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    getattr(apart, plan).fail_next(verb, n)
    (enqueued,) = await apart.client.enqueue([draft("done", key="k")])
    created = await apart.row(enqueued.id)

    early = await Publisher(apart.ports).publish_due()
    await apart.passes(10, step=10)
    published = await Publisher(apart.ports).publish_due()
    sent = (await apart.depth()).ready
    await apart.drain()

    assert created.state is TaskState.CREATED
    assert "wait for the scheduler" in caplog.text
    assert (early.sent, published.sent) == (0, 1)
    assert sent == messages
    assert await apart.outcomes(enqueued.id) == ["succeeded"]
    assert (await apart.row(enqueued.id)).result == b'"done"'


async def test_one_queue_that_is_down_does_not_keep_the_outbox_of_another() -> None:
    async with open_yard(together=False) as yard:
        yard.queue_plan.fail_next("send", n=2)

        await yard.client.enqueue([draft(key="a", queue="down"), draft(key="b", queue="up")])

        states = {row.spec.queue: row.state for row in await yard.rows()}
        assert states == {"down": TaskState.CREATED, "up": TaskState.QUEUED}


async def test_a_row_that_cannot_be_held_is_an_error_of_its_own() -> None:
    async with open_yard(together=False, max_body=MEGABYTE * 64) as yard:
        huge = draft("x" * (16 * MEGABYTE), key="huge")

        with pytest.raises(EnqueueError) as raised:
            await yard.client.enqueue([draft(key="small"), huge])

        assert isinstance(raised.value.failed[1], TooLargeError)
        assert len(await yard.rows()) == 1


async def test_a_delay_above_the_queues_own_is_kept_in_the_log() -> None:
    async with open_yard(together=False, max_delay=timedelta(minutes=15)) as yard:
        yard.registry.add(TASK)

        short, long = await yard.client.enqueue([draft(delay="15 min"), draft(delay="3 days")])
        messages = await yard.depth()
        rows = await yard.ports.task_log.get([short.id, long.id])
        await yard.passes(timedelta(days=3), step=86400)
        published = await Publisher(yard.ports).publish_due()
        await yard.drain()

        assert messages.delayed == 1
        assert [row.wake_at is not None for row in rows if row] == [False, True]
        assert published.sent == 1
        assert await yard.outcomes(long.id) == ["succeeded"]


# -------------------------------------------------------------------------------------- together


async def test_together_nothing_needs_to_be_published(together: Yard) -> None:
    await together.client.enqueue([draft(), draft(key="k"), draft(delay=60)])

    assert all(row.wake_at is None for row in await together.rows())
    await together.passes(60, step=60)
    assert (await together.depth()).ready == 3


# ----------------------------------------------------------------------------------- get and wait


async def test_a_task_that_is_not_there_is_said_to_be_missing(yard: Yard) -> None:
    with pytest.raises(TaskNotFoundError, match="longshore list"):
        await yard.client.get(yard.ports.ids())


async def test_waiting_ends_with_the_task(yard: Yard) -> None:
    (enqueued,) = await yard.client.enqueue([draft("done")])
    waiting = asyncio.ensure_future(yard.client.wait(enqueued.id))

    await yard.turn()
    assert not waiting.done()
    await yard.drain()
    task = await yard.done(waiting)

    assert task.result == b'"done"'


async def test_waiting_ends_with_its_timeout(yard: Yard) -> None:
    assert isinstance(yard.clock, ManualClock)
    (enqueued,) = await yard.client.enqueue([draft()])
    waiting = asyncio.ensure_future(yard.client.wait(enqueued.id, timeout=timedelta(seconds=5)))

    with pytest.raises(WaitTimeoutError, match="still queued"):
        await yard.done(waiting)

    assert yard.clock.monotonic() == pytest.approx(5, abs=0.3)


async def test_a_timeout_of_nothing_is_one_look(yard: Yard) -> None:
    (enqueued,) = await yard.client.enqueue([draft()])

    with pytest.raises(WaitTimeoutError):
        await yard.client.wait(enqueued.id, timeout=timedelta(0))
    await yard.drain()
    task = await yard.client.wait(enqueued.id, timeout=timedelta(0))

    assert task.state is TaskState.SUCCEEDED


async def test_a_task_that_is_not_in_the_log_yet_is_waited_for(apart: Yard) -> None:
    apart.log_plan.fail_next("record")
    (enqueued,) = await apart.client.enqueue([draft("done")])
    waiting = asyncio.ensure_future(apart.client.wait(enqueued.id))

    await apart.turn()
    await apart.drain()
    task = await apart.done(waiting)

    assert task.result == b'"done"'


async def test_looks_become_rarer(yard: Yard) -> None:
    (enqueued,) = await yard.client.enqueue([draft()])
    waiting = asyncio.ensure_future(yard.client.wait(enqueued.id, timeout=timedelta(seconds=60)))

    await yard.passes(50, step=0.01)
    yard.log_plan.sleep()
    with pytest.raises(UnavailableError):
        await yard.done(waiting)

    assert yard.clock.monotonic() < 50.5
