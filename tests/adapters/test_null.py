from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.clock import ManualClock
from longshore.conformance.queue import Accepting, Closing
from longshore.conformance.task_log import pruning
from longshore.errors import ConfigurationError, LeaseLostError, UnsupportedError
from longshore.identity import TaskIds
from longshore.protocol import (
    Answer,
    Change,
    Claim,
    Claimed,
    End,
    Finished,
    Note,
    Outcome,
    Record,
    Renewal,
    Settle,
    Verb,
)
from longshore.queue import Delivery, Depth, Outgoing, Rejection, Release
from longshore.task import TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore_adapters.null import ADAPTER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from longshore.conformance import Connect
    from longshore.queue import Queue
    from longshore.task_log import TaskLog

MINUTE = timedelta(minutes=1)
STRANGE = Delivery(receipt="1:1", queue="q", body=b"")


class Null:
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def connect(self, clock: ManualClock) -> Connect:
        return lambda: ADAPTER.open("null://", clock)


class TestNullQueue(Null, Accepting, Closing): ...


class TestNullTaskLog(Null, pruning.Closing): ...


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def queue(clock: ManualClock) -> AsyncGenerator[Queue]:
    async with ADAPTER.open("null://", clock) as backend:
        assert backend.queue is not None
        yield backend.queue("q")


@pytest.fixture
async def task_log(clock: ManualClock) -> AsyncGenerator[TaskLog]:
    async with ADAPTER.open("null://", clock) as backend:
        assert backend.task_log is not None
        yield backend.task_log


def bid(clock: ManualClock) -> Claim:
    spec = TaskSpec(id=TaskIds()(), name="t", queue="q", body=b"{}", created_at=clock.now())
    return Claim(spec=spec, claim_id="c", worker="w", lease=MINUTE, due_at=clock.now())


async def test_what_is_sent_is_accepted_and_never_comes(queue: Queue) -> None:
    message = Outgoing(key=TaskIds()(), body=b"{}", priority=100, delay=MINUTE)

    sent = await queue.send([message])
    received = await queue.receive(limit=1, wait=timedelta(0), lease=MINUTE)

    assert sent == [None]
    assert received == []
    assert await queue.depth() == Depth()


async def test_no_delivery_can_be_used(queue: Queue) -> None:
    acked = await queue.ack([STRANGE])
    [released] = await queue.release([Release(delivery=STRANGE)])
    [rejected] = await queue.reject([Rejection(delivery=STRANGE, reason="error")])
    [extended] = await queue.extend([STRANGE], lease=MINUTE)

    assert acked == [None]
    assert isinstance(released, LeaseLostError)
    assert isinstance(rejected, UnsupportedError)
    assert isinstance(extended, UnsupportedError)


async def test_nothing_is_declared_or_deleted(queue: Queue) -> None:
    await queue.delete()

    assert await queue.declare() is False


async def test_every_claim_wins_without_a_fence_at_the_attempt_that_the_broker_counts(
    task_log: TaskLog, clock: ManualClock
) -> None:
    wanted = replace(bid(clock), receives=3)

    answers = await task_log.claim([wanted, replace(wanted, claim_id="another")])

    won = Claimed(answer=Answer.WON, state=TaskState.RUNNING, token=0, attempt=3)
    assert answers == [won, won]


async def test_no_claim_lets_its_message_go(task_log: TaskLog, clock: ManualClock) -> None:
    long_task = replace(bid(clock), early_ack=True)
    early = replace(bid(clock), due_at=clock.now() + MINUTE)

    answers = await task_log.claim([long_task, early])

    assert [answer.answer for answer in answers] == [Answer.WON, Answer.EARLY]
    assert [(answer.armed, answer.has_body) for answer in answers] == [(False, False)] * 2


