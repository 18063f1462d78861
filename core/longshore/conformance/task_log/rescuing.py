"""Dead leases: who may take a task over, how often, and what its late owner may still do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.conformance.contract import LONG, SHORT
from longshore.conformance.task_log.clerk import LEASE, Clerk, LogSetting
from longshore.protocol import (
    GRACE,
    MARGIN,
    Answer,
    End,
    Note,
    Outcome,
    Renewal,
    Settle,
    Verb,
)
from longshore.task import Reason, TaskState
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from longshore.identity import TaskId
    from longshore.task import TaskSpec


async def condemned(clerk: Clerk) -> TaskSpec:
    """Leave a row that lost its lease in its last try, of one rescue allowed."""
    spec = await clerk.lapsed()
    last = await clerk.won(replace(clerk.bid(spec), lease=LEASE, max_rescues=1))
    assert last.alone
    await clerk.lease_ends()
    return spec


class Rescuing(LogSetting):
    """Taking over what a worker lost."""

    async def test_a_dead_lease_is_taken_over(self, clerk: Clerk) -> None:
        """A new token, one rescue more, the same attempt."""
        spec = await clerk.lapsed()

        answer = await clerk.won(clerk.bid(spec))

        row = await clerk.row(spec)
        assert (answer.token, answer.attempt, answer.rescues) == (2, 1, 1)
        assert (row.token, row.attempts, row.rescues) == (2, 1, 1)

    async def test_a_lease_is_honoured_for_its_margin(self, clerk: Clerk) -> None:
        """Clocks differ; until the margin has passed too, the task is busy."""
        spec = await clerk.running(lease=LEASE)
        await clerk.time.passes(LEASE + MARGIN / 2)

        answer = await clerk.claim(clerk.bid(spec))

        assert answer.answer is Answer.BUSY

    async def test_the_lost_try_is_kept(self, clerk: Clerk) -> None:
        """As an attempt that was lost, under its own token and worker."""
        spec = await clerk.lapsed()
        await clerk.won(clerk.bid(spec))

        [lost] = await clerk.log.attempts(spec.id)

        assert (lost.outcome, lost.run, lost.number, lost.token) == ("lost", 0, 1, 1)
        assert lost.worker == clerk.bid(spec).worker

    async def test_a_takeover_moves_the_wake_up(self, clerk: Clerk) -> None:
        """Behind its own lease, under a new number."""
        spec = clerk.spec()
        await clerk.won(replace(clerk.bid(spec), lease=LEASE, early_ack=True))
        await clerk.lease_ends()

        await clerk.won(clerk.bid(spec))

        row = await clerk.row(spec)
        assert row.lease_until is not None
        assert (row.wake_at, row.wake_no) == (row.lease_until + GRACE, 2)

    async def test_only_the_last_allowed_try_runs_alone(self, clerk: Clerk) -> None:
        """`alone` with `rescues == max_rescues`, and not before (§7)."""
        spec = await clerk.lapsed()

        first = await clerk.won(replace(clerk.bid(spec), lease=LEASE, max_rescues=2))
        await clerk.lease_ends()
        last = await clerk.won(replace(clerk.bid(spec), max_rescues=2))

        assert [(answer.rescues, answer.alone) for answer in (first, last)] == [
            (1, False),
            (2, True),
        ]

    async def test_a_task_lost_while_alone_is_poison(self, clerk: Clerk) -> None:
        """It fails, with its body for a retry, and its stamp for the dead letter."""
        spec = await condemned(clerk)

        answer = await clerk.claim(replace(clerk.bid(spec), max_rescues=1))

        row = await clerk.row(spec)
        assert (answer.answer, answer.state, answer.run) == (Answer.POISON, TaskState.FAILED, 0)
        assert (row.state, row.reason, row.body) == (TaskState.FAILED, Reason.POISON, spec.body)
        assert (row.token, row.wake_at, row.lease_until) == (2, None, None)
        lost = [attempt.outcome for attempt in await clerk.log.attempts(spec.id)]
        assert lost == ["lost", "lost"]

    async def test_a_task_that_may_not_be_lost_fails_at_once(self, clerk: Clerk) -> None:
        """`lost_fails` asks for no second run."""
        spec = await clerk.lapsed()

        answer = await clerk.claim(replace(clerk.bid(spec), lost_fails=True))

        row = await clerk.row(spec)
        assert answer.answer is Answer.POISON
        assert (row.state, row.reason) == (TaskState.FAILED, Reason.LOST)

    async def test_a_cancel_is_seen_by_the_takeover(self, clerk: Clerk) -> None:
        """A task with a cancel pending never starts again."""
        spec = await clerk.running(lease=LEASE)
        await clerk.changed(spec, Verb.CANCEL)
        await clerk.lease_ends()

        answer = await clerk.claim(clerk.bid(spec))

        assert (answer.answer, answer.state) == (Answer.CANCELLED, TaskState.CANCELLED)
        assert (await clerk.row(spec)).state is TaskState.CANCELLED

    async def test_a_deadline_is_seen_by_the_takeover(self, clerk: Clerk) -> None:
        """A lost task past it does not start again."""
        spec = replace(clerk.spec(), expires_at=clerk.now() + MARGIN)
        await clerk.won(replace(clerk.bid(spec), lease=LEASE))
        await clerk.lease_ends()

        answer = await clerk.claim(clerk.bid(spec))

        assert (answer.answer, answer.state) == (Answer.EXPIRED, TaskState.EXPIRED)
        assert (await clerk.row(spec)).state is TaskState.EXPIRED

    async def test_an_attempt_that_ends_by_itself_clears_the_rescues(self, clerk: Clerk) -> None:
        """Only losses in a row count."""
        spec = await clerk.lapsed()
        await clerk.won(clerk.bid(spec))
        retry = Outcome(task_id=spec.id, token=2, end=End.FAILURE, retry_in=timedelta(0))

        await clerk.finish(retry)

        assert (await clerk.row(spec)).rescues == 0

    async def test_a_give_back_keeps_the_rescues(self, clerk: Clerk) -> None:
        """Nothing ended by itself."""
        spec = await clerk.lapsed()
        await clerk.won(clerk.bid(spec))

        await clerk.finish(Outcome(task_id=spec.id, token=2, end=End.GIVE_BACK))

        assert (await clerk.row(spec)).rescues == 1

    async def test_a_lease_in_the_far_future_is_cut(self, clerk: Clerk) -> None:
        """A clock that jumped back must not hold a task for ever (§12)."""
        spec = await clerk.running(lease=timedelta(days=1))

        answer = await clerk.claim(clerk.bid(spec))

        row = await clerk.row(spec)
        assert answer.answer is Answer.BUSY
        assert clerk.near(row.lease_until, clerk.now() + LONG)
        assert clerk.near(answer.until, clerk.now() + LONG + MARGIN)
        assert (row.state, row.token) == (TaskState.RUNNING, 1)


class Returning(LogSetting):
    """An owner that comes late."""

    async def test_a_late_finish_without_a_rival_is_accepted(self, clerk: Clerk) -> None:
        """The token decides, not the lease."""
        spec = await clerk.lapsed()

        answer = await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.SUCCESS))

        assert (answer.accepted, answer.state) == (True, TaskState.SUCCEEDED)

    async def test_a_lapsed_lease_that_nobody_took_may_be_renewed(self, clerk: Clerk) -> None:
        """And is live again."""
        spec = await clerk.lapsed()

        [renewed] = await clerk.log.renew([Renewal(task_id=spec.id, token=1, lease=LONG)])

        assert renewed.ok
        assert (await clerk.claim(clerk.bid(spec))).answer is Answer.BUSY

    async def test_the_old_owner_can_write_nothing(self, clerk: Clerk) -> None:
        """Finish, renewal and note under a stale token are refused and change nothing."""
        spec = await clerk.lapsed()
        await clerk.won(clerk.bid(spec))
        before = await clerk.row(spec)

        finished = await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.SUCCESS))
        [renewed] = await clerk.log.renew([Renewal(task_id=spec.id, token=1, lease=LONG)])
        [noted] = await clerk.log.note([Note(task_id=spec.id, token=1, progress=0.9)])

        assert (finished.accepted, finished.settle) == (False, Settle.LEAVE)
        assert (renewed.ok, noted) == (False, False)
        assert await clerk.row(spec) == before

    async def test_a_lost_task_is_due_when_its_lease_and_grace_have_passed(
        self, clerk: Clerk
    ) -> None:
        """So that the scheduler sends it again, where its message was acknowledged (§8)."""
        spec = clerk.spec()
        await clerk.won(replace(clerk.bid(spec), lease=LEASE, early_ack=True))
        early = await clerk.log.due(before=clerk.now(), limit=10)

        await clerk.time.passes(LEASE + GRACE + LEASE)

        due = await clerk.log.due(before=clerk.now(), limit=10)
        assert early == []
        assert [row.id for row in due] == [spec.id]

    async def test_rows_are_found_by_their_wake_up_and_by_when_they_were_written(
        self, clerk: Clerk
    ) -> None:
        """The audit asks for both; the moment itself is not before it."""
        armed, bare = replace(clerk.entry(), armed=True), clerk.entry()
        for entry in (armed, bare):
            await clerk.log.record([entry])
            await clerk.time.passes(SHORT)
        written = (await clerk.row(bare.spec)).updated_at

        asked = {
            "armed": TaskQuery(armed=True),
            "not armed": TaskQuery(armed=False),
            "before": TaskQuery(updated_before=written),
            "later": TaskQuery(updated_before=written + LONG),
            "both": TaskQuery(updated_before=written, armed=False),
        }
        found: dict[str, list[TaskId]] = {}
        for name, query in asked.items():
            page = await clerk.log.find(query)
            found[name] = [row.id for row in page.tasks]

        first, last = armed.spec.id, bare.spec.id
        assert found == {
            "armed": [first],
            "not armed": [last],
            "before": [first],
            "later": [last, first],
            "both": [],
        }
