"""The promises of `TaskLog.transition`: guards, and the verbs of protocol.md §9."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import LONG
from longshore.conformance.task_log.clerk import LEASE, Clerk, LogSetting
from longshore.protocol import GRACE, Change, Record, Verb
from longshore.task import Reason, TaskState

if TYPE_CHECKING:
    from longshore.task import TaskSpec

WRONG = 99


async def armed(clerk: Clerk) -> TaskSpec:
    """Leave a row in the outbox, with wake number 1."""
    entry = replace(clerk.entry(TaskState.CREATED), armed=True)
    await clerk.record(entry)
    return entry.spec


class Guarding(LogSetting):
    """Losing a compare-and-set is an answer."""

    async def test_a_refused_change_answers_the_row_as_it_stands(self, clerk: Clerk) -> None:
        """And leaves it so."""
        spec = await clerk.ended()
        before = await clerk.row(spec)

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.RETRY))

        assert (answer.task_id, answer.applied, answer.task) == (spec.id, False, before)
        assert await clerk.row(spec) == before

    async def test_an_applied_change_answers_the_row_it_made(self, clerk: Clerk) -> None:
        """As it is read afterwards."""
        spec = await clerk.recorded()

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.PAUSE))

        assert answer.applied
        assert answer.task == await clerk.row(spec)

    async def test_a_change_of_an_unknown_task_is_refused(self, clerk: Clerk) -> None:
        """Without a spec there is no tombstone either."""
        spec = clerk.spec()

        answers = await clerk.log.transition([Change(task_id=spec.id, verb=verb) for verb in Verb])

        assert [(answer.applied, answer.task) for answer in answers] == [(False, None)] * len(Verb)
        assert await clerk.find_row(spec) is None

    @pytest.mark.parametrize("guard", ["state", "token", "wake_no"])
    async def test_each_part_of_a_guard_must_hold(self, clerk: Clerk, guard: str) -> None:
        """State, token and wake number, as far as given."""
        spec = await armed(clerk)
        before = await clerk.row(spec)
        holds = Change(
            task_id=spec.id, verb=Verb.PAUSE, state=TaskState.CREATED, token=0, wake_no=1
        )
        broken = {
            "state": replace(holds, state=TaskState.QUEUED),
            "token": replace(holds, token=WRONG),
            "wake_no": replace(holds, wake_no=WRONG),
        }

        refused = await clerk.change(broken[guard])
        unchanged = await clerk.row(spec)
        applied = await clerk.change(holds)

        assert (refused.applied, unchanged) == (False, before)
        assert applied.applied

    async def test_each_change_of_a_batch_is_answered_by_itself(self, clerk: Clerk) -> None:
        """In the order given; changes of one task see those before."""
        queued, done = await clerk.recorded(), await clerk.ended()

        answers = await clerk.log.transition(
            [
                Change(task_id=done.id, verb=Verb.PAUSE),
                Change(task_id=queued.id, verb=Verb.PAUSE),
                Change(task_id=queued.id, verb=Verb.RESUME),
            ]
        )

        assert [answer.applied for answer in answers] == [False, True, True]


class Publishing(LogSetting):
    """What schedulers and workers do about wake-ups."""

    async def test_a_confirmation_clears_the_wake_up(self, clerk: Clerk) -> None:
        """And the task is queued."""
        spec = await armed(clerk)

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.CONFIRM, token=0, wake_no=1))

        row = await clerk.row(spec)
        assert answer.applied
        assert (row.state, row.wake_at, row.wake_no) == (TaskState.QUEUED, None, 1)

    async def test_a_confirmation_of_an_older_wake_up_is_refused(self, clerk: Clerk) -> None:
        """A park since then relies on the wake-up: it has another number (§5)."""
        spec = await armed(clerk)
        parked = await clerk.changed(spec, Verb.PARK)
        before = await clerk.row(spec)

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.CONFIRM, wake_no=1))

        assert parked.wake_no == len(["armed", "parked"])
        assert not answer.applied
        assert await clerk.row(spec) == before

    async def test_a_confirmation_after_a_claim_is_refused(self, clerk: Clerk) -> None:
        """The claim moved the wake-up under a new number."""
        spec = await armed(clerk)
        await clerk.won(clerk.bid(spec))
        before = await clerk.row(spec)

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.CONFIRM, wake_no=1))

        assert not answer.applied
        assert await clerk.row(spec) == before

    async def test_a_confirmation_of_a_running_task_leaves_it_running(self, clerk: Clerk) -> None:
        """Its lost message was published again; the next claim decides."""
        spec = await armed(clerk)
        await clerk.won(clerk.bid(spec))

        row = await clerk.changed(spec, Verb.CONFIRM)

        assert (row.state, row.wake_at) == (TaskState.RUNNING, None)

    async def test_parking_an_open_task_sets_its_wake_up(self, clerk: Clerk) -> None:
        """At its due time, with the body of the message that goes."""
        due_at = clerk.now() + LONG
        entry = replace(clerk.entry(), due_at=due_at)
        await clerk.record(entry)

        row = await clerk.changed(entry.spec, Verb.PARK)

        assert (row.state, row.wake_at, row.wake_no) == (TaskState.QUEUED, due_at, 1)
        assert row.body == entry.spec.body

    async def test_parking_a_busy_task_wakes_behind_its_lease(self, clerk: Clerk) -> None:
        """The copy may go; its owner may die."""
        spec = await clerk.running()

        row = await clerk.changed(spec, Verb.PARK)

        assert row.lease_until is not None
        assert (row.wake_at, row.wake_no) == (row.lease_until + GRACE, 1)

    async def test_parking_behind_a_dead_lease_is_refused(self, clerk: Clerk) -> None:
        """Claim again instead."""
        spec = await clerk.lapsed()
        before = await clerk.row(spec)

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.PARK, body=spec.body))

        assert not answer.applied
        assert await clerk.row(spec) == before

    async def test_a_live_task_whose_wake_up_came_is_postponed(self, clerk: Clerk) -> None:
        """Behind its lease, under a new number (§9)."""
        spec = clerk.spec()
        await clerk.won(replace(clerk.bid(spec), lease=LEASE, early_ack=True))

        row = await clerk.changed(spec, Verb.POSTPONE)

        assert row.lease_until is not None
        assert (row.wake_at, row.wake_no) == (row.lease_until + GRACE, 2)

    async def test_a_task_that_cannot_be_sent_is_deferred(self, clerk: Clerk) -> None:
        """So that what is due later has its turn, under a new number (§9)."""
        entry = replace(clerk.entry(), armed=True)
        await clerk.record(entry)

        row = await clerk.changed(entry.spec, Verb.DEFER)

        assert row.wake_at is not None
        assert row.wake_at > clerk.now()
        assert (row.state, row.wake_no, row.due_at) == (entry.state, 2, entry.due_at)

    async def test_a_task_without_a_wake_up_is_armed(self, clerk: Clerk) -> None:
        """The audit found that its message is gone, and counts how often."""
        spec = await clerk.recorded()

        row = await clerk.changed(spec, Verb.ARM)

        assert clerk.near(row.wake_at, clerk.now())
        assert (row.wake_no, row.audits, row.body) == (1, 1, spec.body)

    async def test_a_claim_forgets_the_audits(self, clerk: Clerk) -> None:
        """Only those without a claim in between add up."""
        spec = await clerk.recorded()
        await clerk.changed(spec, Verb.ARM)

        await clerk.won(clerk.bid(spec))

        assert (await clerk.row(spec)).audits == 0

    async def test_an_open_task_past_its_deadline_expires(self, clerk: Clerk) -> None:
        """And one before it does not."""
        late, early = clerk.entry(), clerk.entry()
        late = replace(late, spec=replace(late.spec, expires_at=clerk.past()), armed=True)
        early = replace(early, spec=replace(early.spec, expires_at=clerk.now() + LONG))
        await clerk.log.record([late, early])

        answers = await clerk.log.transition(
            [Change(task_id=entry.spec.id, verb=Verb.EXPIRE) for entry in (late, early)]
        )

        row = await clerk.row(late.spec)
        assert [answer.applied for answer in answers] == [True, False]
        assert (row.state, row.wake_at) == (TaskState.EXPIRED, None)

    async def test_a_task_that_no_audit_could_wake_is_abandoned(self, clerk: Clerk) -> None:
        """It fails as undeliverable; one that has a wake-up or a live lease does not."""
        lost, woken, running = await clerk.recorded(), await armed(clerk), await clerk.running()

        answers = await clerk.log.transition(
            [Change(task_id=spec.id, verb=Verb.ABANDON) for spec in (lost, woken, running)]
        )

        row = await clerk.row(lost)
        assert [answer.applied for answer in answers] == [True, False, False]
        assert (row.state, row.reason) == (TaskState.FAILED, Reason.UNDELIVERABLE)

    async def test_a_lost_task_that_is_abandoned_keeps_its_last_try(self, clerk: Clerk) -> None:
        """As an attempt that was lost."""
        spec = await clerk.lapsed()

        await clerk.changed(spec, Verb.ABANDON)

        attempts = await clerk.log.attempts(spec.id)
        assert [(attempt.outcome, attempt.token) for attempt in attempts] == [("lost", 1)]

    async def test_a_blocked_task_is_unblocked_with_a_wake_up(self, clerk: Clerk) -> None:
        """Nothing was sent for it yet."""
        spec = await clerk.recorded(TaskState.BLOCKED)

        row = await clerk.changed(spec, Verb.UNBLOCK)

        assert (row.state, row.wake_no) == (TaskState.QUEUED, 1)
        assert clerk.near(row.wake_at, clerk.now())

    async def test_a_scheduled_record_is_confirmed_like_the_outbox(self, clerk: Clerk) -> None:
        """It is queued once it was sent."""
        spec = clerk.spec()
        await clerk.record(
            Record(spec=spec, state=TaskState.SCHEDULED, due_at=clerk.past(), armed=True)
        )

        row = await clerk.changed(spec, Verb.CONFIRM)

        assert (row.state, row.wake_at) == (TaskState.QUEUED, None)