async def test_a_message_past_its_deadline_does_not_win(
    task_log: TaskLog, clock: ManualClock
) -> None:
    wanted = bid(clock)
    spec = replace(wanted.spec, expires_at=clock.now() - MINUTE)

    [answer] = await task_log.claim([replace(wanted, spec=spec)])

    assert answer.answer is Answer.EXPIRED


@pytest.mark.parametrize(
    ("end", "retry_in", "settle", "state"),
    [
        ("success", None, "ack", "succeeded"),
        ("cancel", None, "ack", "cancelled"),
        ("failure", None, "dead_letter", "failed"),
        ("failure", MINUTE, "release", "retrying"),
        ("give_back", None, "release", "queued"),
        ("give_back", MINUTE, "release", "scheduled"),
    ],
    ids=["success", "cancel", "failure", "retry", "give-back", "snooze"],
)
async def test_every_end_settles_the_message_by_the_outcome_alone(
    task_log: TaskLog, end: str, retry_in: timedelta | None, settle: str, state: str
) -> None:
    task_id = TaskIds()()
    outcome = Outcome(task_id=task_id, token=1, end=End(end), retry_in=retry_in, body=b"{}")

    answers = await task_log.finish([outcome, replace(outcome, message_waits=False)])

    finished = Finished(
        task_id=task_id,
        accepted=True,
        settle=Settle(settle),
        state=TaskState(state),
        delay=retry_in or timedelta(0),
    )
    assert answers == [finished, finished]


async def test_a_lease_always_holds_and_progress_is_discarded(task_log: TaskLog) -> None:
    task_id = TaskIds()()

    [renewed] = await task_log.renew([Renewal(task_id=task_id, token=1, lease=MINUTE)])
    noted = await task_log.note([Note(task_id=task_id, token=1, progress=0.5)])

    assert (renewed.ok, renewed.cancel_requested) == (True, False)
    assert noted == [True]


async def test_nothing_that_was_recorded_is_found(task_log: TaskLog, clock: ManualClock) -> None:
    spec = bid(clock).spec
    entry = Record(spec=spec, state=TaskState.QUEUED, due_at=clock.now(), armed=True)

    answers = await task_log.record([entry, entry])

    page, count = await task_log.find(TaskQuery()), await task_log.count(TaskQuery())
    assert [answer.inserted for answer in answers] == [True, True]
    assert await task_log.get([spec.id]) == [None]
    assert (page.tasks, page.cursor) == ((), None)
    assert (count.value, count.exact) == (0, False)
    assert await task_log.stats() == []
    assert await task_log.due(before=clock.now(), limit=10) == []
    assert await task_log.attempts(spec.id) == []


async def test_the_log_says_that_it_keeps_nothing(task_log: TaskLog) -> None:
    can = task_log.capabilities

    assert (can.durable, can.shared, can.exact_counts) == (False, False, False)


async def test_nothing_can_be_changed(task_log: TaskLog) -> None:
    task_id = TaskIds()()

    answers = await task_log.transition([Change(task_id=task_id, verb=verb) for verb in Verb])

    assert {(answer.applied, answer.task) for answer in answers} == {(False, None)}


async def test_pruning_removes_nothing_and_minds_the_states(
    task_log: TaskLog, clock: ManualClock
) -> None:
    removed = await task_log.prune(
        states=frozenset({TaskState.FAILED}), before=clock.now(), limit=10
    )

    with pytest.raises(ConfigurationError):
        await task_log.prune(states=frozenset({TaskState.QUEUED}), before=clock.now(), limit=10)
    assert removed == 0


@pytest.mark.parametrize("url", ["null://name", "null:///path", "null://?durable=yes"])
async def test_an_url_that_says_more_is_refused(url: str, clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError, match="no names and no options"):
        async with ADAPTER.open(url, clock):
            pass


def test_init_and_deinit_say_that_there_is_nothing() -> None:
    said = ADAPTER.init("null://") + ADAPTER.deinit("null://")

    assert [line.partition(": ")[2].split()[0] for line in said] == ["nothing", "nothing"]
