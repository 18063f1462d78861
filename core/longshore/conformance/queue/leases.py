"""The promises of `receive`, `ack`, `release` and `extend`: who holds a message, and how long."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import DEADLINE, LONG, SHORT, Time, need
from longshore.conformance.queue.hands import Hands, QueueSetting, flat, message
from longshore.errors import LeaseLostError, UnsupportedError
from longshore.queue import Depth, Release

if TYPE_CHECKING:
    from longshore.conformance.contract import Connect
    from longshore.queue import Queue

MANY = 40
RECEIVERS = 8


class Receiving(QueueSetting):
    """Taking messages."""

    async def test_no_more_than_the_limit_is_taken(self, hands: Hands) -> None:
        """Fewer may come; the rest stays for others."""
        await hands.send_bodies(b"1", b"2", b"3")

        taken = await hands.receive(2)
        rest = await hands.take(3 - len(taken))

        assert 1 <= len(taken) <= len([b"1", b"2"])
        assert {delivery.body for delivery in taken + rest} == {b"1", b"2", b"3"}

    async def test_an_empty_queue_answers_an_empty_list_after_the_wait(
        self, hands: Hands, time: Time
    ) -> None:
        """Nothing came: no error."""
        wait = timedelta(seconds=0.5)
        start = time.clock.monotonic()

        taken = await hands.receive(wait=wait)

        assert taken == []
        assert time.clock.monotonic() - start < wait.total_seconds() * 4

    async def test_a_receive_returns_as_soon_as_a_message_comes(
        self, hands: Hands, others_hands: Hands, time: Time
    ) -> None:
        """The wait is for the first message, not for its own end."""
        waiting = asyncio.create_task(hands.receive(wait=DEADLINE))
        await time.blocks(waiting)

        await others_hands.send_bodies(b"come")

        [delivery] = await time.within(DEADLINE / 4, waiting)
        assert delivery.body == b"come"

    async def test_a_receive_returns_as_soon_as_a_message_is_released(
        self, hands: Hands, time: Time
    ) -> None:
        """A release wakes those who wait, as a send does."""
        await hands.send_bodies(b"back")
        [held] = await hands.take()
        waiting = asyncio.create_task(hands.receive(wait=DEADLINE))
        await time.blocks(waiting)

        await hands.queue.release([Release(delivery=held)])

        [delivery] = await time.within(DEADLINE / 4, waiting)
        assert delivery.body == b"back"

    async def test_a_receive_returns_as_soon_as_a_delay_ends(
        self, hands: Hands, time: Time
    ) -> None:
        """Nobody sends or releases anything then, and still it is told."""
        limit = hands.queue.capabilities.max_delay
        need(limit is None or limit >= SHORT, "it delays no message")
        await hands.send(replace(message(b"later"), delay=SHORT))

        waiting = asyncio.create_task(hands.receive(wait=DEADLINE))

        [delivery] = await time.within(DEADLINE / 4, waiting)
        assert delivery.body == b"later"

    async def test_a_receive_returns_as_soon_as_a_lease_ends(
        self, hands: Hands, time: Time
    ) -> None:
        """The same for what a lost holder held."""
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        await hands.send_bodies(b"lost")
        await hands.take(lease=SHORT)

        waiting = asyncio.create_task(hands.receive(wait=DEADLINE))

        [delivery] = await time.within(DEADLINE / 4, waiting)
        assert delivery.body == b"lost"

    async def test_concurrent_receivers_never_hold_the_same_message(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """Each message is delivered to nobody else within its lease."""
        await hands.send_bodies(*(b"%d" % number for number in range(MANY)))

        shares = await asyncio.gather(
            *(one.drained() for one in (hands, others_hands) * (RECEIVERS // 2))
        )

        bodies = [int(delivery.body) for share in shares for delivery in share]
        assert sorted(bodies) == list(range(MANY))

    async def test_cancelling_a_receive_loses_nothing(self, hands: Hands, time: Time) -> None:
        """What a cancelled call had taken returns after its lease at the latest."""
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        receiving = hands.queue.receive(limit=10, wait=DEADLINE, lease=SHORT)
        waiting = asyncio.create_task(receiving)
        await time.blocks(waiting)

        await hands.send_bodies(b"1", b"2")
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await time.passes(SHORT)

        bodies = {delivery.body for delivery in await hands.take(2)}
        assert bodies == {b"1", b"2"}

    async def test_cancelling_a_receive_gives_back_what_it_had_taken(
        self, hands: Hands, others_hands: Hands, time: Time
    ) -> None:
        """Where no lease runs out it is given back at once, or it would be held for ever."""
        need(not hands.queue.capabilities.leases, "its leases end by time")
        receiving = hands.queue.receive(limit=10, wait=DEADLINE, lease=LONG)
        waiting = asyncio.create_task(receiving)
        await time.blocks(waiting)

        waiting.cancel()
        await others_hands.send_bodies(b"1", b"2")
        with suppress(asyncio.CancelledError):
            await waiting

        bodies = {delivery.body for delivery in await others_hands.take(2)}
        assert bodies == {b"1", b"2"}

    async def test_each_delivery_is_counted(self, hands: Hands) -> None:
        """`receives` counts deliveries of this message, this one included."""
        need(hands.queue.capabilities.receive_counts, "it does not count deliveries")
        await hands.send_bodies(b"counted")

        counts: list[int] = []
        for _ in range(3):
            [delivery] = await hands.take()
            counts.append(delivery.receives)
            await hands.queue.release([Release(delivery=delivery)])

        assert counts == [1, 2, 3]

    async def test_a_lease_above_the_limit_is_refused(self, hands: Hands) -> None:
        """An undeclared capability is an error, and takes nothing."""
        limit = hands.queue.capabilities.max_lease
        if limit is None:
            pytest.skip("capability: it has no limit of leases to exceed")
        await hands.send_bodies(b"kept")

        with pytest.raises(UnsupportedError):
            await hands.receive(lease=limit + SHORT)

        assert await hands.take_bodies(1) == [b"kept"]


class Holding(QueueSetting):
    """A message in our hands: until its lease ends, it is acknowledged, or given back."""

    async def test_a_held_message_is_not_delivered_to_another(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """Each is delivered to nobody else until its lease has passed or it is released."""
        await hands.send_bodies(b"mine")
        [held] = await hands.take()

        assert await others_hands.receive() == []
        assert await hands.queue.ack([held]) == [None]

    async def test_an_unacked_delivery_returns_after_its_lease(
        self, hands: Hands, others_hands: Hands, time: Time
    ) -> None:
        """A holder that died holds nothing."""
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        await hands.send_bodies(b"again")
        [first] = await hands.take(lease=SHORT)

        await time.passes(SHORT)

        [again] = await others_hands.take()
        assert (again.body, again.key) == (first.body, first.key)
        assert again.receipt != first.receipt

    async def test_a_delivery_says_when_its_lease_ends(self, hands: Hands, time: Time) -> None:
        """By the adapter's clock; None where the broker does not say."""
        await hands.send_bodies(b"leased")
        before = time.clock.now()

        [delivery] = await hands.take(lease=LONG)

        if delivery.lease_until is not None:
            assert abs(delivery.lease_until - before - LONG) < DEADLINE

    async def test_an_acked_message_is_gone_for_good(self, hands: Hands, time: Time) -> None:
        """It does not return when its lease would have ended."""
        await hands.send_bodies(b"done")
        [held] = await hands.take(lease=SHORT)

        assert await hands.queue.ack([held]) == [None]
        await time.passes(SHORT)

        assert await hands.receive() == []
        await hands.depth_is(Depth())

    async def test_an_ack_may_be_repeated(self, hands: Hands) -> None:
        """A message already gone is answered None."""
        await hands.send_bodies(b"done")
        [held] = await hands.take()

        first = await hands.queue.ack([held])
        again = await hands.queue.ack([held])

        assert (first, again) == ([None], [None])

    async def test_a_delivery_may_be_acked_by_another_connection(
        self, hands: Hands, second: Queue
    ) -> None:
        """The receipt names the delivery, not the connection; so of leases that end by time."""
        need(hands.queue.capabilities.leases, "its deliveries belong to a connection")
        await hands.send_bodies(b"done")
        [held] = await hands.take()

        assert await second.ack([held]) == [None]

        await hands.depth_is(Depth())

    async def test_an_ack_after_an_unrivalled_end_of_the_lease_is_kept(
        self, hands: Hands, time: Time
    ) -> None:
        """Only another holder makes it too late."""
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        need(hands.queue.capabilities.late_kept, "it refuses whoever comes late")
        await hands.send_bodies(b"late")
        [held] = await hands.take(lease=SHORT)
        await time.passes(SHORT)

        assert await hands.queue.ack([held]) == [None]

        assert await hands.receive() == []

    async def test_a_holder_that_leaves_gives_back_what_it_held(
        self, connect: Connect, time: Time, hands: Hands
    ) -> None:
        """Where no lease ends the connection does; what it acknowledged is gone for good."""
        need(not hands.queue.capabilities.leases, "its leases end by time")
        async with connect() as opened:
            assert opened.queue is not None
            queue = opened.queue(hands.queue.name)
            await hands.send_bodies(b"1", b"2")
            done, held = await Hands(queue, time).take(2)
            await queue.ack([done])

        [again] = await hands.take()
        assert again.body == held.body
        assert await hands.receive() == []

    async def test_an_extended_lease_ends_later(self, hands: Hands, time: Time) -> None:
        """Each lease ends so much from now, not from its old end."""
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        await hands.send_bodies(b"long")
        [held] = await hands.take(lease=SHORT)

        assert await hands.queue.extend([held], lease=SHORT * 3) == [None]
        await time.passes(SHORT)
        during = await hands.receive()
        await time.passes(SHORT * 2)

        assert during == []
        assert await hands.take_bodies(1) == [b"long"]

    async def test_a_lease_that_ended_unrivalled_may_be_extended(
        self, hands: Hands, time: Time
    ) -> None:
        """A slow holder that nobody replaced goes on."""
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        need(hands.queue.capabilities.late_extended, "it extends no lease that has ended")
        await hands.send_bodies(b"slow")
        [held] = await hands.take(lease=SHORT)
        await time.passes(SHORT)

        assert await hands.queue.extend([held], lease=LONG) == [None]

        assert await hands.receive() == []
        assert await hands.queue.ack([held]) == [None]

    async def test_an_ack_that_came_too_late_loses_nothing(self, hands: Hands, time: Time) -> None:
        """Where it is refused the message returns; where it is not, the message is gone."""
        capabilities = hands.queue.capabilities
        need(capabilities.leases and not capabilities.late_kept, "it keeps a late ack")
        await hands.send_bodies(b"late")
        [held] = await hands.take(lease=SHORT)
        await time.passes(SHORT)

        [answer] = await hands.queue.ack([held])

        if answer is None:
            assert await hands.receive() == []
        else:
            assert isinstance(answer, LeaseLostError)
            assert await hands.take_bodies(1) == [b"late"]

    async def test_extending_is_refused_where_leases_do_not_end(self, hands: Hands) -> None:
        """An undeclared capability is an error."""
        need(not hands.queue.capabilities.leases, "it has leases to extend")
        await hands.send_bodies(b"held")
        [held] = await hands.take()

        answers = await hands.queue.extend([held], lease=LONG)

        assert flat(answers) == [UnsupportedError]


