"""The promises of `finish`: protocol.md §7."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.task_log.clerk import Clerk, LogSetting
from longshore.errors import TooLargeError
from longshore.protocol import Change, End, Outcome, Settle, Verb
from longshore.task import Reason, TaskError, TaskState

if TYPE_CHECKING:
    from longshore.task import TaskSpec

ERROR = TaskError(type="ValueError", message="no “order” 42", traceback="Traceback …\n  line 1")
WAIT = timedelta(minutes=5)
NO_WAIT = timedelta(0)
WRONG = 99


def failure(spec: TaskSpec) -> Outcome:
    """End the first attempt in an error, for good."""
    return Outcome(
        task_id=spec.id, token=1, end=End.FAILURE, reason=Reason.ERROR.value, error=ERROR
    )


def give_back(spec: TaskSpec) -> Outcome:
    """Give the first attempt back."""
    return Outcome(task_id=spec.id, token=1, end=End.GIVE_BACK)


async def watched(clerk: Clerk) -> TaskSpec:
    """Leave a row running that has a wake-up, number 1."""
    spec = clerk.spec()
    await clerk.won(replace(clerk.bid(spec), early_ack=True))
    return spec


class Succeeding(LogSetting):
    """A task that ends well."""

    async def test_a_success_ends_the_task(self, clerk: Clerk) -> None:
        """With result and report; its message may go, and its wake-up with it."""
        spec = await watched(clerk)
        outcome = Outcome(
            task_id=spec.id, token=1, end=End.SUCCESS, result=b'{"a": 1}', report=b'{"b": 2}'
        )

        answer = await clerk.finish(outcome)

        row = await clerk.row(spec)
        assert (answer.accepted, answer.settle) == (True, Settle.ACK)
        assert (answer.state, answer.run) == (TaskState.SUCCEEDED, 0)
        assert (row.state, row.result, row.report) == (
            TaskState.SUCCEEDED,
            b'{"a": 1}',
            b'{"b": 2}',
        )
        assert (row.wake_at, row.lease_until) == (None, None)
        assert clerk.near(row.finished_at, clerk.now())

    async def test_a_success_without_a_message_leaves_nothing_to_settle(self, clerk: Clerk) -> None:
        """It was acknowledged at the claim (§8)."""
        spec = await watched(clerk)

        answer = await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.SUCCESS, held=False))

        assert (answer.accepted, answer.settle) == (True, Settle.LEAVE)

    async def test_a_success_counts_although_a_cancel_was_requested(self, clerk: Clerk) -> None:
        """What is done is done."""
        spec = await clerk.running()
        await clerk.changed(spec, Verb.CANCEL)

        answer = await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.SUCCESS))

        assert (answer.accepted, answer.state) == (True, TaskState.SUCCEEDED)

    async def test_a_task_to_be_deleted_on_completion_is_stripped(self, clerk: Clerk) -> None:
        """The row stays, hidden and without body, result and report, until it may be pruned."""
        spec = replace(clerk.spec(), delete_on_complete=True)
        await clerk.won(clerk.bid(spec))

        await clerk.finish(
            Outcome(task_id=spec.id, token=1, end=End.SUCCESS, result=b"1", report=b"2")
        )

        row = await clerk.row(spec)
        assert (row.body, row.result, row.report, row.spec.body) == (None, None, None, b"")
        assert clerk.near(row.deleted_at, clerk.now())

    async def test_a_failure_is_not_stripped(self, clerk: Clerk) -> None:
        """`delete_on_complete` speaks of success alone."""
        spec = replace(clerk.spec(), delete_on_complete=True)
        await clerk.won(clerk.bid(spec))

        await clerk.finish(failure(spec))

        row = await clerk.row(spec)
        assert (row.body, row.deleted_at) == (spec.body, None)


class Failing(LogSetting):
    """A task that fails, and tries again or not."""

    async def test_a_failure_without_attempts_left_fails_the_task(self, clerk: Clerk) -> None:
        """With reason, error and body; its message becomes a dead letter of this run."""
        spec = await clerk.running()

        answer = await clerk.finish(failure(spec))

        row = await clerk.row(spec)
        assert (answer.settle, answer.state, answer.run, answer.reason) == (
            Settle.DEAD_LETTER,
            TaskState.FAILED,
            0,
            "error",
        )
        assert (row.state, row.reason, row.error) == (TaskState.FAILED, "error", ERROR)
        assert (row.body, row.wake_at) == (spec.body, None)

    async def test_the_stamp_is_the_run_that_failed(self, clerk: Clerk) -> None:
        """As this very write knew it."""
        spec = await clerk.ended(End.FAILURE)
        await clerk.changed(spec, Verb.RETRY)
        await clerk.won(clerk.bid(spec))

        answer = await clerk.finish(replace(failure(spec), token=2))

        assert (answer.run, (await clerk.row(spec)).run) == (1, 1)

    async def test_a_retry_waits_in_the_broker_where_it_can(self, clerk: Clerk) -> None:
        """The message is released with the delay, and the row needs no wake-up."""
        spec = await clerk.running()

        answer = await clerk.finish(replace(failure(spec), retry_in=WAIT))

        row = await clerk.row(spec)
        assert (answer.settle, answer.delay) == (Settle.RELEASE, WAIT)
        assert (row.state, row.wake_at, row.wake_no) == (TaskState.RETRYING, None, 0)
        assert (row.reason, row.error) == ("error", ERROR)
        assert clerk.near(row.due_at, clerk.now() + WAIT)

    async def test_a_retry_waits_in_the_log_where_the_broker_cannot(self, clerk: Clerk) -> None:
        """The row takes the wake-up over, and the message may go."""
        spec = await clerk.running()

        answer = await clerk.finish(replace(failure(spec), retry_in=WAIT, message_waits=False))

        row = await clerk.row(spec)
        assert answer.settle is Settle.ACK
        assert (row.state, row.wake_at, row.wake_no) == (TaskState.RETRYING, row.due_at, 1)
        assert row.body == spec.body

    async def test_a_retry_that_nothing_could_publish_keeps_its_message(self, clerk: Clerk) -> None:
        """A row without a body takes no wake-up over, so its message must not go."""
        spec = clerk.spec()
        bare = replace(spec, body=b"")
        await clerk.change(Change(task_id=spec.id, verb=Verb.PAUSE, spec=bare))
        await clerk.changed(spec, Verb.RESUME)
        await clerk.won(clerk.bid(spec))

        answer = await clerk.finish(replace(failure(spec), retry_in=WAIT, message_waits=False))

        row = await clerk.row(spec)
        assert (answer.settle, answer.delay) == (Settle.RELEASE, WAIT)
        assert (row.state, row.wake_at) == (TaskState.RETRYING, None)

    async def test_a_retry_of_a_row_with_a_wake_up_waits_in_the_log(self, clerk: Clerk) -> None:
        """It is kept under a new number, whatever the broker can."""
        spec = await watched(clerk)

        answer = await clerk.finish(replace(failure(spec), retry_in=WAIT))

        row = await clerk.row(spec)
        assert answer.settle is Settle.ACK
        assert (row.wake_at, row.wake_no) == (row.due_at, 2)

    async def test_a_retry_without_a_message_waits_in_the_log(self, clerk: Clerk) -> None:
        """There is nothing to settle."""
        spec = await watched(clerk)

        answer = await clerk.finish(replace(failure(spec), retry_in=WAIT, held=False))

        row = await clerk.row(spec)
        assert answer.settle is Settle.LEAVE
        assert (row.state, row.wake_at) == (TaskState.RETRYING, row.due_at)

    @pytest.mark.parametrize("end", ["failure", "give_back", "cancel"])
    async def test_a_cancel_ends_what_did_not_succeed(self, clerk: Clerk, end: str) -> None:
        """No retry and no give-back after it."""
        spec = await clerk.running()
        await clerk.changed(spec, Verb.CANCEL)
        outcome = Outcome(task_id=spec.id, token=1, end=End(end), retry_in=WAIT)

        answer = await clerk.finish(outcome)

        row = await clerk.row(spec)
        assert (answer.settle, answer.state) == (Settle.ACK, TaskState.CANCELLED)
        assert (row.state, row.wake_at) == (TaskState.CANCELLED, None)

    async def test_a_handler_may_cancel_its_own_task(self, clerk: Clerk) -> None:
        """Without anybody's request."""
        spec = await clerk.running()

        answer = await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.CANCEL))

        assert (answer.settle, answer.state) == (Settle.ACK, TaskState.CANCELLED)


