"""The order in which messages come: by priority, then by age."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.conformance.contract import SHORT, Time, need
from longshore.conformance.queue.hands import Hands, QueueSetting, message
from longshore.priority import HIGH, HIGHEST, LOW, LOWEST, NORMAL, URGENT
from longshore.queue import Release

if TYPE_CHECKING:
    from longshore.queue import Delivery, Outgoing

RECEIVERS = 4
MANY = 40


def numbered(count: int) -> list[bytes]:
    """Bodies that tell their place."""
    return [str(number).encode() for number in range(count)]


class Ordering(QueueSetting):
    """Higher priority first, then the older."""

    async def test_messages_of_one_batch_come_in_their_order(self, hands: Hands) -> None:
        """Of two items, equal in priority and delay, the first is delivered first."""
        need(hands.queue.capabilities.ordered, "it keeps no order")
        need(not hands.queue.capabilities.grouped, "it keeps order in groups: see Grouping")
        await hands.send_bodies(*numbered(5))

        bodies = await hands.take_bodies(5)

        assert bodies == numbered(5)

    async def test_messages_of_several_calls_come_in_their_order(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """The same for two calls, of two connections."""
        need(hands.queue.capabilities.ordered, "it keeps no order")
        need(not hands.queue.capabilities.grouped, "it keeps order in groups: see Grouping")
        await hands.send_bodies(b"first")
        await others_hands.send_bodies(b"second")
        await hands.send_bodies(b"third")

        bodies = await others_hands.take_bodies(3)

        assert bodies == [b"first", b"second", b"third"]

    async def test_one_receive_lists_messages_in_their_order(self, hands: Hands) -> None:
        """The order holds inside a batch as well."""
        need(hands.queue.capabilities.ordered, "it keeps no order")
        need(not hands.queue.capabilities.grouped, "it keeps order in groups: see Grouping")
        await hands.send_bodies(*numbered(5))

        taken = await hands.take(5)

        assert [delivery.body for delivery in taken] == numbered(5)

    async def test_a_higher_priority_comes_first(self, hands: Hands) -> None:
        """Priorities are 0 to 100, and any number between is fine (L07, E07)."""
        need(hands.queue.capabilities.priorities, "it has no priorities")
        mixed = [NORMAL, LOWEST, HIGHEST, LOW, 42, URGENT, HIGH]
        await hands.send(*(replace(message(b"%d" % p), priority=p) for p in mixed))

        bodies = await hands.take_bodies(len(mixed))

        assert [int(body) for body in bodies] == sorted(mixed, reverse=True)

    async def test_equal_priorities_come_in_the_order_sent(self, hands: Hands) -> None:
        """First-in first-out within one (L07)."""
        need(hands.queue.capabilities.priorities, "it has no priorities")
        need(hands.queue.capabilities.ordered, "it keeps no order")
        need(not hands.queue.capabilities.grouped, "it keeps order in groups: see Grouping")
        sent = [(HIGH, b"h1"), (LOW, b"l1"), (HIGH, b"h2"), (LOW, b"l2")]
        await hands.send(*(replace(message(body), priority=p) for p, body in sent))

        bodies = await hands.take_bodies(len(sent))

        assert bodies == [b"h1", b"h2", b"l1", b"l2"]

    async def test_each_of_many_receivers_sees_the_order(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """Concurrent receivers share the messages, and none gets an older one later (L07)."""
        need(hands.queue.capabilities.ordered, "it keeps no order")
        need(not hands.queue.capabilities.grouped, "it keeps order in groups: see Grouping")
        await hands.send_bodies(*numbered(MANY))

        shares = await asyncio.gather(
            *(_share(one) for one in (hands, others_hands) * (RECEIVERS // 2))
        )

        places = [[int(delivery.body) for delivery in share] for share in shares]
        assert [sorted(share) for share in places] == places
        assert sorted(place for share in places for place in share) == list(range(MANY))

    async def test_a_released_message_keeps_its_place(self, hands: Hands) -> None:
        """It goes back where it was, not to the end."""
        need(hands.queue.capabilities.ordered, "it keeps no order")
        need(not hands.queue.capabilities.grouped, "it keeps order in groups: see Grouping")
        await hands.send_bodies(*numbered(3))
        [first] = await hands.take()

        await hands.queue.release([Release(delivery=first)])

        assert await hands.take_bodies(3) == numbered(3)

    async def test_a_message_whose_lease_ended_keeps_its_place(
        self, hands: Hands, time: Time
    ) -> None:
        """A lost holder does not send its messages to the end."""
        capabilities = hands.queue.capabilities
        need(capabilities.ordered and capabilities.leases, "it keeps no order by leases")
        need(not capabilities.grouped, "it keeps order in groups: see Grouping")
        await hands.send_bodies(*numbered(3))
        await hands.take(lease=SHORT)

        await time.passes(SHORT)

        assert await hands.take_bodies(3) == numbered(3)


class Grouping(QueueSetting):
    """Order inside groups: the next of a group comes when the one before it is gone."""

    async def test_messages_of_a_group_come_one_after_another(self, hands: Hands) -> None:
        """In the order sent, of one call and of several, and never two at a time."""
        need(hands.queue.capabilities.grouped, "it has no groups")
        await hands.send(*(in_group("g", body) for body in numbered(3)))
        await hands.send(in_group("g", b"3"))

        bodies: list[bytes] = []
        for _ in range(4):
            [delivery] = await hands.take()
            assert delivery.group == "g"
            assert await hands.receive() == []
            bodies.append(delivery.body)
            await hands.queue.ack([delivery])

        assert bodies == numbered(4)

    async def test_a_batch_holds_one_message_of_a_group(self, hands: Hands) -> None:
        """However many there is room for; the rest is not lost by that."""
        need(hands.queue.capabilities.grouped, "it has no groups")
        await hands.send(*(in_group("g", body) for body in numbered(3)))
        await hands.send(in_group("h", b"other"))

        taken = await hands.take(2)

        assert sorted(delivery.body for delivery in taken) == [b"0", b"other"]
        await hands.queue.ack(taken)
        [following] = await hands.take()
        assert following.body == b"1"

    async def test_a_group_does_not_hold_up_another(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """Whoever holds the one, everybody may take the other."""
        need(hands.queue.capabilities.grouped, "it has no groups")
        await hands.send(in_group("g", b"1"), in_group("g", b"2"))
        await hands.take()

        await hands.send(in_group("h", b"other"))

        [delivery] = await others_hands.take()
        assert (delivery.group, delivery.body) == ("h", b"other")

    async def test_a_message_given_back_comes_before_the_rest_of_its_group(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """A release gives up the message, not its place."""
        need(hands.queue.capabilities.grouped, "it has no groups")
        await hands.send(in_group("g", b"1"), in_group("g", b"2"))
        [held] = await hands.take()

        await hands.queue.release([Release(delivery=held)])

        [again] = await others_hands.take()
        assert again.body == b"1"

    async def test_a_message_whose_lease_ended_comes_before_the_rest_of_its_group(
        self, hands: Hands, others_hands: Hands, time: Time
    ) -> None:
        """A lost holder does not let its group go on without the message."""
        capabilities = hands.queue.capabilities
        need(capabilities.grouped and capabilities.leases, "it has no groups by leases")
        await hands.send(in_group("g", b"1"), in_group("g", b"2"))
        await hands.take(lease=SHORT)

        await time.passes(SHORT)

        [again] = await others_hands.take()
        assert again.body == b"1"


def in_group(group: str, body: bytes) -> Outgoing:
    """Make a message of a group."""
    return replace(message(body), group=group)


async def _share(hands: Hands) -> list[Delivery]:
    share: list[Delivery] = []
    while more := await hands.receive(1):
        share += more
    return share
