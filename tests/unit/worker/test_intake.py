"""What becomes of messages before a handler: bad ones, foreign ones, duplicates, parked ones."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Context, Retry
from longshore.conformance.faults import GatedTaskLog
from longshore.draft import EnqueueOptions
from longshore.message import Message
from longshore.policy import LEASE
from longshore.protocol import Change, Claim, Record, Verb
from longshore.publish import Publisher
from longshore.queue import Outgoing
from longshore.task import TaskSpec, TaskState
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from longshore.clock import Clock
    from longshore.identity import TaskId
    from tests.unit.yard import Yard

BAD_BODIES = [
    b"",
    b"hello",
    b"[1, 2]",
    b"{",
    b"\xff\xfe",
    b'{"specversion": "0.3", "id": "1", "source": "s", "type": "echo"}',
    b'{"specversion": "1.0", "id": "1", "source": "s"}',
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": ""}',
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "echo", "taskpriority": 1000}',
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "echo", "datacrypt": "A256GCM"}',
    b"[" * 5000,
]


def event(name: str = "echo", data: object = None, **attributes: object) -> bytes:
    """Write an event as another team would, by hand."""
    whole = {"specversion": "1.0", "id": "7b", "source": "/billing", "type": name, **attributes}
    return json.dumps(whole | ({} if data is None else {"data": data})).encode()


async def echo(text: str = "") -> str:
    return text


async def only_row(yard: Yard) -> Any:
    (row,) = await yard.rows()
    return row


# -------------------------------------------------------------------------------------------- bad


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_an_unreadable_message_goes_to_the_dead_letters_with_its_bytes(
    yard: Yard, body: bytes
) -> None:
    await yard.send(body)
    good = await yard.enqueue(echo)

    await yard.drain()

    (letter,) = await yard.letters()
    assert (letter.reason, letter.body) == ("decode", body)
    assert letter.detail
    assert await yard.state(good) == "succeeded"
    assert len(await yard.rows()) == 1


async def test_many_bad_messages_do_not_stop_the_good_ones(yard: Yard) -> None:
    definition = yard.task(echo)
    for body in BAD_BODIES:
        await yard.send(body)
        await yard.enqueue(definition)

    stopped = await yard.drain(concurrency=50)

    assert stopped.done == len(BAD_BODIES)
    assert len(await yard.letters()) == len(BAD_BODIES)


async def test_an_unknown_task_fails_at_once_and_keeps_its_message(yard: Yard) -> None:
    body = event("not.here")
    await yard.send(body)

    await yard.drain()

    row = await only_row(yard)
    (letter,) = await yard.letters()
    assert (row.state, row.reason, row.attempts) == (TaskState.FAILED, "unknown_task", 1)
    assert row.error.type == "UnknownTaskError"
    assert (letter.reason, letter.body, letter.stamp) == ("unknown_task", body, 0)


async def test_a_thousand_unknown_tasks_are_no_deeper_than_one(yard: Yard) -> None:
    for number in range(1000):
        await yard.send(event("not.here", id=str(number)))

    stopped = await yard.drain(concurrency=1000)

    assert stopped.failed == 1000
    assert {row.reason for row in await yard.rows()} == {"unknown_task"}


@pytest.mark.parametrize(
    "name", ["tests.unit.worker.broken:task", f"{__name__}:missing", f"{__name__}:BAD_BODIES"]
)
async def test_a_name_that_cannot_be_imported_is_an_unknown_task(yard: Yard, name: str) -> None:
    yard.registry.allow_imports([name.partition(":")[0]])
    await yard.send(event(name))
    good = await yard.enqueue(echo)

    await yard.drain()

    reasons = {row.spec.name: row.reason for row in await yard.rows()}
    assert reasons == {name: "unknown_task", "echo": None}
    assert await yard.state(good) == "succeeded"


@pytest.mark.parametrize("data", [{"txet": "x"}, {"text": {"not": "text"}}, [1, 2], "text", 5])
async def test_arguments_that_do_not_fit_fail_at_once(yard: Yard, data: object) -> None:
    yard.task(echo, retry=Retry(attempts=5, backoff=0))
    body = event(data=data)
    await yard.send(body)

    await yard.drain()

    row = await only_row(yard)
    (letter,) = await yard.letters()
    assert (row.state, row.reason, row.attempts) == (TaskState.FAILED, "arguments", 1)
    assert (letter.reason, letter.body) == ("arguments", body)


async def test_a_logged_task_whose_message_cannot_be_read_fails_and_says_so(yard: Yard) -> None:
    """The row is the record: it must not stay queued for ever while its message is dead."""
    task = yard.ports.ids()
    spec = TaskSpec(
        id=task, name="echo", queue="default", body=b"damaged", created_at=yard.clock.now()
    )
    await yard.ports.task_log.record(
        [Record(spec=spec, state=TaskState.QUEUED, due_at=yard.clock.now())]
    )
    await yard.send(b"damaged", key=task)

    await yard.drain()

    row = await yard.row(task)
    (letter,) = await yard.letters()
    assert (row.state, row.reason) == (TaskState.FAILED, "decode")
    assert (letter.reason, letter.body, letter.stamp) == ("decode", b"damaged", 0)


async def test_an_unreadable_copy_of_a_finished_task_changes_nothing(yard: Yard) -> None:
    task = await yard.enqueue(echo)
    await yard.drain()
    await yard.send(b"damaged", key=task)

    await yard.drain()

    assert await yard.state(task) == "succeeded"
    assert [letter.reason for letter in await yard.letters()] == ["decode"]


@pytest.mark.parametrize("stamp", ["", "-1", "x", "9" * 5000, "٣", "1.5"])
async def test_a_stamp_that_is_no_number_is_none(yard: Yard, stamp: str) -> None:
    yard.task(echo)
    await yard.send(event(), stamp=stamp)

    await yard.drain()

    assert (await only_row(yard)).state is TaskState.SUCCEEDED


# ---------------------------------------------------------------------------------------- foreign


async def test_a_foreign_event_is_adopted_under_a_hashed_key(yard: Yard) -> None:
    yard.task(echo)
    body = event(data={"text": "hello"}, partitionkey="acme", tasktags="a,b", taskpriority=9)
    await yard.send(body)

    await yard.drain()

    row = await only_row(yard)
    expected = Message(id="7b", source="/billing", type="echo").key("default")
    assert row.id == expected
    assert (row.state, row.result) == (TaskState.SUCCEEDED, b'"hello"')
    assert (row.spec.tenant, row.spec.tags, row.spec.priority) == ("acme", ("a", "b"), 9)


async def test_the_same_event_sent_twice_is_one_task(yard: Yard) -> None:
    seen: list[str] = []

    async def handler(text: str) -> None:
        seen.append(text)

    yard.task(handler)
    await yard.send(event("handler", {"text": "once"}))
    await yard.send(event("handler", {"text": "once"}))
    await yard.drain()
    await yard.send(event("handler", {"text": "once"}))
    await yard.drain()

    assert seen == ["once"]
    assert (await yard.depth()).ready == 0


async def test_events_of_two_sources_may_have_the_same_id(yard: Yard) -> None:
    yard.task(echo)
    await yard.send(event(source="/a"))
    await yard.send(event(source="/b"))

    await yard.drain()

    assert len(await yard.rows()) == 2


async def test_a_producers_own_key_makes_its_repeats_one_task(yard: Yard) -> None:
    yard.task(echo)
    await yard.send(event(id="1", source="/a", taskkey="invoice-7", data={"text": "first"}))
    await yard.send(event(id="2", source="/b", taskkey="invoice-7", data={"text": "second"}))

    await yard.drain()

    row = await only_row(yard)
    assert row.spec.key == "invoice-7"
    assert row.result == b'"first"'


async def test_a_foreign_event_for_later_waits_in_the_log(yard: Yard) -> None:
    yard.task(echo)
    due = yard.clock.now() + timedelta(days=3)
    await yard.send(event(notbefore=due.isoformat(), data={"text": "later"}))

    await yard.drain()
    waiting, messages = await only_row(yard), (await yard.depth()).ready
    await yard.passes(timedelta(days=3), step=86400)
    await Publisher(yard.ports).publish_due()
    await yard.drain()

    assert (waiting.state, waiting.wake_at, messages) == (TaskState.SCHEDULED, due, 0)
    assert (await only_row(yard)).result == b'"later"'


async def test_a_foreign_events_attempts_and_timeout_hold(yard: Yard) -> None:
    async def handler(ctx: Context) -> None:
        assert ctx.max_attempts == 2
        await asyncio.Event().wait()

    yard.task(handler, retry=Retry(attempts=5, backoff=0), timeout=timedelta(hours=1))
    await yard.send(event("handler", taskattempts=2, tasktimeout=3))

    async with yard.working():
        await yard.until(lambda: is_final(yard), moving=True)

    row = await only_row(yard)
    assert (row.state, row.reason, row.attempts) == (TaskState.FAILED, "timeout", 2)


async def is_final(yard: Yard) -> bool:
    rows = await yard.rows()
    return bool(rows) and all(row.final for row in rows)


# ------------------------------------------------------------------------------------- not to run


async def test_an_expired_task_never_starts(yard: Yard) -> None:
    seen: list[str] = []
    task = await yard.enqueue(
        yard.task(seen.append, name="append"), "x", options=EnqueueOptions(expires=60)
    )

    await yard.passes(60, step=60)
    await yard.drain()

    assert seen == []
    assert await yard.state(task) == "expired"
    assert (await yard.depth()).ready == 0


async def test_a_paused_task_waits_and_a_resumed_one_runs(yard: Yard) -> None:
    task = await yard.enqueue(echo, "x")

    await yard.operator.one(Verb.PAUSE, task)
    await yard.drain()
    paused, messages = await yard.row(task), (await yard.depth()).ready
    resumed = await yard.operator.one(Verb.RESUME, task)
    await yard.drain()

    assert (paused.state, messages) == (TaskState.PAUSED, 0)
    assert paused.body is not None
    assert resumed.state is TaskState.QUEUED
    assert await yard.outcomes(task) == ["succeeded"]


async def test_a_task_paused_before_its_row_existed_keeps_its_message(yard: Yard) -> None:
    """A tombstone has no body; the message brings it."""
    definition = yard.task(echo)
    task = yard.ports.ids()
    message = event(id=task, source="urn:longshore", data={"text": "x"})
    spec = TaskSpec(id=task, name="echo", queue="default", body=b"", created_at=yard.clock.now())
    pause = Change(task_id=task, verb=Verb.PAUSE, spec=spec)
    await yard.ports.task_log.transition([pause])
    await yard.send(message, key=task)

    await yard.drain()
    paused = await yard.row(task)
    await yard.operator.one(Verb.RESUME, task)
    await yard.drain()

    assert definition.name == paused.spec.name
    assert (paused.state, paused.body) == (TaskState.PAUSED, message)
    assert await yard.state(task) == "succeeded"


async def test_a_retried_task_runs_as_a_new_run(yard: Yard) -> None:
    async def handler(ctx: Context) -> int:
        if ctx.run == 0:
            raise ValueError("no")
        return ctx.attempt

    task = await yard.enqueue(yard.task(handler), options=EnqueueOptions(attempts=1))
    await yard.drain()
    await yard.operator.one(Verb.RETRY, task)
    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.run, row.result) == (TaskState.SUCCEEDED, 1, b"1")
    assert [(one.run, one.outcome) for one in await yard.attempts(task)] == [
        (0, "failed"),
        (1, "succeeded"),
    ]


# ------------------------------------------------------------------------------------- duplicates


async def copy(yard: Yard, task: TaskId) -> None:
    """Put one more message of a task into its queue."""
    row = await yard.row(task)
    assert row.body is not None
    await yard.ports.queue("default").send([Outgoing(key=task, body=row.body)])


async def test_a_copy_of_a_running_task_is_not_run_beside_it(yard: Yard) -> None:
    release, began = asyncio.Event(), list[str]()

    async def handler() -> None:
        began.append("once")
        await release.wait()

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        await copy(yard, task)
        await copy(yard, task)
        await yard.turn()
        held = (await yard.depth()).in_flight
        release.set()
        await yard.reaches(task, "succeeded")
        await yard.turn()
        left = await yard.depth()

    assert began == ["once"]
    assert held == 3
    assert (left.ready, left.in_flight) == (0, 0)


async def test_two_messages_of_a_task_received_at_once_are_one_run(yard: Yard) -> None:
    began: list[str] = []

    async def handler() -> None:
        began.append("once")

    task = await yard.enqueue(handler)
    await copy(yard, task)
    await copy(yard, task)
    await yard.drain(concurrency=10)

    assert began == ["once"]
    assert await yard.outcomes(task) == ["succeeded"]
    assert (await yard.depth()).delayed == 0


async def test_a_copy_of_a_finished_task_is_acknowledged(yard: Yard) -> None:
    task = await yard.enqueue(echo)
    await yard.drain()
    row = await yard.row(task)
    await yard.send(row.spec.body, key=task)

    await yard.drain()

    assert await yard.outcomes(task) == ["succeeded"]
    assert (await yard.depth()).ready == 0


async def test_a_copy_held_while_the_task_is_to_be_tried_again_makes_no_second_run(
    yard: Yard,
) -> None:
    release, began = asyncio.Event(), list[int]()

    async def handler(ctx: Context) -> None:
        began.append(ctx.attempt)
        if ctx.attempt == 1:
            await release.wait()
            raise ValueError("again")

    definition = yard.task(handler, retry=Retry(attempts=2, backoff="10s", jitter=0))
    task = await yard.enqueue(definition)
    async with yard.working():
        await yard.reaches(task, "running")
        await copy(yard, task)
        await yard.turn()
        release.set()
        await yard.reaches(task, "retrying")
        await yard.reaches(task, "succeeded", moving=True)
        await yard.passes(60)
        left = await yard.depth()

    assert began == [1, 2]
    assert (left.ready, left.in_flight, left.delayed) == (0, 0, 0)


async def test_a_task_another_worker_runs_is_left_to_it(yard: Yard) -> None:
    release, began = asyncio.Event(), list[str]()

    async def handler() -> None:
        began.append("once")
        await release.wait()

    task = await yard.enqueue(handler)
    async with yard.working(name="one"):
        await yard.reaches(task, "running")
        async with yard.working(name="two", queues=("default",)):
            await copy(yard, task)
            await yard.passes(1)
            waiting = await yard.depth()
            release.set()
            await yard.reaches(task, "succeeded")
            await yard.passes(60)
            left = await yard.depth()

    assert began == ["once"]
    assert waiting.ready == 0
    assert (left.ready, left.in_flight, left.delayed) == (0, 0, 0)


# ---------------------------------------------------------------------------- brokers without delay


@pytest.fixture
async def strict() -> AsyncIterator[Yard]:
    """A broker that cannot hold a message back: waits are kept in the log."""
    async with open_yard(
        together=False, max_delay=timedelta(0), max_release_delay=timedelta(0)
    ) as yard:
        yield yard


async def test_a_retry_is_kept_in_the_log_where_the_broker_cannot_wait(strict: Yard) -> None:
    async def handler(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise ValueError("again")
        return ctx.attempt

    retry = Retry(backoff="10s", jitter=0)
    task = await strict.enqueue(strict.task(handler, retry=retry))
    await strict.drain()
    waiting = await strict.row(task)
    left = await strict.depth()
    await strict.passes(10)
    await Publisher(strict.ports).publish_due()
    await strict.drain()

    assert (waiting.state, waiting.wake_at) == (TaskState.RETRYING, waiting.due_at)
    assert (left.ready, left.delayed, left.in_flight) == (0, 0, 0)
    assert (await strict.row(task)).result == b"2"


async def test_an_embedded_scheduler_is_enough_for_waits_in_the_log(strict: Yard) -> None:
    async def handler(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise ValueError("again")
        return ctx.attempt

    retry = Retry(backoff="10s", jitter=0)
    task = await strict.enqueue(
        strict.task(handler, retry=retry), options=EnqueueOptions(delay="1 minute")
    )
    async with strict.working(publish=True):
        await strict.passes(75)
        row = await strict.row(task)

    assert (row.state, row.result) == (TaskState.SUCCEEDED, b"2")


async def test_a_busy_task_is_parked_where_the_broker_cannot_wait(strict: Yard) -> None:
    release, began = asyncio.Event(), list[str]()

    async def handler() -> None:
        began.append("once")
        await release.wait()

    task = await strict.enqueue(handler)
    async with strict.working(name="one"):
        await strict.reaches(task, "running")
        async with strict.working(name="two"):
            await copy(strict, task)
            async with asyncio.timeout(20):
                while (parked := await strict.row(task)).wake_at is None or (
                    messages := await strict.depth()
                ).in_flight != 1:
                    await strict.turn()
            release.set()
            row = await strict.reaches(task, "succeeded")

    assert began == ["once"]
    assert parked.wake_at is not None
    assert (messages.ready, messages.in_flight) == (0, 1)
    assert row.wake_at is None


class LatePark:
    """A gate behind which the first change comes when the lease it relied on is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late = False

    async def through(self, verb: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if verb == "transition" and not self._late:
            self._late = True
            await self._clock.sleep(2 * LEASE.total_seconds())
        return await call()


async def test_a_message_whose_park_comes_too_late_is_claimed_again(strict: Yard) -> None:
    task = await strict.enqueue(strict.task(echo), "again")
    row = await strict.row(task)
    dead = Claim(spec=row.spec, claim_id=task, worker="dead", lease=LEASE, due_at=row.due_at)
    await strict.healthy.task_log.claim([dead])
    strict.ports = replace(
        strict.ports, task_log=GatedTaskLog(strict.ports.task_log, LatePark(strict.clock))
    )

    async with strict.working():
        rescued = await strict.reaches(task, "succeeded", moving=True)

    assert (rescued.rescues, await strict.outcomes(task)) == (0, ["lost", "succeeded"])


async def test_an_early_copy_is_parked_where_the_broker_cannot_wait(strict: Yard) -> None:
    definition = strict.task(echo)
    task = await strict.enqueue(definition, options=EnqueueOptions(delay=60))
    row = await strict.row(task)
    assert row.body is not None
    await strict.send(row.body, key=task)

    await strict.drain()

    assert (await strict.depth()).ready == 0
    assert (await strict.row(task)).wake_at == row.due_at


async def test_a_message_that_came_back_too_often_is_parked(apart: Yard) -> None:
    """Each receive counts toward the broker's own limit; a healthy task must not reach it."""
    task = await apart.enqueue(apart.task(echo), options=EnqueueOptions(delay=1000))
    row = await apart.row(task)
    port = apart.ports.queue("default")
    await apart.send(row.spec.body, key=task)
    delivery = None
    for _ in range(49):
        (delivery,) = await port.receive(limit=1, wait=timedelta(0), lease=timedelta(seconds=1))
        await apart.passes(1)
    assert delivery is not None
    assert delivery.receives == 49

    await apart.drain()

    assert (await apart.row(task)).wake_at is not None
    assert (await apart.depth()).ready == 0
    assert (await apart.depth()).delayed == 1
