"""No bytes, whatever they are, do more than become tasks or a `MessageError` (law 5)."""

from __future__ import annotations

import base64
import json
import sys
from copy import copy
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.hostile import HOSTILE
from tests.fuzz.samples import SAMPLES, TIMED
from tests.fuzz.targets import read
from tests.unit.messages import json_values
from tests.unit.producers import celery, event, eventbridge, kombu, over_amqp, record, s3, sns, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

Sample = tuple[bytes, dict[str, str]]

names = st.sampled_from(
    sorted({name for _, attributes in SAMPLES.values() for name in attributes})
) | st.text(max_size=12)
attributes_of = st.dictionaries(names, st.text(max_size=60), max_size=4)


@st.composite
def broken(draw: st.DrawFn) -> Sample:
    """Take a sample and break its bytes in a few places."""
    body, attributes = draw(st.sampled_from(list(SAMPLES.values())))
    whole = bytearray(body)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(whole)))
        end = draw(st.integers(start, min(len(whole), start + 20)))
        whole[start:end] = draw(st.binary(max_size=8) | st.sampled_from([b'"', b"{", b"\\", b"1"]))
    return bytes(whole), attributes | draw(attributes_of)


@st.composite
def twisted(draw: st.DrawFn) -> Sample:
    """Take a sample that is JSON and put something else in the place of a few of its values."""
    body, attributes = draw(st.sampled_from(list(SAMPLES.values())))
    in_base64 = not body.startswith((b"{", b"[", b'"'))
    try:
        document = json.loads(base64.b64decode(body) if in_base64 else body)
    except ValueError:
        return body, attributes
    for _ in range(draw(st.integers(1, 3))):
        document = _twist(draw, document)
    raw = json.dumps(document).encode()
    return base64.b64encode(raw) if in_base64 else raw, attributes | draw(attributes_of)


def _twist(draw: st.DrawFn, value: Any) -> Any:
    """Replace one value somewhere inside; what lies in a text or in base64 as well."""
    if not value or not isinstance(value, (dict, list, str)) or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(HOSTILE) | json_values)
    if isinstance(value, str):
        try:
            return json.dumps(_twist(draw, json.loads(value)))
        except ValueError:
            return draw(st.sampled_from(HOSTILE))
    changed = copy(cast("Any", value))
    keys: list[Any] = list(changed) if isinstance(value, dict) else list(range(len(changed)))
    key = draw(st.sampled_from(keys))
    if isinstance(value, dict) and draw(st.booleans()):
        changed[draw(st.text(max_size=5))] = changed.pop(key)
    else:
        changed[key] = _twist(draw, value[key])
    return changed


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_every_sample_is_read_by_the_queue_that_reads_everything(sample: Sample) -> None:
    assert read(*sample) >= 1


@given(body=st.binary(max_size=200), attributes=attributes_of, key=st.none() | st.text())
def test_any_bytes_are_read_or_refused(
    body: bytes, attributes: dict[str, str], key: str | None
) -> None:
    assert 0 <= read(body, attributes, key) <= 3


@settings(max_examples=300)
@given(sample=broken())
def test_messages_with_broken_bytes_are_read_or_refused(sample: Sample) -> None:
    assert 0 <= read(*sample) <= 3


@settings(max_examples=500)
@given(sample=twisted())
def test_messages_with_other_values_are_read_or_refused(sample: Sample) -> None:
    assert 0 <= read(*sample) <= 3


