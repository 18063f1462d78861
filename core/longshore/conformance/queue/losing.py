"""What becomes of a delivery that is no longer its holder's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import LONG, SHORT, Time, need
from longshore.conformance.queue.hands import Hands, QueueSetting, flat
from longshore.errors import LeaseLostError
from longshore.queue import Depth, Rejection, Release

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.queue import Delivery, Queue

VERBS = ["ack", "release", "reject", "extend"]


async def use(queue: Queue, verb: str, *held: Delivery) -> list[LongshoreError | None]:
    """Use a verb on deliveries."""
    if verb == "ack":
        return await queue.ack(held)
    if verb == "release":
        return await queue.release([Release(delivery=one) for one in held])
    if verb == "reject":
        return await queue.reject([Rejection(delivery=one, reason="error") for one in held])
    return await queue.extend(held, lease=LONG)


class Losing(QueueSetting):
    """Using a delivery that is no longer ours."""

    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_lost_delivery_cannot_be_used(
        self, hands: Hands, others_hands: Hands, time: Time, verb: str
    ) -> None:
        """It is an error that says so, and the new holder's message is untouched."""
        need(hands.queue.capabilities.stale_refused, "it does not notice who lost a message")
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        need(verb != "reject" or hands.queue.capabilities.dead_letters, "no dead letters")
        await hands.send_bodies(b"lost")
        [lost] = await hands.take(lease=SHORT)
        await time.passes(SHORT)
        [held] = await others_hands.take(lease=LONG)

        answers = await use(hands.queue, verb, lost)

        assert flat(answers) == [LeaseLostError]
        await hands.depth_is(Depth(in_flight=1))
        assert await others_hands.queue.release([Release(delivery=held)]) == [None]
        assert await others_hands.take_bodies(1) == [b"lost"]

    @pytest.mark.parametrize("verb", ["release", "reject", "extend"])
    async def test_an_acked_delivery_cannot_be_used(self, hands: Hands, verb: str) -> None:
        """What is gone stays gone."""
        need(hands.queue.capabilities.stale_refused, "it does not notice who lost a message")
        need(verb != "reject" or hands.queue.capabilities.dead_letters, "no dead letters")
        need(verb != "extend" or hands.queue.capabilities.leases, "no leases to extend")
        await hands.send_bodies(b"gone")
        [held] = await hands.take()
        await hands.queue.ack([held])

        answers = await use(hands.queue, verb, held)

        assert flat(answers) == [LeaseLostError]
        await hands.depth_is(Depth())

    @pytest.mark.parametrize("verb", VERBS)
    async def test_one_lost_delivery_does_not_harm_its_neighbours(
        self, hands: Hands, time: Time, verb: str
    ) -> None:
        """Every item of a batch is answered by itself, in the order given."""
        need(hands.queue.capabilities.stale_refused, "it does not notice who lost a message")
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        need(verb != "reject" or hands.queue.capabilities.dead_letters, "no dead letters")
        await hands.send_bodies(b"lost")
        [lost] = await hands.take(lease=SHORT)
        await time.passes(SHORT)
        await hands.take(lease=LONG)
        await hands.send_bodies(b"1", b"2")
        one, two = await hands.take(2)

        answers = await use(hands.queue, verb, one, lost, two)

        assert flat(answers) == [None, LeaseLostError, None]

    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_lost_delivery_harms_nothing_where_nobody_notices(
        self, hands: Hands, others_hands: Hands, time: Time, verb: str
    ) -> None:
        """The log decides then: the verb is answered by item, and its neighbours are done."""
        need(not hands.queue.capabilities.stale_refused, "it notices who lost a message")
        need(verb != "reject" or hands.queue.capabilities.dead_letters, "no dead letters")
        await hands.send_bodies(b"lost")
        [lost] = await hands.take(lease=SHORT)
        await time.passes(SHORT)
        await others_hands.take(lease=LONG)
        await hands.send_bodies(b"1", b"2")
        one, two = await hands.take(2)

        answers = await use(hands.queue, verb, one, lost, two)

        assert [answers[0], answers[2]] == [None, None]
        assert answers[1] is None or isinstance(answers[1], LeaseLostError)

    @pytest.mark.parametrize("verb", ["release", "extend"])
    async def test_an_acked_delivery_stays_gone_where_nobody_notices(
        self, hands: Hands, time: Time, verb: str
    ) -> None:
        """A verb that comes too late does not bring the message back."""
        need(not hands.queue.capabilities.stale_refused, "it notices who lost a message")
        need(verb != "extend" or hands.queue.capabilities.leases, "no leases to extend")
        await hands.send_bodies(b"gone")
        [held] = await hands.take(lease=SHORT)
        await hands.queue.ack([held])

        [answer] = await use(hands.queue, verb, held)
        await time.passes(SHORT)

        assert answer is None or isinstance(answer, LeaseLostError)
        assert await hands.receive() == []
