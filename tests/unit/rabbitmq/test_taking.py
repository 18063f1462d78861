from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from longshore.errors import LeaseLostError, UnavailableError
from longshore_adapters.rabbitmq import fields, frames, pace, taking
from longshore_adapters.rabbitmq.consuming import Consumers
from longshore_adapters.rabbitmq.frames import Incoming
from longshore_adapters.rabbitmq.names import names_of
from longshore_adapters.rabbitmq.options import parse_url
from longshore_adapters.rabbitmq.taking import Taking

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from longshore.queue import Delivery

OPTIONS = parse_url("rabbitmq://broker")


class Broker:
    """The broker's side of one channel: what it was told, and what it says."""

    def __init__(self) -> None:
        self.options = OPTIONS
        self.loop = asyncio.get_running_loop()
        self.is_up = True
        self.problem = None
        self.told: list[Incoming] = []
        self.opened = 0
        self.dropped = 0
        self.are_holding = False
        self._tag = 0
        self._reader = frames.Reader()
        self.taking = Taking(cast("Consumers", self), names_of("q", OPTIONS))

    def open(self, user: object) -> tuple[int, str]:
        self.opened += 1
        self._tag = 0
        return self.opened, f"mark{self.opened}."

    def end(self, channel: int) -> None:
        """Nothing more is heard of it."""

    def drop(self) -> None:
        self.dropped += 1

    def arguments(self) -> dict[str, object]:
        return {}

    def write(self, data: bytes) -> None:
        self._reader.feed(data, self.told)

    def begin(self) -> None:
        """Answer that the newest consumer has begun."""
        tag = fields.short(f"longshore-{self.count(frames.CONSUME)}")
        self.taking.came([Incoming(1, frames.CONSUME_OK, tag)])

    def deliver(self, count: int) -> None:
        came: list[Incoming] = []
        for _ in range(count):
            self._tag += 1
            given = b"\x01t" + self._tag.to_bytes(8) + b"\x00\x00\x01q"
            came.append(Incoming(1, frames.DELIVER, given, b"\x00\x00", b"%d" % self._tag))
        self.taking.came(came)

    def ready(self, count: int) -> None:
        given = b"\x01q" + count.to_bytes(4) + b"\0\0\0\1"
        self.taking.came([Incoming(1, frames.DECLARE_OK, given)])

    def count(self, method: int) -> int:
        return sum(each.method == method for each in self.told)

    @property
    def prefetches(self) -> list[int]:
        return [int.from_bytes(one.arguments[4:6]) for one in self.told if one.method == frames.QOS]

    @property
    def acked(self) -> list[tuple[int, bool]]:
        return [
            (int.from_bytes(one.arguments[:8]), bool(one.arguments[8]))
            for one in self.told
            if one.method == frames.ACK
        ]


def begun(receiving: Coroutine[object, object, list[Delivery]]) -> asyncio.Task[list[Delivery]]:
    return asyncio.create_task(receiving)


async def received(broker: Broker, limit: int) -> list[Delivery]:
    """Receive as many as are asked for."""
    task = begun(broker.taking.receive(limit, 5))
    await asyncio.sleep(0)
    broker.begin()
    broker.deliver(limit)
    return await task


async def test_the_broker_may_send_as_much_as_is_asked_for() -> None:
    broker = Broker()

    await received(broker, 7)

    assert broker.prefetches == [7]


async def test_no_more_is_asked_for_while_what_was_acked_makes_room() -> None:
    broker = Broker()
    held = await received(broker, 10)
    broker.taking.ack(held[:6])

    again = begun(broker.taking.receive(6, 5))
    await asyncio.sleep(0)
    broker.deliver(6)

    assert len(await again) == 6
    assert broker.prefetches == [10]


async def test_more_than_is_asked_for_is_on_its_way_while_tasks_are_short() -> None:
    broker = Broker()
    broker.taking.ack(await received(broker, 10))

    task = begun(broker.taking.receive(10, 5))
    await asyncio.sleep(0)
    broker.deliver(1)
    await task

    assert broker.prefetches == [10, 70]


