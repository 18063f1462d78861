"""The promises of `TaskLog.claim`, by the table of protocol.md §5; dead leases: `rescuing`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import LONG
from longshore.conformance.task_log.clerk import Clerk, LogSetting
from longshore.protocol import GRACE, MARGIN, Answer, Change, End, Outcome, Verb
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from longshore.task import TaskSpec
    from longshore.task_log import TaskLog

CLAIMERS = 8
TASKS = 20
OPEN = ["created", "scheduled", "queued", "retrying"]
FINAL = ["succeeded", "failed", "cancelled", "expired"]


class Claiming(LogSetting):
    """Who wins a task."""

    async def test_a_message_without_a_row_is_adopted(self, clerk: Clerk) -> None:
        """The claim makes the row, running under token 1 at attempt 1."""
        bid = clerk.bid(clerk.spec())

        answer = await clerk.won(bid)

        row = await clerk.row(bid.spec)
        assert (answer.token, answer.attempt, answer.run, answer.rescues) == (1, 1, 0, 0)
        assert (row.state, row.token, row.attempts) == (TaskState.RUNNING, 1, 1)
        assert (row.claim_id, row.worker) == (bid.claim_id, bid.worker)
        assert clerk.near(row.lease_until, clerk.now() + LONG)
        assert clerk.near(row.started_at, clerk.now())

    @pytest.mark.parametrize("state", OPEN)
    async def test_an_open_row_that_is_due_is_won(
        self,
        clerk: Clerk,
        ways: dict[TaskState, Callable[[], Coroutine[None, None, TaskSpec]]],
        state: str,
    ) -> None:
        """It runs; each such claim is one attempt more."""
        spec = await ways[TaskState(state)]()
        before = await clerk.row(spec)

        answer = await clerk.won(clerk.bid(spec))

        row = await clerk.row(spec)
        assert row.state is TaskState.RUNNING
        assert (row.token, row.attempts) == (before.token + 1, before.attempts + 1)
        assert (answer.token, answer.attempt) == (row.token, row.attempts)

    async def test_of_concurrent_claims_exactly_one_wins(
        self, clerk: Clerk, second: TaskLog
    ) -> None:
        """Each of 20 tasks, claimed by 8 at once, is won once; half of them are adopted."""
        specs = [await clerk.recorded() for _ in range(TASKS // 2)]
        specs += [clerk.spec() for _ in range(TASKS // 2)]

        rounds = await asyncio.gather(
            *(
                log.claim([clerk.bid(spec) for spec in specs])
                for log in (clerk.log, second) * (CLAIMERS // 2)
            )
        )

        answers = [[batch[place].answer for batch in rounds] for place in range(TASKS)]
        assert [sorted(among) for among in answers] == [
            [*[Answer.BUSY] * (CLAIMERS - 1), Answer.WON]
        ] * TASKS
        assert {(await clerk.row(spec)).token for spec in specs} == {1}

    async def test_each_item_of_a_batch_is_answered_in_its_place(self, clerk: Clerk) -> None:
        """Whatever becomes of its neighbours."""
        free, taken, done = clerk.spec(), await clerk.running(), await clerk.ended()

        answers = await clerk.log.claim([clerk.bid(spec) for spec in (done, free, taken)])

        assert [answer.answer for answer in answers] == [Answer.DONE, Answer.WON, Answer.BUSY]

    async def test_of_two_claims_of_one_task_in_a_batch_one_wins(self, clerk: Clerk) -> None:
        """A batch may hold two copies of a message."""
        spec = clerk.spec()

        answers = await clerk.log.claim([clerk.bid(spec), clerk.bid(spec)])

        assert [answer.answer for answer in answers] == [Answer.WON, Answer.BUSY]

    async def test_a_repeated_claim_is_recognised_and_changes_nothing(self, clerk: Clerk) -> None:
        """Its answer may have been lost: the token is the same, the row untouched."""
        bid = clerk.bid(clerk.spec())
        first = await clerk.won(bid)
        before = await clerk.row(bid.spec)

        again = await clerk.claim(bid)

        assert again == replace(first, answer=Answer.MINE)
        assert await clerk.row(bid.spec) == before

    async def test_concurrent_repeats_of_one_claim_own_one_token(
        self, clerk: Clerk, second: TaskLog
    ) -> None:
        """An SDK repeats a call while the first is on its way."""
        bid = clerk.bid(clerk.spec())

        answers = await asyncio.gather(
            *(log.claim([bid]) for log in (clerk.log, second) * (CLAIMERS // 2))
        )

        assert {answer.token for [answer] in answers} == {1}
        words = sorted(answer.answer for [answer] in answers)
        assert words == [*[Answer.MINE] * (CLAIMERS - 1), Answer.WON]

    async def test_the_fence_grows_with_each_claim_and_with_nothing_else(
        self, clerk: Clerk
    ) -> None:
        """Retry, give-back and operators leave the token as it is."""
        spec = clerk.spec()
        tokens: list[int] = []
        for outcome in (
            Outcome(task_id=spec.id, token=1, end=End.GIVE_BACK),
            Outcome(task_id=spec.id, token=2, end=End.FAILURE, retry_in=timedelta(0)),
            Outcome(task_id=spec.id, token=3, end=End.FAILURE),
        ):
            tokens.append((await clerk.won(clerk.bid(spec))).token)
            await clerk.finish(outcome)
            tokens.append((await clerk.row(spec)).token)
        tokens.append((await clerk.changed(spec, Verb.RETRY)).token)
        tokens.append((await clerk.won(clerk.bid(spec))).token)

        assert tokens == [1, 1, 2, 2, 3, 3, 3, 4]

    @pytest.mark.parametrize("state", FINAL)
    async def test_a_final_row_is_done(
        self,
        clerk: Clerk,
        ways: dict[TaskState, Callable[[], Coroutine[None, None, TaskSpec]]],
        state: str,
    ) -> None:
        """A redelivery after the end is told so, and changes nothing."""
        spec = await ways[TaskState(state)]()
        before = await clerk.row(spec)

        answer = await clerk.claim(clerk.bid(spec))

        assert (answer.answer, answer.state) == (Answer.DONE, TaskState(state))
        assert await clerk.row(spec) == before

    async def test_a_live_lease_is_busy_until_it_ends(self, clerk: Clerk) -> None:
        """With the margin, and the row is left as it is."""
        spec = await clerk.running()
        before = await clerk.row(spec)

        answer = await clerk.claim(clerk.bid(spec))

        assert (answer.answer, answer.state) == (Answer.BUSY, TaskState.RUNNING)
        assert before.lease_until is not None
        assert answer.until == before.lease_until + MARGIN
        assert await clerk.row(spec) == before

    @pytest.mark.parametrize("state", ["paused", "blocked"])
    async def test_a_held_row_answers_held(
        self,
        clerk: Clerk,
        ways: dict[TaskState, Callable[[], Coroutine[None, None, TaskSpec]]],
        state: str,
    ) -> None:
        """And says whether its message may go."""
        spec = await ways[TaskState(state)]()
        before = await clerk.row(spec)

        answer = await clerk.claim(clerk.bid(spec))

        assert (answer.answer, answer.state) == (Answer.HELD, TaskState(state))
        assert answer.has_body is True
        assert await clerk.row(spec) == before

    async def test_a_held_row_without_a_body_says_so(self, clerk: Clerk) -> None:
        """The tombstone of a pause knows no message yet; the first one gives it."""
        spec = clerk.spec()
        bare = replace(spec, body=b"")
        await clerk.change(Change(task_id=spec.id, verb=Verb.PAUSE, spec=bare))

        answer = await clerk.claim(clerk.bid(spec))
        keep = Change(task_id=spec.id, verb=Verb.KEEP_BODY, body=spec.body)
        kept = await clerk.change(keep)

        assert (answer.answer, answer.has_body) == (Answer.HELD, False)
        assert kept.applied
        assert (await clerk.row(spec)).body == spec.body

    async def test_a_cancelled_tombstone_never_starts(self, clerk: Clerk) -> None:
        """The message on its way finds the task cancelled."""
        spec = clerk.spec()
        bare = replace(spec, body=b"")
        await clerk.change(Change(task_id=spec.id, verb=Verb.CANCEL, spec=bare))

        answer = await clerk.claim(clerk.bid(spec))

        assert (answer.answer, answer.state) == (Answer.DONE, TaskState.CANCELLED)


class Timing(LogSetting):
    """Tasks that are not due yet, or too late."""

    async def test_an_open_row_is_early_until_it_is_due(self, clerk: Clerk) -> None:
        """A stray copy, or a clock that differs: the row is left as it is."""
        due_at = clerk.now() + LONG
        entry = replace(clerk.entry(TaskState.SCHEDULED), due_at=due_at, armed=True)
        await clerk.record(entry)
        before = await clerk.row(entry.spec)

        answer = await clerk.claim(clerk.bid(entry.spec))

        assert (answer.answer, answer.until) == (Answer.EARLY, due_at)
        assert await clerk.row(entry.spec) == before

    async def test_an_early_message_without_a_row_is_scheduled(self, clerk: Clerk) -> None:
        """With wake-up and body, so that the message may be acknowledged (§4.5)."""
        spec, due_at = clerk.spec(), clerk.now() + LONG

        answer = await clerk.claim(replace(clerk.bid(spec), due_at=due_at))

        row = await clerk.row(spec)
        assert (answer.answer, answer.until) == (Answer.EARLY, due_at)
        assert (answer.armed, answer.has_body) == (True, True)
        assert (row.state, row.token, row.attempts) == (TaskState.SCHEDULED, 0, 0)
        assert (row.due_at, row.wake_at, row.wake_no) == (due_at, due_at, 1)
        assert row.body == spec.body

    async def test_a_message_past_its_deadline_never_starts(self, clerk: Clerk) -> None:
        """The claim writes the row, `expired`."""
        spec = replace(clerk.spec(), expires_at=clerk.past())

        answer = await clerk.claim(clerk.bid(spec))

        row = await clerk.row(spec)
        assert (answer.answer, row.state) == (Answer.EXPIRED, TaskState.EXPIRED)
        assert (row.token, row.attempts, row.wake_at) == (0, 0, None)

    async def test_an_open_row_past_its_deadline_expires(self, clerk: Clerk) -> None:
        """Its wake-up goes with it."""
        spec = replace(clerk.spec(), expires_at=clerk.past())
        entry = replace(clerk.entry(TaskState.CREATED), spec=spec, armed=True)
        await clerk.record(entry)

        answer = await clerk.claim(clerk.bid(spec))

        row = await clerk.row(spec)
        assert (answer.answer, answer.state) == (Answer.EXPIRED, TaskState.EXPIRED)
        assert (row.state, row.attempts, row.wake_at) == (TaskState.EXPIRED, 0, None)


class Waking(LogSetting):
    """What a claim does to the wake-up."""

    async def test_a_claim_moves_the_wake_up_behind_its_lease(self, clerk: Clerk) -> None:
        """Under a new number; it never clears it (§2.2)."""
        entry = replace(clerk.entry(TaskState.CREATED), armed=True)
        await clerk.record(entry)

        answer = await clerk.won(clerk.bid(entry.spec))

        row = await clerk.row(entry.spec)
        assert row.lease_until is not None
        assert (row.wake_at, row.wake_no) == (row.lease_until + GRACE, 2)
        assert (answer.armed, answer.has_body) == (True, True)

    async def test_a_claim_sets_no_wake_up_of_its_own(self, clerk: Clerk) -> None:
        """The message in the broker is the wake-up."""
        spec = await clerk.recorded()

        answer = await clerk.won(clerk.bid(spec))

        row = await clerk.row(spec)
        assert (row.wake_at, row.wake_no, answer.armed) == (None, 0, False)

    async def test_a_lean_claim_keeps_no_body_until_the_row_has_to_be_published(
        self, clerk: Clerk
    ) -> None:
        """Held back by the broker it needs none, and a row is cheaper without."""
        spec = clerk.spec()

        answer = await clerk.won(replace(clerk.bid(spec), lean=True))
        running = await clerk.row(spec)
        park = Change(task_id=spec.id, verb=Verb.PARK, body=spec.body)
        assert (await clerk.change(park)).applied
        parked = await clerk.row(spec)

        assert answer.has_body is False
        assert (running.body, running.spec.body) == (None, b"")
        assert parked.body == spec.body

    async def test_a_claim_that_will_be_acked_early_leaves_a_wake_up(self, clerk: Clerk) -> None:
        """With the body, in the same write (§8)."""
        spec = clerk.spec()

        answer = await clerk.won(replace(clerk.bid(spec), early_ack=True))

        row = await clerk.row(spec)
        assert row.lease_until is not None
        assert (row.wake_at, row.wake_no) == (row.lease_until + GRACE, 1)
        assert row.body == spec.body
        assert (answer.armed, answer.has_body) == (True, True)


class Redriving(LogSetting):
    """A dead letter that came back, stamped with the run that failed."""

    async def test_a_stamp_of_the_failed_run_restarts_the_task(self, clerk: Clerk) -> None:
        """As a new run at its first attempt; the token goes on growing."""
        spec = await clerk.ended(End.FAILURE)

        answer = await clerk.won(replace(clerk.bid(spec), stamp=0))

        row = await clerk.row(spec)
        assert (answer.run, answer.attempt, answer.token) == (1, 1, 2)
        assert (row.state, row.run, row.attempts) == (TaskState.RUNNING, 1, 1)
        assert (row.reason, row.error, row.finished_at) == (None, None, None)

    async def test_a_stamp_restarts_the_task_once(self, clerk: Clerk) -> None:
        """A second copy of the dead letter finds a newer run."""
        spec = await clerk.ended(End.FAILURE)
        await clerk.won(replace(clerk.bid(spec), stamp=0))
        await clerk.finish(Outcome(task_id=spec.id, token=2, end=End.FAILURE))
        before = await clerk.row(spec)

        answer = await clerk.claim(replace(clerk.bid(spec), stamp=0))

        assert answer.answer is Answer.DONE
        assert await clerk.row(spec) == before

    @pytest.mark.parametrize("end", ["success", "cancel"])
    async def test_a_stamp_restarts_nothing_that_did_not_fail(self, clerk: Clerk, end: str) -> None:
        """A success stays one, whatever is redriven."""
        spec = await clerk.ended(End(end))
        before = await clerk.row(spec)

        answer = await clerk.claim(replace(clerk.bid(spec), stamp=0))

        assert answer.answer is Answer.DONE
        assert await clerk.row(spec) == before

    async def test_a_redriven_task_may_run_past_its_deadline(self, clerk: Clerk) -> None:
        """The operator overrules it."""
        spec = replace(clerk.spec(), expires_at=clerk.now() + LONG)
        await clerk.won(clerk.bid(spec))
        await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.FAILURE))

        await clerk.won(replace(clerk.bid(spec), stamp=0))

        assert (await clerk.row(spec)).expires_at is None

    async def test_a_redriven_task_shows_again(self, clerk: Clerk) -> None:
        """One that was hidden or archived runs in the open, as after a retry."""
        spec = await clerk.ended(End.FAILURE)
        await clerk.changed(spec, Verb.ARCHIVE)
        await clerk.changed(spec, Verb.DELETE)

        await clerk.won(replace(clerk.bid(spec), stamp=0))

        row = await clerk.row(spec)
        assert (row.archived_at, row.deleted_at) == (None, None)
