"""Two holdings of one task in one worker: only the newer token's is valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from longshore.clock import ManualClock
from longshore.context import Context
from longshore.identity import TaskId
from longshore.message import Message
from longshore.policy import Policy, QueuePolicy
from longshore.task import TaskSpec
from longshore.worker import WorkerOptions
from longshore.worker.holding import Holding
from longshore.worker.slots import Slots

KEY = TaskId("0199b1a6-0000-7000-8000-000000000001")


def holding(token: int) -> Holding:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Holding(
        delivery=None,
        definition=None,
        message=Message(id=KEY, type="work"),
        spec=TaskSpec(id=KEY, name="work", queue="default", body=b"", created_at=now),
        policy=QueuePolicy(),
        token=token,
        attempt=1,
        run=0,
        lease=timedelta(seconds=30),
        claimed_at=0.0,
        deadline=25.0,
        timeout=None,
        ctx=Context(
            task_id=KEY,
            task_name="work",
            queue="default",
            attempt=1,
            fence=token,
            clock=ManualClock(),
        ),
    )


@pytest.fixture
async def slots() -> Slots:
    return Slots(WorkerOptions(), Policy())


async def test_a_newer_token_ends_the_older_holding(slots: Slots) -> None:
    older, newer = holding(1), holding(2)
    slots.add(older)

    slots.add(newer)

    assert slots.held == {KEY: newer}
    assert older.stopped == "lost"
    assert newer.stopped is None


async def test_a_claim_that_is_answered_late_does_not_replace_a_newer_one(slots: Slots) -> None:
    older, newer = holding(1), holding(2)
    slots.add(newer)

    slots.add(older)

    assert slots.held == {KEY: newer}
    assert list(slots.ready) == [newer]


async def test_letting_the_older_holding_go_keeps_the_newer(slots: Slots) -> None:
    older, newer = holding(1), holding(2)
    slots.add(older)
    slots.add(newer)

    slots.drop(older)

    assert slots.held == {KEY: newer}
