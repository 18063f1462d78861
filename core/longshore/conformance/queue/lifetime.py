"""A queue from `declare` to `delete`, what it counts, and what closing does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import DEADLINE, LONG, SHORT, Connect, Time, need
from longshore.conformance.queue.hands import Hands, QueueSetting, message
from longshore.errors import ClosedError
from longshore.queue import Depth, Rejection, Release, SupportsPurge

if TYPE_CHECKING:
    from longshore.conformance.contract import Opened
    from longshore.queue import Queue


def queue_of(opened: Opened, name: str) -> Queue:
    """Reach a queue of an open backend."""
    assert opened.queue is not None
    return opened.queue(name)


class Existing(QueueSetting):
    """Making a queue and removing it."""

    async def test_declaring_again_says_that_it_was_there(self, queue: Queue) -> None:
        """True only where this call made it."""
        assert await queue.declare() is False

    async def test_deleting_may_be_repeated(self, queue: Queue) -> None:
        """A queue that is not there is deleted."""
        await queue.delete()
        await queue.delete()

        assert await queue.declare() is True

    async def test_the_name_is_the_one_asked_for(self, queue: Queue, queue_name: str) -> None:
        """And capabilities are constant while it is open."""
        assert queue.name == queue_name
        assert queue.capabilities == queue.capabilities


class Keeping(QueueSetting):
    """What a queue holds, through declare, delete and purge."""

    async def test_declaring_again_keeps_the_messages(self, hands: Hands) -> None:
        """Declare is safe to call at every start."""
        await hands.send_bodies(b"kept")

        await hands.queue.declare()

        assert await hands.take_bodies(1) == [b"kept"]

    async def test_deleting_removes_messages_and_dead_letters(self, hands: Hands) -> None:
        """The queue of the same name begins anew."""
        await hands.send_bodies(b"1", b"2")
        if hands.queue.capabilities.dead_letters:
            [held] = await hands.take()
            await hands.queue.reject([Rejection(delivery=held, reason="error")])

        await hands.queue.delete()
        await hands.queue.declare()

        assert await hands.receive() == []
        await hands.depth_is(Depth())

    async def test_depth_counts_what_waits(self, hands: Hands) -> None:
        """Ready and in flight, each message once."""
        await hands.send_bodies(b"1", b"2", b"3")

        await hands.take()

        await hands.depth_is(Depth(ready=2, in_flight=1))

    async def test_depth_of_an_empty_queue_is_nothing(self, hands: Hands) -> None:
        """No message has no age."""
        depth = await hands.queue.depth()

        assert depth.oldest_age is None
        await hands.depth_is(Depth())

    async def test_a_message_whose_lease_ended_counts_as_ready(
        self, hands: Hands, time: Time
    ) -> None:
        """In flight is what is held under a lease, and no more."""
        need(hands.queue.capabilities.leases, "its leases do not end by time")
        await hands.send_bodies(b"1")
        await hands.take(lease=SHORT)

        await time.passes(SHORT * 1.5)

        await hands.depth_is(Depth(ready=1))

    async def test_the_oldest_age_is_that_of_the_oldest_ready_message(
        self, hands: Hands, time: Time
    ) -> None:
        """None where the broker does not say, and then it calls it approximate."""
        await hands.send_bodies(b"old")
        await time.passes(SHORT)
        await hands.send_bodies(b"new")

        depth = await hands.queue.depth()

        if depth.oldest_age is None:
            assert "oldest_age" in depth.approximate
        else:
            assert SHORT * 0.5 <= depth.oldest_age < SHORT + DEADLINE

    async def test_a_purge_removes_what_is_not_in_flight(self, hands: Hands) -> None:
        """And answers how many went; who works on a message keeps it."""
        purger = hands.queue
        if not isinstance(purger, SupportsPurge):
            pytest.skip("capability: it cannot be purged")
        need(hands.queue.capabilities.purge_spares, "a purge takes what is in flight as well")
        await hands.send_bodies(b"held")
        [held] = await hands.take()
        limit = hands.queue.capabilities.max_delay
        delayed = replace(message(), delay=LONG if limit is None else min(limit, LONG))
        await hands.send(message(), delayed)

        went = await purger.purge()

        assert went == len([message(), delayed])
        await hands.depth_is(Depth(in_flight=1))
        assert await hands.queue.release([Release(delivery=held)]) == [None]
        assert await hands.take_bodies(1) == [b"held"]

    async def test_a_purge_that_spares_nothing_leaves_nothing(
        self, hands: Hands, time: Time
    ) -> None:
        """What is in flight goes too, and does not return when its lease ends."""
        purger = hands.queue
        if not isinstance(purger, SupportsPurge):
            pytest.skip("capability: it cannot be purged")
        need(not hands.queue.capabilities.purge_spares, "a purge leaves what is in flight")
        await hands.send_bodies(b"held")
        await hands.take(lease=SHORT)
        await hands.send_bodies(b"1", b"2")

        went = await purger.purge()
        await time.passes(SHORT)

        assert went >= 0
        assert await hands.receive() == []

    async def test_messages_outlive_the_connection(
        self, connect: Connect, time: Time, queue_name: str
    ) -> None:
        """A durable queue holds what was answered None, whoever leaves."""
        async with connect() as opened:
            queue = queue_of(opened, queue_name)
            need(queue.capabilities.durable, "it is not durable")
            await queue.declare()
            await Hands(queue, time).send_bodies(b"durable")

        async with connect() as opened:
            bodies = await Hands(queue_of(opened, queue_name), time).take_bodies(1)

        assert bodies == [b"durable"]


class Closing(QueueSetting):
    """Leaving the context that gave the backend."""

    async def test_a_closed_queue_refuses_every_verb(
        self, connect: Connect, queue_name: str
    ) -> None:
        """Also where a batch is empty."""
        async with connect() as opened:
            queue = queue_of(opened, queue_name)
            await queue.declare()

        calls = [
            queue.send([message()]),
            queue.send([]),
            queue.receive(limit=1, wait=timedelta(0), lease=LONG),
            queue.ack([]),
            queue.release([]),
            queue.reject([]),
            queue.extend([], lease=LONG),
            queue.depth(),
            queue.declare(),
            queue.delete(),
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)

        assert [type(answer) for answer in answers] == [ClosedError] * len(calls)

    async def test_closing_wakes_a_blocked_receive(
        self, connect: Connect, time: Time, queue_name: str
    ) -> None:
        """With `ClosedError`, promptly, however long it would have waited."""
        async with connect() as opened:
            queue = queue_of(opened, queue_name)
            await queue.declare()
            receiving = queue.receive(limit=1, wait=LONG, lease=LONG)
            waiting = asyncio.create_task(receiving)
            await time.blocks(waiting)

        with pytest.raises(ClosedError):
            await time.within(DEADLINE / 4, waiting)

    async def test_closing_one_connection_leaves_the_others_open(
        self, connect: Connect, queue: Queue
    ) -> None:
        """Each context closes what it opened."""
        async with connect() as opened:
            await queue_of(opened, queue.name).depth()

        assert await queue.send([message()]) == [None]