async def test_no_more_than_is_asked_for_comes_while_tasks_are_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "WINDOW", 0.0)
    broker = Broker()
    broker.taking.ack(await received(broker, 10))

    task = begun(broker.taking.receive(10, 5))
    await asyncio.sleep(0)
    broker.deliver(1)
    await task

    assert broker.prefetches == [10]


async def test_more_is_asked_for_beside_what_is_held() -> None:
    broker = Broker()
    await received(broker, 2)

    await received(broker, 3)

    assert broker.prefetches == [2, 3]
    assert broker.taking.held == 5
    assert broker.count(frames.CANCEL) == 0


async def test_two_receives_share_what_comes_in_their_order() -> None:
    broker = Broker()
    first, second = begun(broker.taking.receive(2, 5)), begun(broker.taking.receive(2, 5))
    await asyncio.sleep(0)

    broker.deliver(3)

    assert [each.body for each in await first] == [b"1", b"2"]
    assert [each.body for each in await second] == [b"3"]


async def test_what_came_for_nobody_goes_back_and_no_more_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "LINGER", 0.01)
    broker = Broker()
    task = begun(broker.taking.receive(1, 5))
    await asyncio.sleep(0)
    broker.deliver(3)
    assert len(await task) == 1

    async with asyncio.timeout(5):
        while not broker.count(frames.CANCEL):
            await asyncio.sleep(0.005)

    assert broker.count(frames.NACK) == 2
    assert broker.taking.held == 1
    broker.deliver(1)
    assert broker.count(frames.NACK) == 3


async def test_acks_of_many_are_one_frame() -> None:
    broker = Broker()
    held = await received(broker, 50)

    answers = broker.taking.ack(held)

    assert answers == [None] * 50
    assert broker.acked == [(50, True)]


async def test_an_ack_out_of_turn_does_not_wait_long() -> None:
    broker = Broker()
    held = await received(broker, 3)

    broker.taking.ack(held[1:2])
    async with asyncio.timeout(5):
        while not broker.acked:
            await asyncio.sleep(0.001)

    assert broker.acked == [(2, False)]


async def test_a_release_with_nobody_waiting_ends_the_consumer_first() -> None:
    broker = Broker()
    held = await received(broker, 2)

    broker.taking.release(held[:1])

    order = [one.method for one in broker.told if one.method in {frames.CANCEL, frames.NACK}]
    assert order == [frames.CANCEL, frames.NACK]
    assert broker.taking.ack(held[1:]) == [None]


async def test_a_released_delivery_cannot_be_used() -> None:
    broker = Broker()
    [held] = await received(broker, 1)
    broker.taking.release([held])

    answers = [*broker.taking.ack([held]), *broker.taking.release([held])]

    assert [type(answer) for answer in answers] == [LeaseLostError] * 2


async def test_deliveries_of_a_lost_channel_are_not_mixed_up_with_those_of_the_next() -> None:
    broker = Broker()
    [old] = await received(broker, 1)

    broker.taking.lost()
    [new] = await received(broker, 1)

    assert [type(answer) for answer in broker.taking.ack([old])] == [LeaseLostError]
    assert broker.acked == []
    assert broker.taking.ack([new]) == [None]


async def test_who_waits_goes_on_waiting_on_the_next_channel() -> None:
    broker = Broker()
    task = begun(broker.taking.receive(4, 5))
    await asyncio.sleep(0)

    broker.taking.lost()
    broker.taking.up()
    broker.deliver(1)

    assert len(await task) == 1
    assert broker.prefetches == [4, 4]


async def test_an_empty_answer_needs_a_consumer_that_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "LOOK", 0.01)
    monkeypatch.setattr(taking, "CONNECTING", 0.05)
    broker = Broker()

    with pytest.raises(UnavailableError):
        await broker.taking.receive(1, 0)
    task = begun(broker.taking.receive(1, 0))
    await asyncio.sleep(0)
    broker.begin()

    assert await task == []


