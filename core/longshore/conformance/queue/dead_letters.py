"""Dead letters: moved with all they carry, looked at, sent again, and removed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import DEADLINE, SHORT, Time, need
from longshore.conformance.queue.hands import Hands, QueueSetting, flat, message
from longshore.errors import LongshoreError, UnsupportedError
from longshore.queue import Depth, Rejection, SupportsDeadLetters

if TYPE_CHECKING:
    from longshore.queue import DeadLetter, Delivery, Queue

MANY = 5
SOME = 2


def shelf(queue: Queue) -> SupportsDeadLetters:
    """Look at the queue's dead letters; skip where it does not show them."""
    if not isinstance(queue, SupportsDeadLetters):
        pytest.skip("capability: its dead letters cannot be looked at")
    return queue


async def bury(hands: Hands, *bodies: bytes, stamp: int | None = None) -> list[Delivery]:
    """Send messages, and reject each, in their order."""
    need(hands.queue.capabilities.dead_letters, "it has no dead-letter queue")
    buried: list[Delivery] = []
    for body in bodies:
        await hands.send_bodies(body)
        [held] = await hands.take()
        rejection = Rejection(delivery=held, reason="error", stamp=stamp)
        assert await hands.queue.reject([rejection]) == [None]
        buried.append(held)
    return buried


async def letters(hands: Hands, count: int) -> list[DeadLetter]:
    """List the dead letters once there are so many."""
    await hands.depth_is(Depth(dead=count))
    return await shelf(hands.queue).dead_letters(limit=100)


