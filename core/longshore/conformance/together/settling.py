"""The promises of `Together.settle`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import (
    LONG,
    SHORT,
    Connect,
)
from longshore.conformance.together.both import ERROR, TogetherSetting
from longshore.errors import ClosedError
from longshore.protocol import End, Finished, Outcome, Settle, Verb
from longshore.queue import Depth, SupportsDeadLetters
from longshore.task import TaskState
from longshore.together import Settlement

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore.conformance.queue.hands import Hands
    from longshore.conformance.task_log.clerk import Clerk
    from longshore.queue import Delivery
    from longshore.task import TaskSpec
    from longshore.together import Together


class Settling(TogetherSetting):
    """The end of an attempt and its message in one step."""

    async def _held(
        self, together: Together, clerk: Clerk, hands: Hands, *, lease: timedelta = LONG
    ) -> tuple[TaskSpec, Delivery]:
        entry = clerk.entry()
        await together.enqueue([entry])
        [delivery] = await hands.take(lease=lease)
        await clerk.won(clerk.bid(entry.spec))
        return entry.spec, delivery

    async def test_a_success_acks_its_message(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """Row and message end together."""
        spec, delivery = await self._held(together, clerk, hands)

        answer = await settle(together, success(spec), delivery)

        assert (answer.accepted, answer.settle) == (True, Settle.ACK)
        assert (await clerk.row(spec)).state is TaskState.SUCCEEDED
        await hands.depth_is(Depth())

    async def test_a_retry_releases_its_message_until_it_is_due(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """Row and message wait for the same moment."""
        spec, delivery = await self._held(together, clerk, hands)

        answer = await settle(together, replace(failure(spec), retry_in=SHORT), delivery)
        await hands.depth_is(Depth(delayed=1))
        await clerk.time.passes(SHORT)

        [again] = await hands.take()
        row = await clerk.row(spec)
        assert (answer.settle, answer.delay) == (Settle.RELEASE, SHORT)
        assert (row.state, row.wake_at) == (TaskState.RETRYING, None)
        assert again.key == spec.id
        await clerk.won(clerk.bid(spec))

    async def test_a_retry_that_waits_in_the_log_acks_its_message(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """The row has taken the wake-up over."""
        spec, delivery = await self._held(together, clerk, hands)
        outcome = replace(failure(spec), retry_in=LONG, message_waits=False)

        answer = await settle(together, outcome, delivery)

        row = await clerk.row(spec)
        assert answer.settle is Settle.ACK
        assert (row.state, row.wake_at) == (TaskState.RETRYING, row.due_at)
        await hands.depth_is(Depth())

    async def test_a_failure_leaves_a_dead_letter_stamped_with_its_run(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """With the reason, the error's text, and the raw body."""
        dead = hands.queue
        if not isinstance(dead, SupportsDeadLetters):
            pytest.skip("capability: its dead letters cannot be looked at")
        spec, delivery = await self._held(together, clerk, hands)

        answer = await settle(together, failure(spec), delivery)

        [letter] = await dead.dead_letters(limit=10)
        assert (answer.settle, answer.run) == (Settle.DEAD_LETTER, 0)
        assert (await clerk.row(spec)).state is TaskState.FAILED
        assert (letter.key, letter.body) == (spec.id, spec.body)
        assert (letter.reason, letter.detail, letter.stamp) == ("error", ERROR.message, 0)
        await hands.depth_is(Depth(dead=1))

    async def test_a_give_back_releases_its_message_at_once(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """And the attempt is returned."""
        spec, delivery = await self._held(together, clerk, hands)

        await settle(together, Outcome(task_id=spec.id, token=1, end=End.GIVE_BACK), delivery)

        [again] = await hands.take()
        row = await clerk.row(spec)
        assert again.key == spec.id
        assert (row.state, row.attempts) == (TaskState.QUEUED, 0)

    async def test_a_refused_finish_leaves_its_message_alone(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """It stays in flight: the redelivery is settled by what the row says."""
        spec, delivery = await self._held(together, clerk, hands)
        await clerk.changed(spec, Verb.FORCE_FAIL)
        before = await clerk.row(spec)

        answer = await settle(together, success(spec), delivery)

        assert (answer.accepted, answer.settle) == (False, Settle.LEAVE)
        assert await clerk.row(spec) == before
        await hands.depth_is(Depth(in_flight=1))

    @pytest.mark.parametrize("end", ["success", "failure", "give_back"])
    async def test_a_message_that_another_holds_is_left_alone(
        self, together: Together, clerk: Clerk, hands: Hands, end: str
    ) -> None:
        """The row ends as it should, and the new holder settles the message."""
        spec, delivery = await self._held(together, clerk, hands, lease=SHORT)
        await clerk.time.passes(SHORT)
        [theirs] = await hands.take()
        outcome = replace(success(spec), end=End(end))

        answer = await settle(together, outcome, delivery)

        assert answer.accepted
        assert (await clerk.row(spec)).state is not TaskState.RUNNING
        await hands.depth_is(Depth(in_flight=1))
        assert await hands.queue.ack([theirs]) == [None]

    async def test_an_end_without_a_message_is_the_rows_alone(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """It was acknowledged at the claim (§8)."""
        await hands.send_bodies(b"of another task")
        spec = await clerk.running()

        answer = await settle(together, replace(success(spec), held=False), None)

        assert (answer.accepted, answer.settle) == (True, Settle.LEAVE)
        assert (await clerk.row(spec)).state is TaskState.SUCCEEDED
        await hands.depth_is(Depth(ready=1))

    async def test_each_settlement_of_a_batch_is_answered_by_itself(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """A refused one does not harm its neighbours."""
        held = [await self._held(together, clerk, hands) for _ in range(3)]
        await clerk.changed(held[1][0], Verb.FORCE_FAIL)

        answers = await together.settle(
            [Settlement(outcome=success(spec), delivery=one) for spec, one in held]
        )

        assert [answer.task_id for answer in answers] == [spec.id for spec, _ in held]
        assert [answer.accepted for answer in answers] == [True, False, True]
        await hands.depth_is(Depth(in_flight=1))

    async def test_a_settlement_keeps_its_attempt(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """As `finish` does."""
        spec, delivery = await self._held(together, clerk, hands)

        await settle(together, failure(spec), delivery)

        [attempt] = await clerk.log.attempts(spec.id)
        assert (attempt.outcome, attempt.error) == ("failed", ERROR)

    async def test_empty_batches_answer_empty_lists(self, together: Together) -> None:
        """Neither verb minds that there is nothing to do."""
        assert [await together.enqueue([]), await together.settle([])] == [[], []]

    async def test_a_closed_backend_refuses_both_verbs(
        self, connect: Connect, clerk: Clerk
    ) -> None:
        """Also where a batch is empty."""
        async with connect() as opened:
            closed = opened.together
        assert closed is not None

        calls = [closed.enqueue([clerk.entry()]), closed.enqueue([]), closed.settle([])]
        answers = await asyncio.gather(*calls, return_exceptions=True)

        assert [type(answer) for answer in answers] == [ClosedError] * len(calls)


def success(spec: TaskSpec) -> Outcome:
    """End the first attempt well."""
    return Outcome(task_id=spec.id, token=1, end=End.SUCCESS)


def failure(spec: TaskSpec) -> Outcome:
    """End the first attempt in an error, for good."""
    return Outcome(task_id=spec.id, token=1, end=End.FAILURE, reason="error", error=ERROR)


async def settle(together: Together, outcome: Outcome, delivery: Delivery | None) -> Finished:
    """Settle one."""
    [answer] = await together.settle([Settlement(outcome=outcome, delivery=delivery)])
    return answer
