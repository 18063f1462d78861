from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.frames import Incoming, ProtocolError, Reader


def deliver(tag: int, body: bytes, properties: bytes = b"\x00\x00") -> bytes:
    """A delivery as a broker sends it."""
    given_ = b"\x03tag" + tag.to_bytes(8) + b"\x00\x00\x01q"
    return frames.method(1, frames.DELIVER, given_) + frames.content(1, properties, body)


def read(data: bytes, sizes: list[int]) -> list[Incoming]:
    reader, out, at = Reader(), list[Incoming](), 0
    for size in sizes:
        reader.feed(data[at : at + size], out)
        at += size
    reader.feed(data[at:], out)
    return out


@given(bodies=st.lists(st.binary(max_size=300), max_size=5), sizes=st.lists(st.integers(1, 50)))
def test_messages_are_read_in_whatever_pieces_they_come(
    bodies: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(deliver(tag, body) for tag, body in enumerate(bodies))

    came = read(data, sizes)

    assert [one.body for one in came] == bodies
    assert [frames.read_deliver(one.arguments) for one in came] == [
        (tag, False) for tag in range(len(bodies))
    ]


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 300_000])
def test_a_body_of_any_size_is_put_together(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)

    [came] = read(deliver(1, body[:size]), [])

    assert came.body == body[:size]


def test_what_is_for_the_connection_is_left_to_it() -> None:
    heartbeat = b"\x08\x00\x00\x00\x00\x00\x00\xce"

    others = Reader().feed(heartbeat, [])

    assert others == [(8, 0, b"")]


def test_a_frame_without_its_end_is_an_error() -> None:
    with pytest.raises(ProtocolError):
        Reader().feed(b"\x01\x00\x01\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00", [])


def test_messages_of_two_channels_may_come_in_between_each_other() -> None:
    one, two = (
        deliver(1, b"one"),
        deliver(2, b"two").replace(b"\x00\x01\x00\x00\x00", b"\x00\x02\x00\x00\x00"),
    )
    head = one.index(b"\xce") + 1

    came = read(one[:head] + two + one[head:], [])

    assert [(each.channel, each.body) for each in came] == [(2, b"two"), (1, b"one")]