class Rejecting(QueueSetting):
    """The promises of `reject` and of `SupportsDeadLetters`."""

    async def test_a_dead_letter_keeps_everything(self, hands: Hands, time: Time) -> None:
        """Reason, detail, stamp, raw body, key and attributes."""
        shelf(hands.queue)
        body = bytes(range(256))
        sent = replace(message(body), attributes={"traceparent": "00-a-b-01"})
        await hands.send(sent)
        [held] = await hands.take()

        rejection = Rejection(delivery=held, reason="decode", detail="no JSON: “{”", stamp=7)
        assert await hands.queue.reject([rejection]) == [None]

        [letter] = await letters(hands, 1)
        assert letter.queue == hands.queue.name
        assert letter.body == body
        assert (letter.reason, letter.detail, letter.stamp) == ("decode", "no JSON: “{”", 7)
        assert letter.key == sent.key
        assert dict(letter.attributes) == dict(sent.attributes)
        assert abs(letter.died_at - time.clock.now()) < DEADLINE

    async def test_a_dead_letter_may_have_no_stamp(self, hands: Hands) -> None:
        """Of a message that nothing could read there is no run."""
        await bury(hands, b"unreadable", stamp=None)

        [letter] = await letters(hands, 1)

        assert letter.stamp is None

    async def test_a_rejected_message_is_not_delivered_again(
        self, hands: Hands, time: Time
    ) -> None:
        """It has moved, and counts as dead."""
        need(hands.queue.capabilities.dead_letters, "it has no dead-letter queue")
        await hands.send_bodies(b"bad")
        [held] = await hands.take(lease=SHORT)

        assert await hands.queue.reject([Rejection(delivery=held, reason="error")]) == [None]
        await time.passes(SHORT)

        assert await hands.receive() == []
        await hands.depth_is(Depth(dead=1))

    async def test_a_rejected_delivery_may_be_acked(self, hands: Hands) -> None:
        """The message is gone from the queue; the dead letter stays."""
        [held] = await bury(hands, b"bad")

        assert await hands.queue.ack([held]) == [None]

        await hands.depth_is(Depth(dead=1))

    async def test_dead_letters_are_listed_in_the_order_they_died(self, hands: Hands) -> None:
        """Page by page, past the last id seen."""
        dead = shelf(hands.queue)
        bodies = [b"%d" % number for number in range(MANY)]
        await bury(hands, *bodies)
        await letters(hands, MANY)

        listed: list[DeadLetter] = []
        while page := await dead.dead_letters(limit=SOME, after=listed[-1].id if listed else None):
            assert len(page) <= SOME
            listed += page

        assert [letter.body for letter in listed] == bodies

    async def test_a_redriven_letter_comes_back_stamped(self, hands: Hands) -> None:
        """Under its old key, with the stamp as an attribute, and no longer dead."""
        dead = shelf(hands.queue)
        sent = replace(message(b"again"), attributes={"traceparent": "00-a-b-01"})
        await hands.send(sent)
        [held] = await hands.take()
        await hands.queue.reject([Rejection(delivery=held, reason="error", stamp=3)])
        [letter] = await letters(hands, 1)

        assert await dead.redrive([letter.id]) == [None]

        [back] = await hands.take()
        assert (back.body, back.key) == (sent.body, sent.key)
        assert dict(back.attributes) == {"traceparent": "00-a-b-01", "stamp": "3"}
        await hands.depth_is(Depth(in_flight=1))

    async def test_a_letter_without_a_stamp_comes_back_without_one(self, hands: Hands) -> None:
        """No run failed, so no run is named."""
        dead = shelf(hands.queue)
        await bury(hands, b"again")
        [letter] = await letters(hands, 1)

        await dead.redrive([letter.id])

        [back] = await hands.take()
        assert "stamp" not in back.attributes

    async def test_a_letter_that_dies_again_bears_its_newest_stamp(self, hands: Hands) -> None:
        """A second failure is another run's."""
        dead = shelf(hands.queue)
        await bury(hands, b"again", stamp=0)
        [letter] = await letters(hands, 1)
        await dead.redrive([letter.id])
        [held] = await hands.take()
        await hands.queue.reject([Rejection(delivery=held, reason="error", stamp=1)])
        [letter] = await letters(hands, 1)

        await dead.redrive([letter.id])

        [back] = await hands.take()
        assert (letter.stamp, back.attributes["stamp"]) == (1, "1")

    async def test_an_unknown_letter_is_an_error_of_its_own(self, hands: Hands) -> None:
        """Its neighbours are redriven."""
        dead = shelf(hands.queue)
        await bury(hands, b"1", b"2")
        one, two = await letters(hands, 2)
        await dead.discard([two.id])

        unknown, known = await dead.redrive([two.id, one.id])

        assert isinstance(unknown, LongshoreError)
        assert known is None
        assert await hands.take_bodies(1) == [b"1"]

    async def test_a_discarded_letter_is_gone_for_good(self, hands: Hands) -> None:
        """And discarding may be repeated."""
        dead = shelf(hands.queue)
        await bury(hands, b"1", b"2")
        one, two = await letters(hands, 2)

        answers = [await dead.discard([one.id]), await dead.discard([one.id])]

        assert answers == [[None], [None]]
        assert [letter.id for letter in await letters(hands, 1)] == [two.id]

    async def test_empty_batches_of_letters_answer_empty_lists(self, hands: Hands) -> None:
        """No verb minds that there is nothing to do."""
        dead = shelf(hands.queue)

        assert [await dead.redrive([]), await dead.discard([])] == [[], []]

    async def test_dead_letters_of_another_queue_are_not_listed(
        self, hands: Hands, queue_name: str, second: Queue
    ) -> None:
        """Each queue has its own; one name reaches one queue."""
        await bury(hands, b"mine")

        listed = await shelf(second).dead_letters(limit=100)

        assert second.name == queue_name
        assert [letter.queue for letter in listed] == [queue_name]


class WithoutDeadLetters(QueueSetting):
    """Honesty of a queue that has none."""

    async def test_rejecting_is_refused_where_there_are_no_dead_letters(self, hands: Hands) -> None:
        """An undeclared capability is an error, and the message stays ours."""
        need(not hands.queue.capabilities.dead_letters, "it has dead letters")
        await hands.send_bodies(b"kept")
        [held] = await hands.take()

        answers = await hands.queue.reject([Rejection(delivery=held, reason="error")])

        assert flat(answers) == [UnsupportedError]
        assert await hands.queue.ack([held]) == [None]

    async def test_dead_letters_are_shown_only_where_they_are_declared(self, queue: Queue) -> None:
        """A queue that lists dead letters says that it has some."""
        declares = queue.capabilities.dead_letters

        assert declares or not isinstance(queue, SupportsDeadLetters)
