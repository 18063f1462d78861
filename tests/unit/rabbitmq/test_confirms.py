from __future__ import annotations

import pytest

from longshore.errors import ConfigurationError, UnavailableError
from longshore_adapters.rabbitmq import confirms, fields, frames
from longshore_adapters.rabbitmq.confirms import CHANNEL, Batch, Confirms
from longshore_adapters.rabbitmq.errors import BlockedError, QueueMissingError, RefusedError
from longshore_adapters.rabbitmq.frames import Incoming
from longshore_adapters.rabbitmq.wire import Copy, write_properties


class Line:
    """A window, and what it wrote."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.confirms = Confirms(self.written.append, "broker")

    def batch(self, *bodies: bytes) -> Batch:
        copies = [
            Copy(name, write_properties(b"", {}, id=name, sent_at=0), body)
            for body in bodies
            if (name := body[:9].decode())
        ]
        batch = Batch([("", "q")] * len(copies), copies, lambda: None)
        self.confirms.submit(batch)
        return batch

    @property
    def published(self) -> list[bytes]:
        reader, out = frames.Reader(), list[Incoming]()
        publish = frames.PUBLISH.to_bytes(4)
        told = b"".join(self.written).replace(publish, frames.DELIVER.to_bytes(4))
        reader.feed(told, out)
        return [one.body for one in out if one.method == frames.DELIVER]

    def ack(self, tag: int, *, multiple: bool = False, method: int = frames.ACK) -> None:
        given = tag.to_bytes(8) + bytes((multiple,))
        self.confirms.handle(Incoming(CHANNEL, method, given))

    def returned(self, name: str) -> None:
        given = b"\x01\x38" + b"\x08NO_ROUTE" + b"\x00" + b"\x01q"
        properties = write_properties(b"", {}, id=name, sent_at=0)
        self.confirms.handle(Incoming(CHANNEL, frames.RETURN, given, properties))

    def closed(self, code: int, text: str) -> None:
        given = code.to_bytes(2) + fields.short(text) + b"\0\0\0\0"
        self.confirms.handle(Incoming(CHANNEL, frames.CHANNEL_CLOSE, given))


@pytest.fixture
def line() -> Line:
    made = Line()
    made.confirms.up()
    return made


def test_a_batch_is_answered_when_all_of_it_is_confirmed(line: Line) -> None:
    batch = line.batch(b"a", b"b", b"c")

    line.ack(2)
    early = batch.ended
    line.ack(3, multiple=True)

    assert (early, batch.ended) == (False, True)
    assert batch.answers == [None] * 3
    assert not line.confirms.busy


def test_what_is_refused_is_that_items_error(line: Line) -> None:
    batch = line.batch(b"a", b"b")

    line.ack(1, method=frames.NACK)
    line.ack(2)

    assert isinstance(batch.answers[0], UnavailableError)
    assert batch.answers[1] is None


def test_what_comes_back_is_an_error_although_it_is_confirmed(line: Line) -> None:
    batch = line.batch(b"a", b"b")

    line.returned("a")
    line.ack(2, multiple=True)

    assert [type(answer) for answer in batch.answers] == [QueueMissingError, type(None)]


def test_a_lost_connection_leaves_nothing_out_and_keeps_the_order(line: Line) -> None:
    first, second = line.batch(b"a", b"b"), line.batch(b"c")
    line.ack(1)

    line.confirms.down()
    third = line.batch(b"d")
    line.confirms.up()
    line.ack(3, multiple=True)

    assert line.published == [b"a", b"b", b"c", b"b", b"c", b"d"]
    assert all(batch.ended for batch in (first, second, third))


def test_no_more_than_the_window_is_on_its_way(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirms, "WINDOW", 2)
    batch = line.batch(b"a", b"b", b"c", b"d", b"e")
    assert line.published == [b"a", b"b"]

    line.ack(1)
    assert line.published == [b"a", b"b", b"c"]
    line.ack(3, multiple=True)
    line.ack(5, multiple=True)

    assert batch.ended


def test_nothing_is_sent_while_the_broker_blocks(line: Line) -> None:
    line.confirms.block(blocked=True)
    line.batch(b"a")
    assert line.published == []

    line.confirms.block(blocked=False)

    assert line.published == [b"a"]


def test_who_waits_too_long_is_told_why(line: Line) -> None:
    late = line.batch(b"a")
    line.confirms.expire(late.begun + confirms.PATIENCE + 1)
    line.confirms.block(blocked=True)
    blocked = line.batch(b"b")

    line.confirms.expire(blocked.begun + confirms.PATIENCE + 1)
    line.ack(1)

    assert [type(answer) for answer in late.answers] == [UnavailableError]
    assert [type(answer) for answer in blocked.answers] == [BlockedError]


def test_a_refused_connection_is_said_at_once_and_a_lost_one_a_little_later(line: Line) -> None:
    line.confirms.down()
    batch = line.batch(b"a")

    line.confirms.failed(UnavailableError("away"))
    early = batch.ended
    line.confirms.failed(RefusedError("who?"))

    assert not early
    assert [type(answer) for answer in batch.answers] == [RefusedError]


def test_a_closed_channel_is_tried_once_more(line: Line) -> None:
    batch = line.batch(b"a")

    line.closed(404, "NOT_FOUND - no exchange 'x'")
    assert line.published == [b"a", b"a"]
    line.closed(404, "NOT_FOUND - no exchange 'x'")

    assert [type(answer) for answer in batch.answers] == [QueueMissingError]
    assert not line.confirms.busy


def test_confirmations_that_stay_away_make_a_connection_suspect(line: Line) -> None:
    batch = line.batch(b"a")

    assert not line.confirms.is_stalled(batch.begun)
    assert line.confirms.is_stalled(batch.begun + confirms.STALLED + 1)
    line.ack(1)
    assert not line.confirms.is_stalled(batch.begun + 100)


def test_what_was_given_up_is_not_kept_until_the_broker_is_back(line: Line) -> None:
    line.confirms.down()
    for _ in range(3):
        line.batch(b"a", b"b")
        line.confirms.failed(RefusedError("who?"))

    assert line.confirms.clear
    line.confirms.up()
    assert line.published == []


def test_each_of_two_that_come_back_under_one_name_is_an_error(line: Line) -> None:
    batch = line.batch(b"a", b"a")

    line.returned("a")
    line.returned("a")
    line.ack(2, multiple=True)

    assert [type(answer) for answer in batch.answers] == [QueueMissingError] * 2


def test_a_large_message_has_the_time_that_a_slow_line_needs(line: Line) -> None:
    batch = line.batch(b"a" * 8_000_000)

    assert not line.confirms.is_stalled(batch.begun + confirms.STALLED + 4)
    assert line.confirms.is_stalled(batch.begun + confirms.STALLED + 10)


def test_a_message_that_closes_the_channel_is_no_error_of_those_beside_it(line: Line) -> None:
    good, bad, late = line.batch(b"a"), line.batch(b"b"), line.batch(b"c")
    line.closed(406, "PRECONDITION_FAILED - message size is too large")

    assert line.published == [b"a", b"b", b"c", b"a"]
    line.ack(1)
    line.closed(406, "PRECONDITION_FAILED - message size is too large")
    line.ack(1)

    assert line.published == [b"a", b"b", b"c", b"a", b"b", b"c"]
    assert [type(one.answers[0]) for one in (good, bad, late)] == [
        type(None),
        ConfigurationError,
        type(None),
    ]
    assert not line.confirms.busy
