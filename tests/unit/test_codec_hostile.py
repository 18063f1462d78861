"""Bodies that mean harm, or are merely wrong: refused in a sentence, and never more (law 5)."""

from __future__ import annotations

import base64
import gzip
import json
import random
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longshore.codec import decode, encode
from longshore.codec.cloudevents import MAX_ATTRIBUTES
from longshore.codec.parse import MAX_BODY
from longshore.errors import MessageError
from longshore.message import MAX_TEXT, Message
from tests.unit.messages import CORE, SCHEMA, VALIDATOR, body_of, json_values, messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Make a real message and break it in a few places."""
    body = bytearray(encode(draw(messages)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 20)))
        body[start:end] = draw(
            st.binary(max_size=8) | st.sampled_from([b'"', b"{", b"\\", b"null"])
        )
    return bytes(body)


def refusal(body: bytes) -> str:
    with pytest.raises(MessageError) as caught:
        decode(body)
    assert caught.value.reason == "decode"
    return caught.value.problem


BAD_ATTRIBUTES: dict[str, dict[str, object]] = {
    "another version": {"specversion": "0.3"},
    "no id": {"id": None},
    "empty id": {"id": ""},
    "long id": {"id": "x" * (MAX_TEXT + 1)},
    "id not text": {"id": 7},
    "no source": {"source": None},
    "empty source": {"source": ""},
    "no type": {"type": None},
    "type with a space": {"type": "invoice render"},
    "long type": {"type": "x" * 201},
    "empty taskkey": {"taskkey": ""},
    "long taskkey": {"taskkey": "x" * (MAX_TEXT + 1)},
    "priority above": {"taskpriority": 101},
    "priority below": {"taskpriority": -1},
    "priority true": {"taskpriority": True},
    "priority text": {"taskpriority": "5"},
    "priority part": {"taskpriority": 5.5},
    "priority of 4000 digits": {"taskpriority": 10**4000},
    "no attempts": {"taskattempts": 0},
    "too many attempts": {"taskattempts": 1_000_001},
    "no time": {"tasktimeout": 0},
    "more than a year": {"tasktimeout": 31_536_001},
    "subject not text": {"subject": 5},
    "tags in a list": {"tasktags": ["a"]},
    "data twice": {"data": {}, "data_base64": "e30="},
    "not base64": {"data_base64": "e30"},
    "base64 not text": {"data_base64": 5},
    "claim check beside data": {"dataref": "s3://bucket/key", "data": {}},
    "claim check not text": {"dataref": 5},
    "compressed, without data": {"dataencoding": "gzip"},
    "compressed, and plain": {"dataencoding": "gzip", "data": {}},
    "compressed otherwise": {"dataencoding": "zstd", "data_base64": "e30="},
    "compression not text": {"dataencoding": 5, "data_base64": "e30="},
    "encrypted": {"datacrypt": "A256GCM"},
    "signed": {"datasig": "k1:abc"},
    "too many attributes": {f"x{number}": number for number in range(MAX_ATTRIBUTES)},
    **{
        f"{name} {moment}": {name: moment}
        for name in ("time", "notbefore", "expirytime")
        for moment in ("", "now", "2026-11-22", "2026-11-22T10:00:00", 1795341600)
    },
}


@pytest.mark.parametrize("attributes", BAD_ATTRIBUTES.values(), ids=BAD_ATTRIBUTES.keys())
def test_what_the_reader_refuses_the_schema_refuses_too(attributes: dict[str, object]) -> None:
    body = body_of(**attributes)

    problem = refusal(body)

    assert len(problem) < 300
    assert not VALIDATOR.is_valid(json.loads(body))


def test_a_claim_check_fits_the_schema_and_is_refused_where_nothing_is_fetched() -> None:
    body = body_of(dataref="s3://bucket/key")

    assert "'dataref'" in refusal(body)
    VALIDATOR.validate(json.loads(body))
    VALIDATOR.validate(json.loads(body) | {"dataencoding": "gzip"})


@pytest.mark.parametrize("name", ["time", "notbefore", "expirytime"])
@pytest.mark.parametrize(
    "moment",
    [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-22T25:00:00Z",
        "2026-11-22T10:00:00+99:00",
        "2026-11-22T10:00:00Z" + "0" * 2_000_000,
        "\uff12026-11-22T10:00:00Z",
        "-2026-11-22T10:00:00Z",
        "\0",
    ],
    ids=lambda moment: repr(moment[:30]),
)
def test_a_time_that_cannot_be_is_refused_by_its_name(name: str, moment: str) -> None:
    problem = refusal(body_of(**{name: moment}))

    assert problem.startswith(f"{name} is ")
    assert len(problem) < 300


def packed(data: bytes, *, cut: int = 0, behind: bytes = b"") -> bytes:
    raw = gzip.compress(data)
    whole = raw[: len(raw) - cut] + behind
    return body_of(dataencoding="gzip", data_base64=base64.b64encode(whole).decode())


def noise(size: int) -> bytes:
    """Make JSON that compresses a little, but less than the ratio allowed."""
    numbers = random.Random(1)  # noqa: S311 - to be the same each time
    return b'["' + numbers.randbytes(size // 20).hex().encode() * 10 + b'"]'


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b" \n",
    "nul": b"\0",
    "null": b"null",
    "a number": b"42",
    "an array": b"[]",
    "an empty object": b"{}",
    "a list of events": b"[" + body_of() + b"]",
    "byte order mark": b"\xef\xbb\xbf" + body_of(),
    "utf-16": body_of().decode().encode("utf-16"),
    "two events": body_of() + body_of(),
    "a trailing comma": body_of()[:-1] + b",}",
    "a comment": b"// hello\n" + body_of(),
    "single quotes": body_of().replace(b'"', b"'"),
    "bad utf-8": body_of(subject="?").replace(b"?", b"\xff"),
    "overlong utf-8": body_of(subject="?").replace(b"?", b"\xc0\x80"),
    "a lone surrogate": body_of(subject="\ud800"),
    "a control character": body_of(subject="?").replace(b"?", b"\0"),
    "nan": body_of(data=[float("nan")]),
    "infinity": body_of(data=[float("inf")]),
    "a number beyond a double": body_of(data={"a": [0]}).replace(b"[0]", b"[1e999]"),
    "a negative one": body_of(data=[0]).replace(b"[0]", b"[-10E+0400]"),
    "a long one": body_of(data=[0]).replace(b"[0]", b"[" + b"9" * 400 + b".0]"),
    "one of both": body_of(data=[0]).replace(b"[0]", b"[" + b"9" * 250 + b"e99]"),
    "one in base64": body_of(data_base64=base64.b64encode(b"[[1e308], 1e309]").decode()),
    "two values in base64": body_of(data_base64=base64.b64encode(b"{}, {}").decode()),
    "no value in base64": body_of(data_base64=""),
    "not compressed": body_of(dataencoding="gzip", data_base64="e30="),
    "a bomb": packed(b"[" + b" " * 5_000_000 + b"]"),
    "compressed and cut off": packed(b'{"a": 1}', cut=4),
    "compressed with something behind": packed(b"{}", behind=b"x"),
    "compressed twice over": packed(b"{}", behind=gzip.compress(b"{}")),
    "compressed nan": packed(b"[NaN]"),
    "compressed nothing": packed(b""),
    "nan in base64": body_of(data_base64=base64.b64encode(b"[NaN]").decode()),
    "no json in base64": body_of(data_base64=base64.b64encode(b"\xff").decode()),
    "deep arrays": body_of(data=0)[:-2] + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep in base64": body_of(data_base64=base64.b64encode(b"[" * 10_000).decode()),
    "a level too deep in base64": body_of(
        data_base64=base64.b64encode(b"[" * 200 + b"1" + b"]" * 200).decode()
    ),
    "a number of 10000 digits": body_of(data=[0]).replace(b"[0]", b"9" * 10_000),
    "two mebibytes of brackets": b"[" * (2 * 1024 * 1024),
    "two mebibytes of quotes": b'"' * (2 * 1024 * 1024),
    "two mebibytes of backslashes": b'"' + b"\\" * (2 * 1024 * 1024),
    "too large": b" " * MAX_BODY + body_of(),
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_refused_in_a_short_sentence(body: bytes) -> None:
    problem = refusal(body)

    assert 0 < len(problem) < 300


def test_a_bomb_of_ten_mebibytes_is_refused_in_a_short_sentence() -> None:
    """By itself: to pack it takes most of a second, and every worker would do it to collect."""
    problem = refusal(packed(noise(11 * 1024 * 1024)))

    assert 0 < len(problem) < 300


@given(body=st.binary(max_size=300))
@example(body=b'{"specversion":"1.0","id":"1","source":"/","type":"t"')
def test_no_bytes_do_more_than_raise_a_message_error(body: bytes) -> None:
    try:
        message = decode(body)
    except MessageError:
        return

    assert isinstance(message, Message)


@given(body=mutated())
def test_no_broken_message_does_more_than_raise_a_message_error(body: bytes) -> None:
    try:
        message = decode(body)
    except MessageError:
        return

    assert decode(encode(message)) == message


@given(message=messages, cut=st.integers(1, 200))
def test_a_truncated_message_is_refused(message: Message, cut: int) -> None:
    body = encode(message)

    assert refusal(body[:-cut])


@given(document=st.dictionaries(st.sampled_from([*SCHEMA["properties"], "x"]), json_values))
def test_what_fits_the_schema_is_read(document: dict[str, object]) -> None:
    event = {**CORE, **document, "specversion": "1.0", "type": "invoice.render"}
    body = json.dumps(event, allow_nan=False).encode("utf-8", "replace")

    # A date that is no date, and base64 that is no JSON, are beyond what a schema can say.
    event_read = {name: event.get(name) for name in ("time", "notbefore", "expirytime")}
    # So is what lies elsewhere: this reader fetches nothing.
    beyond = [*event_read.values(), event.get("data_base64"), event.get("dataref")]
    if VALIDATOR.is_valid(event) and all(one is None for one in beyond):
        assert decode(body).type == "invoice.render"


def test_a_body_of_two_mebibytes_is_read() -> None:
    message = Message(id="1", type="t", data={"text": "é" * 1024 * 1024})

    body = encode(message)

    assert len(body) > 2 * 1024 * 1024
    assert decode(body) == message


SHAPES: dict[str, Callable[[int], bytes]] = {
    "text": lambda size: body_of(data={"a": "x" * size}),
    "array": lambda size: body_of(data=[1] * size),
    "object": lambda size: body_of(data={str(number): 1 for number in range(size)}),
    "tags": lambda size: body_of(tasktags="a," * size),
    "subject": lambda size: body_of(subject="x" * size),
    "type": lambda size: body_of(type="x" * size),
    "attributes": lambda size: body_of(**{f"x{number}": "y" for number in range(size)}),
    "one attribute many times": lambda size: b'{"x":1' + b',"x":1' * size + b"}",
    "base64": lambda size: body_of(data_base64="A" * 4 * size),
    "compressed": lambda size: packed(b"[" * size),
    "data in a text": lambda size: body_of(data="[" + "1," * size + "1]"),
    "quotes in a text": lambda size: body_of(data="[" + '"' * size),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_work_grows_no_faster_than_the_body(shape: Callable[[int], bytes]) -> None:
    """Counts calls, which unlike time are the same on every machine."""
    once, twice = (calls_to_decode(shape(size)) for size in (20_000, 40_000))

    assert twice <= 2 * once + 100


def calls_to_decode(body: bytes) -> int:
    """Count the calls, into Python and into C, that reading the body takes."""
    decode_or_none(body)  # what is done once in a process is not counted
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        decode_or_none(body)
    finally:
        sys.setprofile(None)
    return calls


def decode_or_none(body: bytes) -> Message | None:
    try:
        return decode(body)
    except MessageError:
        return None
