"""What is read by its head is what `decode` reads; whatever cannot be is left to `decode`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from longshore.codec import decode, encode
from longshore.codec.heads import Heads
from longshore.errors import MessageError
from longshore.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = b'{"specversion":"1.0","source":"urn:longshore","type":"a"'


def learned(*bodies: bytes) -> Heads:
    """Heads that have seen these twice."""
    heads = Heads()
    for body in (*bodies, *bodies):
        heads.learn(body)
    return heads


def written_last(message: Message) -> bytes:
    """A message as an enqueue writes it: the id and the data behind all else."""
    head, _, data = encode(message).partition(b',"data":')
    front, _, back = head.partition(b'"id":"%b",' % message.id.encode())
    return b'%b%b,"id":"%b","data":%b' % (front, back, message.id.encode(), data)


def test_a_message_is_read_by_a_head_seen_twice_as_decode_reads_it() -> None:
    bodies = [
        written_last(
            Message(
                id=f"id-{number}",
                type="a",
                time=AT,
                taskpriority=7,
                tasktags=("x", "y"),
                partitionkey="t",
                data={"number": number},
                extensions={"taskowner": "o", "own": 3},
            )
        )
        for number in range(3)
    ]
    heads = learned(bodies[0])

    read = [heads.read(body) for body in bodies]

    assert read == [decode(body) for body in bodies]
    assert None not in read


def test_a_head_seen_once_is_left_to_decode() -> None:
    heads = Heads()

    heads.learn(HEAD + b',"id":"1"}')

    assert heads.read(HEAD + b',"id":"1"}') is None


@pytest.mark.parametrize(
    "tail",
    [
        b'"1","data":{"x":NaN}}',
        b'"1","data":1e999}',
        b'"1","data":"[1]"}',
        b'"1","type":"b"}',
        b'"1","data_base64":"e30="}',
        b'"","data":{}}',
        b'"1","data":{}',
        b'"1"}}',
        b'"%b"}' % (b"x" * 129),
        b'"1","data":{},"id":7}',
        b'"1","data":' + b"[" * 300 + b"]" * 300 + b"}",
    ],
)
def test_what_is_not_an_id_and_plain_data_is_left_to_decode(tail: bytes) -> None:
    heads = learned(HEAD + b',"id":"1"}')

    assert heads.read(HEAD + b',"id":' + tail) is None


@pytest.mark.parametrize(
    "bodies",
    [
        [b'{,"id":"1"}'],
        [b'{"x":{"specversion":"1.0","source":"urn:longshore","type":"a","id":"1"}}'],
        [b'{"x":"{\\"source\\"' + b',"id":"1"}'],
        [HEAD + b',"data":1,"id":"1"}'],
        [HEAD + b',"time":"bad","id":"1","time":null}'],
        [HEAD + b',"dataref":"x://y","id":"1"}'],
        [b'{"specversion":"1.0","source":"other","type":"a","id":"1"}'],
    ],
)
def test_a_head_that_is_not_all_that_messages_share_is_never_used(bodies: Sequence[bytes]) -> None:
    heads = learned(*bodies)

    assert [heads.read(body) for body in bodies] == [None] * len(bodies)


def test_of_a_name_that_stands_twice_the_last_counts() -> None:
    heads = learned(HEAD + b',"id":"1"}')
    body = HEAD + b',"id":"1","data":{"x":1},"id":"2","data":{"x":2}}'

    read = heads.read(body)

    assert read == decode(body)
    assert read is not None
    assert (read.id, read.data) == ("2", {"x": 2})


def test_heads_that_never_return_are_forgotten() -> None:
    heads = Heads()

    for number in range(1000):
        heads.learn(HEAD + b',"n":%d,"id":"1"}' % number)

    assert len(heads._known) <= 64  # noqa: SLF001 - what is promised is a bound on it


def test_decode_refuses_what_is_left_to_it() -> None:
    heads = learned(HEAD + b',"id":"1"}')
    body = HEAD + b',"id":"1","data":{"x":NaN}}'

    assert heads.read(body) is None
    with pytest.raises(MessageError):
        decode(body)
