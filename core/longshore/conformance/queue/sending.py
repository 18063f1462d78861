"""The promises of `Queue.send`, and that what is sent arrives as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import SHORT, Time, need
from longshore.conformance.queue.hands import Hands, QueueSetting, flat, message
from longshore.errors import TooLargeError, UnsupportedError
from longshore.priority import HIGH, NORMAL
from longshore.queue import Depth

if TYPE_CHECKING:
    from longshore.queue import Queue

MEBIBYTE = 1_048_576
MOST_IN_A_TEST = 1000


class Accepting(QueueSetting):
    """What `send` answers. These need nothing to come back, so that a sink keeps them too."""

    async def test_each_item_of_a_batch_is_answered_by_itself(self, queue: Queue) -> None:
        """An error of one item says nothing about its neighbours."""
        too_large = message(b"x" * (queue.capabilities.max_body + 1))

        answers = await queue.send([message(), too_large, message()])

        assert flat(answers) == [None, TooLargeError, None]

    async def test_a_body_at_the_limit_is_accepted(self, queue: Queue) -> None:
        """`max_body` is what fits, not what is refused."""
        answers = await queue.send([message(b"x" * queue.capabilities.max_body)])

        assert answers == [None]

    async def test_a_batch_of_the_declared_size_is_accepted(self, queue: Queue) -> None:
        """`max_batch` items go in one call."""
        count = min(queue.capabilities.max_batch, MOST_IN_A_TEST)

        answers = await queue.send([message() for _ in range(count)])

        assert answers == [None] * count

    async def test_empty_batches_answer_empty_lists(self, queue: Queue) -> None:
        """No verb minds that there is nothing to do."""
        answers = [
            await queue.send([]),
            await queue.ack([]),
            await queue.release([]),
            await queue.reject([]),
            await queue.extend([], lease=SHORT),
        ]

        assert answers == [[], [], [], [], []]

    async def test_a_delay_above_the_limit_is_refused(self, queue: Queue) -> None:
        """An undeclared capability is an error, never silently ignored."""
        limit = queue.capabilities.max_delay
        if limit is None:
            pytest.skip("capability: it has no limit of delay to exceed")

        answers = await queue.send([replace(message(), delay=limit + SHORT), message()])

        assert flat(answers) == [UnsupportedError, None]

    async def test_a_priority_is_refused_where_there_are_none(self, queue: Queue) -> None:
        """An undeclared capability is an error; the normal priority is none."""
        need(not queue.capabilities.priorities, "it has priorities to honour")

        answers = await queue.send(
            [replace(message(), priority=HIGH), replace(message(), priority=NORMAL)]
        )

        assert flat(answers) == [UnsupportedError, None]


class Carrying(QueueSetting):
    """What arrives is what was sent."""

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x00", bytes(range(256)), b"\xff\xfe\xc3\x28", "grün ✓".encode(), b" a\r\n\t"],
        ids=["empty", "nul", "every-byte", "not-utf8", "utf8", "white"],
    )
    async def test_a_body_comes_back_byte_for_byte(self, hands: Hands, body: bytes) -> None:
        """Bodies are bytes to a queue, whatever they mean."""
        await hands.send_bodies(body)

        [delivery] = await hands.take()

        assert delivery.body == body

    async def test_a_large_body_comes_back_byte_for_byte(self, hands: Hands) -> None:
        """Up to the limit, size changes nothing."""
        size = min(hands.queue.capabilities.max_body, MEBIBYTE)
        body = bytes(range(256)) * (size // 256)
        await hands.send_bodies(body)

        [delivery] = await hands.take()

        assert delivery.body == body

    async def test_key_and_attributes_survive(self, hands: Hands) -> None:
        """Attributes are text, beside the body."""
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        attributes = {"traceparent": trace, "label": "grün ✓ \"'%_\\"}
        sent = replace(message(), attributes=attributes)
        await hands.send(sent)

        [delivery] = await hands.take()

        assert delivery.key == sent.key
        assert dict(delivery.attributes) == attributes

    async def test_a_delivery_names_its_queue_and_when_it_was_sent(
        self, hands: Hands, time: Time
    ) -> None:
        """The time is the adapter's; None where the broker does not say."""
        await hands.send_bodies(b"named")

        [delivery] = await hands.take()

        assert delivery.queue == hands.queue.name
        if delivery.sent_at is not None:
            assert delivery.sent_at.utcoffset() == timedelta(0)
            assert abs(delivery.sent_at - time.clock.now()) < timedelta(minutes=1)

    async def test_a_message_of_a_group_is_delivered(self, hands: Hands) -> None:
        """A group may order messages, and never holds back a lone one."""
        await hands.send(replace(message(b"grouped"), group="tenant-1"))

        [delivery] = await hands.take()

        assert delivery.body == b"grouped"

    async def test_repeating_a_send_adds_a_second_copy(self, hands: Hands) -> None:
        """Both are delivered, under the same key."""
        need(not hands.queue.capabilities.deduplicates, "it drops what was sent before")
        sent = message()
        await hands.send(sent)
        await hands.send(sent)

        copies = await hands.take(2)

        assert [copy.key for copy in copies] == [sent.key, sent.key]
        assert len({copy.receipt for copy in copies}) == len(copies)

    async def test_repeating_a_send_is_dropped_where_duplicates_are(self, hands: Hands) -> None:
        """But only the same publication: another token or wake number is another message."""
        need(hands.queue.capabilities.deduplicates, "it delivers what is sent twice")
        sent = message()
        others = [replace(sent, token=1), replace(sent, token=1, wake_no=1)]
        await hands.send(sent)
        await hands.send(sent)
        await hands.send(*others)

        receipts: list[str] = []
        for _ in (sent, *others):
            [delivery] = await hands.take()
            receipts.append(delivery.receipt)
            await hands.queue.ack([delivery])

        assert len(set(receipts)) == len([sent, *others])
        assert await hands.receive() == []

    async def test_what_was_refused_is_not_delivered(self, hands: Hands) -> None:
        """A refused item leaves nothing behind."""
        too_large = message(b"x" * (hands.queue.capabilities.max_body + 1))
        await hands.queue.send([message(b"good"), too_large])

        delivered = await hands.drained()

        assert [delivery.body for delivery in delivered] == [b"good"]

    async def test_a_message_sent_by_one_connection_reaches_another(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """A queue is its name, whoever holds it."""
        await hands.send_bodies(b"across")

        [delivery] = await others_hands.take()

        assert delivery.body == b"across"


class Delaying(QueueSetting):
    """Delays of messages."""

    async def test_a_delayed_message_comes_after_its_delay(self, hands: Hands, time: Time) -> None:
        """And not before, while others pass it."""
        limit = hands.queue.capabilities.max_delay
        need(limit is None or limit >= SHORT, "it delays no message")
        longest = SHORT * 3  # so that a slow server has answered before it ends
        delay = longest if limit is None else min(limit, longest)
        await hands.send(replace(message(b"later"), delay=delay), message(b"now"))

        early = await hands.drained()
        await time.passes(delay)
        [late] = await hands.take()

        assert [delivery.body for delivery in early] == [b"now"]
        assert late.body == b"later"

    async def test_a_delayed_message_is_counted_as_delayed(self, hands: Hands, time: Time) -> None:
        """Until its time, when it is ready."""
        limit = hands.queue.capabilities.max_delay
        need(limit is None or limit >= SHORT, "it delays no message")
        await hands.send(replace(message(), delay=SHORT), message())

        await hands.depth_is(Depth(ready=1, delayed=1))
        await time.passes(SHORT)

        await hands.depth_is(Depth(ready=2))