async def test_a_consumer_that_never_begins_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "EVERY", 0.01)
    broker = Broker()

    task = begun(broker.taking.receive(1, 5))
    async with asyncio.timeout(5):
        while not broker.dropped:
            await asyncio.sleep(0.005)
    broker.deliver(1)

    assert len(await task) == 1
    assert broker.opened > 2


async def test_a_consumer_that_brings_nothing_of_what_is_ready_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "EVERY", 0.01)
    broker = Broker()

    task = begun(broker.taking.receive(1, 5))
    await asyncio.sleep(0)
    broker.begin()
    async with asyncio.timeout(5):
        while broker.opened == 1:
            await asyncio.sleep(0.002)
            if broker.told[-1].method == frames.DECLARE:
                broker.told.append(Incoming(1, 0, b""))
                broker.ready(5)
    broker.deliver(1)

    assert len(await task) == 1


async def test_a_question_that_is_answered_late_costs_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a queue that elects its leader, say: what is in hand would go with the connection."""
    monkeypatch.setattr(taking, "EVERY", 0.01)
    broker = Broker()
    held = await received(broker, 1)

    task = begun(broker.taking.receive(1, 5))
    await asyncio.sleep(0)
    broker.begin()
    async with asyncio.timeout(5):
        while not broker.count(frames.DECLARE):
            await asyncio.sleep(0.001)
    answered_at = broker.loop.time() + 0.08
    while broker.loop.time() < answered_at:
        await asyncio.sleep(0.001)
    broker.ready(0)
    broker.deliver(1)

    assert len(await task) == 1
    assert (broker.dropped, broker.opened) == (0, 1)
    assert broker.taking.check(held) == [None]


async def test_a_queue_that_stays_silent_takes_nothing_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "EVERY", 0.005)
    broker = Broker()
    broker.are_holding = True

    task = begun(broker.taking.receive(1, 5))
    async with asyncio.timeout(5):
        while broker.opened < 8:
            await asyncio.sleep(0.001)
    broker.deliver(1)

    assert len(await task) == 1
    assert broker.dropped == 0


async def test_a_consumer_of_an_empty_queue_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "EVERY", 0.1)
    broker = Broker()

    task = begun(broker.taking.receive(1, 5))
    await asyncio.sleep(0)
    broker.begin()
    for asked in range(1, 4):
        async with asyncio.timeout(5):
            while broker.count(frames.DECLARE) < asked:
                await asyncio.sleep(0.001)
        broker.ready(0)
    broker.deliver(1)

    assert len(await task) == 1
    assert broker.opened == 1


async def test_a_consumer_that_was_asked_for_a_moment_ago_is_not_suspect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "EVERY", 0.2)
    broker = Broker()
    await received(broker, 1)
    look = broker.loop.time() + 0.2
    monkeypatch.setattr(taking, "EVERY", 60)

    while broker.loop.time() < look - 0.05:
        await asyncio.sleep(0.01)
    task = begun(broker.taking.receive(1, 60))
    while broker.loop.time() < look + 0.05:
        await asyncio.sleep(0.01)
    broker.begin()
    broker.deliver(1)

    assert len(await task) == 1
    assert broker.dropped == 0


async def test_what_came_for_nobody_goes_back_although_a_release_ended_the_consumer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "LINGER", 0.01)
    broker = Broker()
    task = begun(broker.taking.receive(1, 5))
    await asyncio.sleep(0)
    broker.deliver(3)

    broker.taking.release(await task)
    async with asyncio.timeout(5):
        while broker.count(frames.NACK) < 3:
            await asyncio.sleep(0.005)

    assert broker.taking.held == 0
    assert broker.count(frames.CANCEL) == 1


async def test_what_an_ended_consumer_brought_makes_the_next_bring_no_more() -> None:
    broker = Broker()
    await received(broker, 5)

    broker.taking.came([Incoming(1, frames.CANCEL, fields.short("longshore-1") + b"\1")])
    await received(broker, 2)

    assert broker.prefetches == [5, 2]
