"""The promises of `TaskLog.record`: rows are inserted once, and carry everything."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore import protocol
from longshore.conformance.contract import LONG, need
from longshore.conformance.task_log.clerk import Clerk, LogSetting
from longshore.errors import TooLargeError
from longshore.identity import TaskIds
from longshore.protocol import Record, Recorded
from longshore.task import TaskSpec, TaskState

if TYPE_CHECKING:
    from longshore.conformance.contract import Connect, Time
    from longshore.task_log import TaskLog

CALLERS = 8
RECORDED = ["created", "queued", "scheduled", "blocked", "cancelled", "paused"]
ODD = "grün ✓ \"quoted\" 'single' 100% a_b \\ \n\t\U0001f6a2"


class Recording(LogSetting):
    """Inserting rows."""

    @pytest.mark.parametrize("state", RECORDED)
    async def test_a_new_row_is_inserted_in_its_state(self, clerk: Clerk, state: str) -> None:
        """And reads back as it was recorded."""
        entry = clerk.entry(TaskState(state))

        answer = await clerk.record(entry)

        expected = protocol.record(entry, clerk.now())
        assert answer == Recorded(task_id=entry.spec.id, inserted=True, state=entry.state)
        assert clerk.differences(await clerk.find_row(entry.spec), expected) == []

    async def test_an_existing_row_is_answered_and_not_changed(self, clerk: Clerk) -> None:
        """Recording may be repeated, and a key decides who was first."""
        entry = clerk.entry()
        await clerk.record(entry)
        await clerk.won(clerk.bid(entry.spec))
        before = await clerk.row(entry.spec)

        other = replace(entry.spec, name="another", body=b"another", tags=("another",))
        answer = await clerk.record(Record(spec=other, state=TaskState.CREATED, due_at=clerk.now()))

        assert answer == Recorded(task_id=other.id, inserted=False, state=TaskState.RUNNING)
        assert await clerk.row(entry.spec) == before

    async def test_one_of_two_equal_ids_in_a_batch_is_inserted(self, clerk: Clerk) -> None:
        """The first."""
        entry = clerk.entry()

        answers = await clerk.log.record([entry, replace(entry, state=TaskState.PAUSED)])

        assert [answer.inserted for answer in answers] == [True, False]
        assert (await clerk.row(entry.spec)).state is TaskState.QUEUED

    async def test_concurrent_records_of_one_task_insert_one_row(
        self, clerk: Clerk, second: TaskLog
    ) -> None:
        """Insert-if-absent is atomic."""
        entry = clerk.entry()

        answers = await asyncio.gather(
            *(log.record([entry]) for log in (clerk.log, second) * (CALLERS // 2))
        )

        assert sum(answer.inserted for [answer] in answers) == 1

    async def test_a_row_appears_to_another_connection(
        self, clerk: Clerk, others_clerk: Clerk
    ) -> None:
        """What was answered is there, for everybody."""
        spec = await clerk.recorded()

        assert await others_clerk.row(spec) == await clerk.row(spec)

    async def test_an_armed_record_wakes_when_it_is_due(self, clerk: Clerk) -> None:
        """With wake number 1."""
        due_at = clerk.now() + LONG
        entry = replace(clerk.entry(TaskState.SCHEDULED), due_at=due_at, armed=True)

        await clerk.record(entry)

        row = await clerk.row(entry.spec)
        assert (row.due_at, row.wake_at, row.wake_no) == (due_at, due_at, 1)

    async def test_an_armed_record_may_wake_at_another_time(self, clerk: Clerk) -> None:
        """The outbox gives its sender a while before the scheduler sends."""
        wake_at = clerk.now() + LONG
        entry = replace(clerk.entry(TaskState.CREATED), armed=True, wake_at=wake_at)

        await clerk.record(entry)

        row = await clerk.row(entry.spec)
        assert (row.due_at, row.wake_at, row.wake_no) == (entry.due_at, wake_at, 1)

    async def test_a_record_too_large_is_an_error_of_its_own(self, clerk: Clerk) -> None:
        """Its neighbours are inserted."""
        good, bad, fine = clerk.entry(), clerk.entry(), clerk.entry()
        bad = replace(bad, spec=replace(bad.spec, body=b"x" * (_limit(clerk) + 1)))

        answers = await clerk.log.record([good, bad, fine])

        assert [answer.inserted for answer in answers] == [True, False, True]
        assert [type(answer.error) for answer in answers] == [type(None), TooLargeError, type(None)]
        assert await clerk.find_row(bad.spec) is None

    async def test_empty_batches_answer_empty_lists(self, task_log: TaskLog) -> None:
        """No verb minds that there is nothing to do."""
        answers = [
            await task_log.record([]),
            await task_log.claim([]),
            await task_log.renew([]),
            await task_log.finish([]),
            await task_log.transition([]),
            await task_log.note([]),
            await task_log.get([]),
        ]

        assert answers == [[], [], [], [], [], [], []]


class Carrying(LogSetting):
    """What was recorded comes back as it was."""

    async def test_every_field_of_a_spec_survives(self, clerk: Clerk) -> None:
        """Whatever texts hold, and to the microsecond."""
        spec = full_spec(clerk)
        entry = Record(spec=spec, state=TaskState.SCHEDULED, due_at=clerk.now() + LONG, armed=True)

        await clerk.record(entry)

        row = await clerk.row(spec)
        assert replace(row.spec, body=spec.body) == spec
        assert row.body == spec.body
        assert (row.due_at, row.wake_at) == (entry.due_at, entry.due_at)
        assert row.expires_at == spec.expires_at

    async def test_an_adopted_row_carries_the_same(self, clerk: Clerk) -> None:
        """A message without a row brings its spec with the claim."""
        spec = full_spec(clerk)

        await clerk.won(clerk.bid(spec))

        row = await clerk.row(spec)
        assert replace(row.spec, body=spec.body) == spec
        assert row.body == spec.body

    @pytest.mark.parametrize(
        "body", [b"", b"\x00\xff\x00", bytes(range(256)) * 1024], ids=["empty", "binary", "large"]
    )
    async def test_a_body_comes_back_byte_for_byte(self, clerk: Clerk, body: bytes) -> None:
        """An empty body is a body."""
        spec = replace(clerk.spec(), body=body)

        await clerk.record(Record(spec=spec, state=TaskState.QUEUED, due_at=clerk.past()))

        assert (await clerk.row(spec)).body == body

    async def test_times_are_read_in_utc(self, clerk: Clerk) -> None:
        """Every time in a row is aware."""
        spec = await clerk.recorded()

        row = await clerk.row(spec)

        zones = {moment.utcoffset() for moment in (row.due_at, row.updated_at, row.spec.created_at)}
        assert zones == {timedelta(0)}

    async def test_rows_outlive_the_connection(
        self, connect: Connect, time: Time, clerk: Clerk
    ) -> None:
        """A durable log keeps what it answered."""
        need(clerk.log.capabilities.durable, "it is not durable")
        async with connect() as opened:
            assert opened.task_log is not None
            entry = clerk.entry()
            await opened.task_log.record([entry])
        assert time.clock is not None

        async with connect() as opened:
            assert opened.task_log is not None
            [row] = await opened.task_log.get([entry.spec.id])

        assert row is not None
        assert row.body == entry.spec.body


def full_spec(clerk: Clerk) -> TaskSpec:
    """Make a spec in which every field says something of its own."""
    return TaskSpec(
        id=TaskIds()(),
        name="module:Class.method",
        queue="queue-1.fifo",
        body=b"\x00body\xff",
        created_at=clerk.now() - timedelta(microseconds=123_457),
        priority=42,
        max_attempts=7,
        expires_at=clerk.now() + timedelta(days=400, microseconds=1),
        tags=("red", "grün ✓", "a,b"),
        category="import",
        tenant="tenant 1",
        owner="o'brien",
        label=ODD,
        parent_id=TaskIds()(),
        key="order-42",
        delete_on_complete=True,
    )


def _limit(clerk: Clerk) -> int:
    return clerk.log.capabilities.max_row
