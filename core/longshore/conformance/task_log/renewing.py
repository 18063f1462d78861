"""The promises of `renew` and `note`: protocol.md §6."""

from __future__ import annotations

from datetime import timedelta

from longshore.conformance.contract import LONG
from longshore.conformance.task_log.clerk import Clerk, LogSetting
from longshore.protocol import End, Note, Outcome, Renewal, Verb
from longshore.task import TaskError

ERROR = TaskError(type="ValueError", message="no “order” 42", traceback="Traceback …\n  line 1")
WAIT = timedelta(minutes=5)
NO_WAIT = timedelta(0)
WRONG = 99


class Renewing(LogSetting):
    """Keeping a lease, and telling how far the task is."""

    async def test_a_renewal_moves_the_end_of_the_lease(self, clerk: Clerk) -> None:
        """To so much from now."""
        spec = await clerk.running()

        [answer] = await clerk.log.renew([Renewal(task_id=spec.id, token=1, lease=LONG * 2)])

        assert (answer.task_id, answer.ok, answer.cancel_requested) == (spec.id, True, False)
        assert clerk.near((await clerk.row(spec)).lease_until, clerk.now() + LONG * 2)

    async def test_a_renewal_tells_of_a_cancel(self, clerk: Clerk) -> None:
        """The lease is kept all the same: the handler ends itself."""
        spec = await clerk.running()
        await clerk.changed(spec, Verb.CANCEL)

        [answer] = await clerk.log.renew([Renewal(task_id=spec.id, token=1, lease=LONG)])

        assert (answer.ok, answer.cancel_requested) == (True, True)

    async def test_each_renewal_of_a_batch_is_answered_by_itself(self, clerk: Clerk) -> None:
        """Lost: another token, a task that ended, a task unknown. None of them changes."""
        good, stale, done = await clerk.running(), await clerk.running(), await clerk.ended()
        before = await clerk.log.get([stale.id, done.id])
        bids = [(stale, WRONG), (good, 1), (done, 1), (clerk.spec(), 1)]

        answers = await clerk.log.renew(
            [Renewal(task_id=spec.id, token=token, lease=LONG) for spec, token in bids]
        )

        assert [answer.ok for answer in answers] == [False, True, False, False]
        assert [answer.task_id for answer in answers] == [spec.id for spec, _ in bids]
        assert await clerk.log.get([stale.id, done.id]) == before

    async def test_progress_is_written_under_the_fence(self, clerk: Clerk) -> None:
        """A share from 0 to 1, and a text; False where refused."""
        good, stale, done = await clerk.running(), await clerk.running(), await clerk.ended()
        before = await clerk.log.get([stale.id, done.id])
        notes = [(good, 1), (stale, WRONG), (done, 1), (clerk.spec(), 1)]

        answers = await clerk.log.note(
            [
                Note(task_id=spec.id, token=token, progress=0.25, text="row 5 of 20 ✓")
                for spec, token in notes
            ]
        )

        row = await clerk.row(good)
        assert answers == [True, False, False, False]
        assert (row.progress, row.progress_note) == (0.25, "row 5 of 20 ✓")
        assert await clerk.log.get([stale.id, done.id]) == before

    async def test_a_note_of_one_part_keeps_the_other(self, clerk: Clerk) -> None:
        """None says nothing."""
        spec = await clerk.running()
        await clerk.log.note([Note(task_id=spec.id, token=1, progress=0.5, text="half")])

        await clerk.log.note([Note(task_id=spec.id, token=1, progress=0.75)])
        await clerk.log.note([Note(task_id=spec.id, token=1, text="nearly")])

        row = await clerk.row(spec)
        assert (row.progress, row.progress_note) == (0.75, "nearly")

    async def test_a_new_attempt_starts_without_progress(self, clerk: Clerk) -> None:
        """What the last one wrote is not its own."""
        spec = await clerk.running()
        await clerk.log.note([Note(task_id=spec.id, token=1, progress=0.5, text="half")])
        await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.FAILURE, retry_in=NO_WAIT))

        await clerk.won(clerk.bid(spec))

        row = await clerk.row(spec)
        assert (row.progress, row.progress_note, row.error) == (None, None, None)