class GivingBack(LogSetting):
    """Stopping without having used an attempt."""

    async def test_a_give_back_returns_the_attempt(self, clerk: Clerk) -> None:
        """The message is released at once, and the row is queued as before."""
        spec = await clerk.running()

        answer = await clerk.finish(give_back(spec))

        row = await clerk.row(spec)
        assert (answer.settle, answer.delay) == (Settle.RELEASE, NO_WAIT)
        assert (row.state, row.attempts, row.token) == (TaskState.QUEUED, 0, 1)
        assert (row.wake_at, row.lease_until) == (None, None)

    async def test_a_give_back_keeps_a_wake_up_under_a_new_number(self, clerk: Clerk) -> None:
        """At once, and the message is released as well: both is harmless."""
        spec = await watched(clerk)

        answer = await clerk.finish(give_back(spec))

        row = await clerk.row(spec)
        assert (answer.settle, answer.delay) == (Settle.RELEASE, NO_WAIT)
        assert clerk.near(row.wake_at, clerk.now())
        assert row.wake_no == 2  # noqa: PLR2004 - the claim's was 1

    async def test_a_give_back_without_a_message_leaves_a_wake_up(self, clerk: Clerk) -> None:
        """Else nothing would start the task again."""
        spec = await clerk.running()

        answer = await clerk.finish(replace(give_back(spec), held=False))

        row = await clerk.row(spec)
        assert answer.settle is Settle.LEAVE
        assert clerk.near(row.wake_at, clerk.now())
        assert (row.wake_no, row.body) == (1, spec.body)

    async def test_a_give_back_for_later_is_scheduled(self, clerk: Clerk) -> None:
        """The message waits in the broker where it can."""
        spec = await clerk.running()

        answer = await clerk.finish(replace(give_back(spec), retry_in=WAIT))

        row = await clerk.row(spec)
        assert (answer.settle, answer.delay) == (Settle.RELEASE, WAIT)
        assert (row.state, row.attempts, row.wake_at) == (TaskState.SCHEDULED, 0, None)
        assert clerk.near(row.due_at, clerk.now() + WAIT)

    async def test_a_give_back_for_later_waits_in_the_log_else(self, clerk: Clerk) -> None:
        """And the message may go."""
        spec = await clerk.running()

        answer = await clerk.finish(replace(give_back(spec), retry_in=WAIT, message_waits=False))

        row = await clerk.row(spec)
        assert answer.settle is Settle.ACK
        assert (row.state, row.wake_at, row.wake_no) == (TaskState.SCHEDULED, row.due_at, 1)