DUPLICATES = b'{"Type":"x","Type":"Notification","TopicArn":"t","Message":1,"Message":"{}"}'
INPUTS: dict[str, Sample] = {
    "a name twice": (DUPLICATES, {}),
    "nan": (b'{"Records": [{"eventSource": "aws:s3", "eventName": NaN}]}', {}),
    "a byte order mark": (b"\xef\xbb\xbf{}", {"task": "echo"}),
    "utf-16": (text(event()).decode().encode("utf-16"), {}),
    "a surrogate in a text in a text": (text(sns('{"a": "\\ud800"}')), {}),
    "ours in an envelope, with a type that is no name": (
        text(sns(event(source="urn:longshore", type="two words"))),
        {},
    ),
    "ours, elsewhere, with a type that is no name": (
        text(event(source="urn:longshore", type="two words", dataref="s3://a/b")),
        {},
    ),
    "a surrogate in a key": (text(eventbridge(detail={"\ud800": 1})), {}),
    "deep in an envelope": (text(sns("[" * 100_000)), {}),
    "deep in celery": (kombu(celery() | {"body": "W1" + "tb" * 50_000}), {}),
    "200 levels of data": (b"[" * 200 + b"]" * 200, {"task": "echo"}),
    "a level that an event has no room for": (b"[" * 201 + b"]" * 201, {"task": "echo"}),
    "199 levels of detail": (
        text(eventbridge(detail=0)).replace(
            b'"detail": 0', b'"detail": ' + b"[" * 199 + b"]" * 199
        ),
        {},
    ),
    "a huge number": (b"[" + b"9" * 4299 + b"]", {"task": "echo"}),
    "a number too long": (b"[" + b"9" * 100_000 + b"]", {"task": "echo"}),
    "base64 of base64": (base64.b64encode(kombu(celery())), {}),
    "an empty body": (b"", {}),
    "a header of many": (b"{}", {"ce-specversion": "1.0", "ce-type": "t"}),
    "two hundred headers": (
        b"{}",
        {f"ce-x{number}": "1" for number in range(200)} | {"ce-specversion": "1.0", "ce-type": "t"},
    ),
    "a limit of celery that is deep": (
        b"[[], {}, {}]",
        over_amqp(celery())[1] | {"timelimit": "[" * 100},
    ),
    "a time of long ago": (b"", {f"ce-{n}": t for n, t in TIMED.items()} | {"ce-time": "9" * 18}),
    "retries without end": (b"[[], {}, {}]", over_amqp(celery())[1] | {"retries": "9" * 5000}),
    "headers that are not text": (b"{}", {"task": "\ud800", "traceparent": "\ud800"}),
}


@pytest.mark.parametrize("sample", INPUTS.values(), ids=INPUTS.keys())
def test_what_means_harm_is_read_or_refused(sample: Sample) -> None:
    assert 0 <= read(*sample) <= 3


LARGE: dict[str, Callable[[int], Sample]] = {
    "records": lambda size: (text(s3(*[record()] * (size // 100))), {}),
    "kinds of records": lambda size: (
        text(s3(*[record("k", str(number)) for number in range(size // 100)])),
        {},
    ),
    "an encoded key": lambda size: (text(s3(record("%41" * size))), {}),
    "an envelope": lambda size: (text(sns("\\" * size)), {}),
    "attributes of sns": lambda size: (
        text(sns({}, **{f"a{number}": "x" for number in range(size // 10)})),
        {},
    ),
    "detail": lambda size: (text(eventbridge(detail=[0] * size)), {}),
    "a long type": lambda size: (text(eventbridge("Object " + "*" * size)), {}),
    "a long source": lambda size: (text(eventbridge("Object x", source="aws." * size)), {}),
    "arguments of celery": lambda size: (kombu(celery(list(range(size)))), {}),
    "a flow of celery": lambda size: (kombu(celery(flow={"chain": [0] * size})), {}),
    "no base64": lambda size: (b"A" * size + b"!", {}),
    "almost a pointer": lambda size: (text(["x"] * size), {"ExtendedPayloadSize": "1"}),
    "headers": lambda size: (b"{}", {f"x{number}": "y" for number in range(size // 10)}),
    "a trace": lambda size: (b"{}", {"task": "echo", "traceparent": "00-" + "a" * size}),
    "a trace of xray": lambda size: (b"{}", {"task": "echo", "awstraceheader": ";=" * size}),
    "data in a text": lambda size: (text(event(data="[" + "1," * size + "1]")), {}),
}


@pytest.mark.parametrize("shape", LARGE.values(), ids=LARGE.keys())
def test_work_grows_no_faster_than_the_message(shape: Callable[[int], Sample]) -> None:
    """Counts calls, which unlike time are the same on every machine."""
    once, twice = (calls_to_read(shape(size)) for size in (10_000, 20_000))

    assert twice <= 2.1 * once + 100


def calls_to_read(sample: Sample) -> int:
    read(*sample)  # what is done once in a process is not counted
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        read(*sample)
    finally:
        sys.setprofile(None)
    return calls
