"""What an operator may do to a task, by `TaskLog.transition`: protocol.md §10."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import LONG
from longshore.conformance.task_log.clerk import Clerk, LogSetting
from longshore.protocol import MARGIN, Answer, Change, End, Outcome, Verb
from longshore.task import Reason, TaskState

if TYPE_CHECKING:
    from longshore.task import TaskSpec

WRONG = 99


async def bodyless(clerk: Clerk, verb: Verb = Verb.CANCEL) -> TaskSpec:
    """Leave the tombstone of a task that only a message knows of."""
    spec = replace(clerk.spec(), body=b"")
    await clerk.change(Change(task_id=spec.id, verb=verb, spec=spec))
    return spec


class Stopping(LogSetting):
    """Cancel, pause and resume."""

    @pytest.mark.parametrize("state", ["created", "scheduled", "queued", "blocked", "paused"])
    async def test_a_waiting_task_is_cancelled(self, clerk: Clerk, state: str) -> None:
        """At once, with a reason, and nothing wakes it."""
        entry = replace(clerk.entry(TaskState(state)), armed=True)
        await clerk.record(entry)

        answer = await clerk.change(
            Change(task_id=entry.spec.id, verb=Verb.CANCEL, reason="purged")
        )

        row = await clerk.row(entry.spec)
        assert answer.applied
        assert (row.state, row.reason, row.wake_at) == (TaskState.CANCELLED, "purged", None)
        assert clerk.near(row.finished_at, clerk.now())

    async def test_a_running_task_is_asked_to_cancel(self, clerk: Clerk) -> None:
        """Its worker hears of it; asking again changes nothing of when."""
        spec = await clerk.running()

        first = await clerk.changed(spec, Verb.CANCEL)
        await clerk.time.passes(timedelta(milliseconds=10))
        again = await clerk.changed(spec, Verb.CANCEL)

        assert first.state is TaskState.RUNNING
        assert clerk.near(first.cancel_requested_at, first.updated_at)
        assert again.cancel_requested_at == first.cancel_requested_at

    @pytest.mark.parametrize(("verb", "state"), [("cancel", "cancelled"), ("pause", "paused")])
    async def test_a_task_without_a_row_gets_a_tombstone(
        self, clerk: Clerk, verb: str, state: str
    ) -> None:
        """So that the message on its way never starts; it has no body."""
        spec = replace(clerk.spec(), body=b"")

        answer = await clerk.change(
            Change(task_id=spec.id, verb=Verb(verb), spec=spec, reason="operator")
        )

        row = await clerk.row(spec)
        assert answer.applied
        assert answer.task == row
        assert (row.state, row.body, row.wake_at, row.token) == (TaskState(state), None, None, 0)
        assert row.reason == ("operator" if verb == "cancel" else None)

    async def test_a_paused_task_is_not_woken(self, clerk: Clerk) -> None:
        """Its wake-up goes; its body stays."""
        entry = replace(clerk.entry(TaskState.CREATED), armed=True)
        await clerk.record(entry)

        row = await clerk.changed(entry.spec, Verb.PAUSE)

        assert (row.state, row.wake_at) == (TaskState.PAUSED, None)
        assert row.body == entry.spec.body

    async def test_a_resumed_task_is_always_published(self, clerk: Clerk) -> None:
        """Its message may have been acknowledged meanwhile."""
        spec = await clerk.recorded()
        await clerk.changed(spec, Verb.PAUSE)

        row = await clerk.changed(spec, Verb.RESUME)

        assert (row.state, row.wake_no) == (TaskState.QUEUED, 1)
        assert clerk.near(row.wake_at, clerk.now())

    async def test_a_task_resumed_before_it_is_due_wakes_then(self, clerk: Clerk) -> None:
        """A pause makes nothing start early."""
        due_at = clerk.now() + LONG
        entry = replace(clerk.entry(TaskState.SCHEDULED), due_at=due_at, armed=True)
        await clerk.record(entry)
        await clerk.changed(entry.spec, Verb.PAUSE)

        row = await clerk.changed(entry.spec, Verb.RESUME)

        assert (row.wake_at, row.due_at) == (due_at, due_at)

    async def test_a_task_paused_without_its_body_is_resumed_to_its_message(
        self, clerk: Clerk
    ) -> None:
        """No message may have been acknowledged without the body, so one is still there."""
        spec = await bodyless(clerk, Verb.PAUSE)

        row = await clerk.changed(spec, Verb.RESUME)

        assert (row.state, row.body, row.wake_at) == (TaskState.QUEUED, None, None)


class Restarting(LogSetting):
    """Retry, and the ends that an operator forces."""

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    async def test_a_retry_is_a_new_run(self, clerk: Clerk, state: str) -> None:
        """Counters at zero, a wake-up, and nothing left of the last run but its attempts."""
        spec = await clerk.ended(End.FAILURE if state == "failed" else End.CANCEL)

        row = await clerk.changed(spec, Verb.RETRY)

        assert (row.state, row.run, row.attempts, row.rescues) == (TaskState.QUEUED, 1, 0, 0)
        assert (row.reason, row.error, row.result, row.finished_at) == (None, None, None, None)
        assert (row.wake_no, row.token, row.cancel_requested_at) == (1, 1, None)
        assert clerk.near(row.wake_at, clerk.now())
        assert clerk.near(row.due_at, clerk.now())
        assert len(await clerk.log.attempts(spec.id)) == 1

    async def test_an_expired_task_may_be_retried_past_its_deadline(self, clerk: Clerk) -> None:
        """The operator overrules it."""
        spec = await clerk.expired()

        await clerk.changed(spec, Verb.RETRY)

        await clerk.won(clerk.bid(spec))

    async def test_a_retry_without_a_body_is_refused(self, clerk: Clerk) -> None:
        """There is nothing to publish."""
        spec = await bodyless(clerk)
        before = await clerk.row(spec)

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.RETRY))

        assert not answer.applied
        assert await clerk.row(spec) == before

    async def test_a_retry_shows_a_hidden_task_again(self, clerk: Clerk) -> None:
        """It is about to run."""
        spec = await clerk.ended(End.FAILURE)
        await clerk.changed(spec, Verb.ARCHIVE)
        await clerk.changed(spec, Verb.DELETE)

        row = await clerk.changed(spec, Verb.RETRY)

        assert (row.archived_at, row.deleted_at) == (None, None)

    @pytest.mark.parametrize(
        ("verb", "state"), [("force_fail", "failed"), ("force_succeed", "succeeded")]
    )
    async def test_a_running_task_is_ended_by_force(
        self, clerk: Clerk, verb: str, state: str
    ) -> None:
        """The attempt is kept, with the end that it was given."""
        spec = await clerk.running()

        row = await clerk.changed(spec, Verb(verb))

        [attempt] = await clerk.log.attempts(spec.id)
        assert (row.state, row.reason, row.wake_at) == (TaskState(state), Reason.FORCED, None)
        assert (attempt.outcome, attempt.token) == (state, 1)

    async def test_a_retry_after_a_forced_failure_waits_for_the_old_lease(
        self, clerk: Clerk
    ) -> None:
        """The old handler may still run (§10)."""
        spec = await clerk.running()
        lease_until = (await clerk.row(spec)).lease_until
        await clerk.changed(spec, Verb.FORCE_FAIL)

        row = await clerk.changed(spec, Verb.RETRY)

        assert (row.due_at, row.wake_at) == (lease_until, lease_until)
        assert (await clerk.claim(clerk.bid(spec))).answer is Answer.EARLY

    async def test_a_cancelled_retry_does_not_remember_its_request(self, clerk: Clerk) -> None:
        """The cancel belongs to the run that it ended."""
        spec = await clerk.running()
        await clerk.changed(spec, Verb.CANCEL)
        await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.FAILURE))
        await clerk.changed(spec, Verb.RETRY)

        await clerk.won(clerk.bid(spec))
        answer = await clerk.finish(
            Outcome(task_id=spec.id, token=2, end=End.FAILURE, retry_in=MARGIN)
        )

        assert answer.state is TaskState.RETRYING


class Hiding(LogSetting):
    """Delete and archive."""

    async def test_a_final_task_is_hidden_by_delete(self, clerk: Clerk) -> None:
        """Its state stays: the row answers for messages that may still come."""
        spec = await clerk.ended(End.FAILURE)

        row = await clerk.changed(spec, Verb.DELETE)

        assert row.state is TaskState.FAILED
        assert clerk.near(row.deleted_at, clerk.now())
        assert await clerk.row(spec) == row

    async def test_a_waiting_task_is_cancelled_and_hidden_by_delete(self, clerk: Clerk) -> None:
        """Its message finds it cancelled."""
        spec = await clerk.recorded()

        row = await clerk.changed(spec, Verb.DELETE)

        assert row.state is TaskState.CANCELLED
        assert clerk.near(row.deleted_at, clerk.now())

    async def test_a_running_task_is_not_deleted(self, clerk: Clerk) -> None:
        """Cancel or force it first."""
        spec = await clerk.running()

        answer = await clerk.change(Change(task_id=spec.id, verb=Verb.DELETE))

        assert not answer.applied

    async def test_hiding_again_keeps_the_first_time(self, clerk: Clerk) -> None:
        """Both may be repeated."""
        spec = await clerk.ended()
        first = await clerk.changed(spec, Verb.DELETE)
        archived = await clerk.changed(spec, Verb.ARCHIVE)
        await clerk.time.passes(timedelta(milliseconds=10))

        again = await clerk.changed(spec, Verb.DELETE)
        twice = await clerk.changed(spec, Verb.ARCHIVE)

        assert again.deleted_at == first.deleted_at
        assert twice.archived_at == archived.archived_at