class Releasing(QueueSetting):
    """Giving messages back."""

    async def test_a_released_message_comes_again_at_once(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        """To whoever receives next."""
        await hands.send_bodies(b"back")
        [held] = await hands.take()

        assert await hands.queue.release([Release(delivery=held)]) == [None]

        [again] = await others_hands.take()
        assert again.body == b"back"
        assert again.receipt != held.receipt

    async def test_a_message_released_with_a_delay_comes_after_it(
        self, hands: Hands, time: Time
    ) -> None:
        """And is counted as delayed until then."""
        limit = hands.queue.capabilities.max_release_delay
        need(limit is None or limit >= SHORT, "it releases without delay only")
        await hands.send_bodies(b"later")
        [held] = await hands.take()

        assert await hands.queue.release([Release(delivery=held, delay=SHORT)]) == [None]
        await hands.depth_is(Depth(delayed=1))
        early = await hands.receive()
        await time.passes(SHORT)

        assert early == []
        assert await hands.take_bodies(1) == [b"later"]

    async def test_a_release_delay_above_the_limit_is_refused(self, hands: Hands) -> None:
        """An undeclared capability is an error, and the message stays ours."""
        limit = hands.queue.capabilities.max_release_delay
        if limit is None:
            pytest.skip("capability: it has no limit of release delay to exceed")
        await hands.send_bodies(b"held")
        [held] = await hands.take()

        answers = await hands.queue.release([Release(delivery=held, delay=limit + SHORT)])

        assert flat(answers) == [UnsupportedError]
        assert await hands.queue.ack([held]) == [None]
