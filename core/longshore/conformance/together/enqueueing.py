"""The promises of `Together.enqueue`, with an event loop and without."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import (
    DEADLINE,
    SHORT,
    Opened,
    need,
)
from longshore.conformance.together.both import ConnectSync, TogetherSetting
from longshore.errors import ClosedError, TooLargeError
from longshore.priority import HIGH, LOW
from longshore.task import TaskState

if TYPE_CHECKING:
    from longshore.conformance.queue.hands import Hands
    from longshore.conformance.task_log.clerk import Clerk
    from longshore.protocol import Recorded
    from longshore.together import Together

CALLERS = 8
MANY = 20


class Enqueueing(TogetherSetting):
    """Row and message in one step."""

    async def test_a_record_becomes_a_row_and_a_message(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """Under one key, with the spec's body."""
        entry = clerk.entry()

        [answer] = await together.enqueue([entry])

        [delivery] = await hands.take()
        assert (answer.inserted, answer.state) == (True, TaskState.QUEUED)
        assert (delivery.key, delivery.body) == (entry.spec.id, entry.spec.body)
        assert (await clerk.row(entry.spec)).wake_at is None

    async def test_an_existing_row_gets_no_second_message(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """Enqueueing may be repeated, in a batch and after it; the row is answered."""
        entry = clerk.entry()
        batch = await together.enqueue([entry, entry])

        [again] = await together.enqueue([replace(entry, spec=replace(entry.spec, body=b"2"))])

        assert [answer.inserted for answer in [*batch, again]] == [True, False, False]
        assert [delivery.body for delivery in await hands.drained()] == [entry.spec.body]

    async def test_a_finished_task_gets_no_second_message(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """A key decides who was first, also when that is over."""
        spec = await clerk.ended()

        [answer] = await together.enqueue([replace(clerk.entry(), spec=spec)])

        assert (answer.inserted, answer.state) == (False, TaskState.SUCCEEDED)
        assert await hands.drained() == []

    async def test_where_one_is_refused_nothing_is_enqueued(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """All of the batch, or none of it."""
        good, bad, fine = clerk.entry(), clerk.entry(), clerk.entry()
        body = b"x" * (hands.queue.capabilities.max_body + 1)
        bad = replace(bad, spec=replace(bad.spec, body=body))

        with pytest.raises(TooLargeError):
            await together.enqueue([good, bad, fine])

        ids = [entry.spec.id for entry in (good, bad, fine)]
        assert await clerk.log.get(ids) == [None, None, None]
        assert await hands.drained() == []

    async def test_a_message_comes_when_its_task_is_due(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """The queue holds it back by itself."""
        entry = replace(clerk.entry(TaskState.SCHEDULED), due_at=clerk.now() + SHORT)
        await together.enqueue([entry])

        early = await hands.receive()
        await clerk.time.passes(SHORT)
        [delivery] = await hands.take()

        assert early == []
        assert delivery.key == entry.spec.id

    async def test_a_message_has_the_priority_of_its_task(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """Higher first."""
        need(hands.queue.capabilities.priorities, "it has no priorities")
        entries = [
            replace(entry, spec=replace(entry.spec, priority=priority, body=b"%d" % priority))
            for priority, entry in ((LOW, clerk.entry()), (HIGH, clerk.entry()))
        ]

        await together.enqueue(entries)

        assert await hands.take_bodies(2) == [b"%d" % HIGH, b"%d" % LOW]

    @pytest.mark.parametrize("state", ["created", "scheduled", "queued"])
    async def test_an_armed_record_gets_no_message(
        self, together: Together, clerk: Clerk, hands: Hands, state: str
    ) -> None:
        """The scheduler will send it."""
        entry = replace(clerk.entry(TaskState(state)), armed=True)

        await together.enqueue([entry])

        assert (await clerk.row(entry.spec)).wake_no == 1
        assert await hands.drained() == []

    @pytest.mark.parametrize("state", ["blocked", "paused", "cancelled"])
    async def test_a_record_that_is_not_open_gets_no_message(
        self, together: Together, clerk: Clerk, hands: Hands, state: str
    ) -> None:
        """Nothing is to start."""
        entry = clerk.entry(TaskState(state))

        await together.enqueue([entry])

        assert (await clerk.row(entry.spec)).state is TaskState(state)
        assert await hands.drained() == []

    async def test_concurrent_enqueues_of_one_task_make_one_message(
        self, together: Together, other: Opened, clerk: Clerk, hands: Hands
    ) -> None:
        """Over two connections."""
        assert other.together is not None
        entry = clerk.entry()

        answers = await asyncio.gather(
            *(one.enqueue([entry]) for one in (together, other.together) * (CALLERS // 2))
        )

        assert sum(answer.inserted for [answer] in answers) == 1
        assert [delivery.key for delivery in await hands.drained()] == [entry.spec.id]

    async def test_no_message_is_seen_without_its_row(
        self, other: Opened, clerk: Clerk, hands: Hands
    ) -> None:
        """Whoever receives it finds the row, however early."""
        assert other.together is not None
        entries = [clerk.entry() for _ in range(MANY)]
        enqueues = (other.together.enqueue([entry]) for entry in entries)
        enqueueing = asyncio.gather(*enqueues)

        rows = [
            (await clerk.log.get([delivery.key]))[0]
            for _ in entries
            for delivery in await hands.take()
            if delivery.key is not None
        ]

        await enqueueing
        assert {row.id for row in rows if row is not None} == {e.spec.id for e in entries}


class EnqueueingWithoutLoop(TogetherSetting):
    """The synchronous half."""

    async def test_a_thread_enqueues_what_the_loop_receives(
        self, connect_sync: ConnectSync | None, clerk: Clerk, hands: Hands
    ) -> None:
        """A receiver that waits is woken."""
        connect = _needed(connect_sync)
        entry = clerk.entry()
        waiting = asyncio.create_task(hands.take())
        await clerk.time.blocks(waiting)

        def enqueue() -> list[Recorded]:
            with connect() as together:
                return [*together.enqueue([entry]), *together.enqueue([entry])]

        answers = await asyncio.to_thread(enqueue)

        [delivery] = await clerk.time.within(DEADLINE / 4, waiting)
        assert [answer.inserted for answer in answers] == [True, False]
        assert delivery.key == entry.spec.id
        assert (await clerk.row(entry.spec)).state is TaskState.QUEUED

    async def test_several_threads_may_share_a_connection(
        self, connect_sync: ConnectSync | None, clerk: Clerk, hands: Hands
    ) -> None:
        """Each record becomes one row and one message."""
        connect = _needed(connect_sync)
        entries = [clerk.entry() for _ in range(MANY)]

        def enqueue() -> None:
            with connect() as together, ThreadPoolExecutor(CALLERS) as threads:
                list(threads.map(together.enqueue, [[entry] for entry in entries] * 2))

        await asyncio.to_thread(enqueue)

        keys = [delivery.key for delivery in await hands.drained()]
        assert sorted(key for key in keys if key) == sorted(e.spec.id for e in entries)

    async def test_where_one_is_refused_a_thread_enqueues_nothing(
        self, connect_sync: ConnectSync | None, clerk: Clerk, hands: Hands
    ) -> None:
        """As with a loop."""
        connect = _needed(connect_sync)
        good, bad = clerk.entry(), clerk.entry()
        body = b"x" * (hands.queue.capabilities.max_body + 1)
        bad = replace(bad, spec=replace(bad.spec, body=body))

        with connect() as together, pytest.raises(TooLargeError):
            together.enqueue([good, bad])

        assert await clerk.log.get([good.spec.id, bad.spec.id]) == [None, None]
        assert await hands.drained() == []

    async def test_a_closed_connection_refuses_a_thread(
        self, connect_sync: ConnectSync | None, clerk: Clerk
    ) -> None:
        """With the same error."""
        connect = _needed(connect_sync)
        with connect() as together:
            together.enqueue([])

        with pytest.raises(ClosedError):
            together.enqueue([clerk.entry()])


def _needed(connect_sync: ConnectSync | None) -> ConnectSync:
    if connect_sync is None:
        pytest.skip("capability: it has no way in without an event loop")
    return connect_sync