class Refusing(LogSetting):
    """A finish that comes too late, or twice."""

    async def test_a_repeated_finish_is_refused_and_leaves_the_message(self, clerk: Clerk) -> None:
        """Its first answer was lost; the row says how it ended, and does not change."""
        spec = await clerk.running()
        outcome = failure(spec)
        await clerk.finish(outcome)
        before = await clerk.row(spec)

        answer = await clerk.finish(outcome)

        assert (answer.accepted, answer.settle, answer.state) == (
            False,
            Settle.LEAVE,
            TaskState.FAILED,
        )
        assert await clerk.row(spec) == before
        assert len(await clerk.log.attempts(spec.id)) == 1

    async def test_a_finish_under_another_token_is_refused(self, clerk: Clerk) -> None:
        """Whether it is older or newer than the row's."""
        spec = await clerk.running()
        before = await clerk.row(spec)
        outcome = Outcome(task_id=spec.id, token=1, end=End.SUCCESS)

        answers = await clerk.log.finish([replace(outcome, token=0), replace(outcome, token=WRONG)])

        assert [(answer.accepted, answer.settle) for answer in answers] == [
            (False, Settle.LEAVE)
        ] * len(answers)
        assert await clerk.row(spec) == before

    async def test_a_finish_of_an_unknown_task_is_refused(self, clerk: Clerk) -> None:
        """There is no row whose state could be told."""
        spec = clerk.spec()

        answer = await clerk.finish(failure(spec))

        assert (answer.task_id, answer.accepted, answer.settle, answer.state) == (
            spec.id,
            False,
            Settle.LEAVE,
            None,
        )
        assert await clerk.find_row(spec) is None

    async def test_a_finish_after_a_forced_end_is_refused(self, clerk: Clerk) -> None:
        """The operator's word stands (§10)."""
        spec = await clerk.running()
        await clerk.changed(spec, Verb.FORCE_FAIL)
        before = await clerk.row(spec)

        answer = await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.SUCCESS))

        assert (answer.accepted, answer.settle) == (False, Settle.LEAVE)
        assert await clerk.row(spec) == before

    async def test_an_outcome_too_large_is_an_error_of_its_own(self, clerk: Clerk) -> None:
        """The task goes on running; its neighbours end."""
        good, bad = await clerk.running(), await clerk.running()
        before = await clerk.row(bad)
        result = b"x" * (clerk.log.capabilities.max_row + 1)

        refused, accepted = await clerk.log.finish(
            [
                Outcome(task_id=bad.id, token=1, end=End.SUCCESS, result=result),
                Outcome(task_id=good.id, token=1, end=End.SUCCESS),
            ]
        )

        assert isinstance(refused.error, TooLargeError)
        assert (refused.accepted, refused.settle) == (False, Settle.LEAVE)
        assert accepted.accepted
        assert await clerk.row(bad) == before
