"""Message ↔ bytes: round trips, the published schema, and what other producers write."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.codec import CONTENT_TYPE, decode, encode, encode_event, event_of
from longshore.errors import ArgumentsError
from longshore.message import Message
from tests.unit.messages import SCHEMA, VALIDATOR, body_of, messages

if TYPE_CHECKING:
    from longshore.message import JsonValue

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "wire-format.md"

# ---- round trips


@given(message=messages)
def test_every_message_is_read_as_it_was_written(message: Message) -> None:
    body = encode(message)

    assert decode(body) == message
    assert encode(message) == body


@given(message=messages)
def test_what_we_write_fits_the_published_schema(message: Message) -> None:
    VALIDATOR.validate(json.loads(encode(message)))


def test_a_batch_shares_attributes_and_each_has_its_id_and_data() -> None:
    shared = event_of(Message(id="", type="render", taskpriority=7))

    bodies = [encode_event(shared, str(number), {"order": number}) for number in range(2)]

    read = [decode(body) for body in bodies]
    assert [(one.id, one.data, one.taskpriority) for one in read] == [
        ("0", {"order": 0}, 7),
        ("1", {"order": 1}, 7),
    ]


def test_a_time_is_written_in_utc_and_read_with_any_offset() -> None:
    east = datetime(2026, 11, 22, 12, 30, tzinfo=timezone(timedelta(hours=2, minutes=30)))

    body = encode(Message(id="1", type="t", notbefore=east))

    assert json.loads(body)["notbefore"] == "2026-11-22T10:00:00Z"
    assert decode(body_of(time="2026-11-22T05:30:00-04:30")).time == decode(body).notbefore


@pytest.mark.parametrize(
    "number",
    [2**53 + 1, 2**63 - 1, 2**64, -(2**100), 10**4000, 1e308, 1.7e308, -5e-324, -0.0, 0.1],
    ids=lambda number: f"{type(number).__name__} {str(number)[:12]}",
)
def test_a_number_keeps_every_digit(number: float) -> None:
    read = decode(encode(Message(id="1", type="t", data=[number])))

    assert isinstance(read.data, list)
    assert read.data == [number]
    assert type(read.data[0]) is type(number)


def test_bytes_travel_as_text_where_they_are_text() -> None:
    sent = Message(id="1", type="t", data=[b"caf\xc3\xa9"])

    assert decode(encode(sent)).data == ["café"]


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "bad",
    [
        float("nan"),
        float("-inf"),
        "\ud800",
        b"\xff",
        object(),
        10**4300,
        nested(220),
        nested(1000),
    ],
    ids=["nan", "inf", "surrogate", "bytes", "object", "digits", "deep", "deeper"],
)
def test_what_could_not_be_read_again_is_not_written(bad: object) -> None:
    for place in ([bad], {"a": {"b": bad}}):
        message = Message(id="1", type="invoice.render", data=cast("JsonValue", place))

        with pytest.raises(ArgumentsError, match=r"invoice\.render.*not JSON"):
            encode(message)


@given(levels=st.integers(150, 260))
def test_what_is_written_can_be_read_however_deep_it_is(levels: int) -> None:
    message = Message(id="1", type="t", data=nested(levels))

    try:
        body = encode(message)
    except ArgumentsError:
        assert levels >= 200
    else:
        assert decode(body) == message


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "[{" * 200])
def test_text_that_looks_like_trouble_is_only_text(word: str) -> None:
    message = Message(id="1", type="t", data={word: word})

    assert decode(encode(message)) == message


def test_an_extension_cannot_take_the_place_of_a_known_attribute() -> None:
    message = Message(
        id="1", type="t", extensions={"id": "2", "data": "x", "dataref": "y", "xtra": "kept"}
    )

    read = decode(encode(message))

    assert (read.id, read.data, read.extensions) == ("1", None, {"xtra": "kept"})


# ---- what other producers write


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, {}),
        ({"data": {"order": 42}}, {"data": {"order": 42}}),
        ({"data": [1, "two"]}, {"data": [1, "two"]}),
        ({"data_base64": base64.b64encode(b'{"order": 42}').decode()}, {"data": {"order": 42}}),
        ({"datacontenttype": "application/json", "subject": None}, {"subject": None}),
        ({"tasktags": " a, b,,c "}, {"tasktags": ("a", "b", "c")}),
        ({"taskpriority": 0, "taskattempts": 1}, {"taskpriority": 0, "taskattempts": 1}),
        ({"taskpriority": 7.0}, {"taskpriority": 7}),
        ({"data": None, "data_base64": None}, {"data": None}),
        (
            {"time": "2026-11-22t10:00:00.123456789z"},
            {"time": datetime(2026, 11, 22, 10, 0, 0, 123456, UTC)},
        ),
        (
            {"sequence": "12", "flag": True, "count": 3, "none": None},
            {"extensions": {"sequence": "12", "flag": True, "count": 3}},
        ),
        ({"dataref": None, "datasig": None}, {"extensions": {}}),
    ],
)
def test_a_hand_written_event_fits_the_schema_and_is_read(
    attributes: dict[str, object], expected: dict[str, object]
) -> None:
    body = body_of(**attributes)

    message = decode(body)

    VALIDATOR.validate(json.loads(body))
    assert (message.id, message.source, message.type) == ("7b", "/billing", "invoice.render")
    assert {name: getattr(message, name) for name in expected} == expected


def test_attributes_we_do_not_know_are_carried_and_written_back() -> None:
    read = decode(body_of(sequence="12", count=3, data={}))

    again = json.loads(encode(read))

    assert (again["sequence"], again["count"]) == ("12", 3)


def test_an_attribute_that_cloudevents_does_not_allow_is_left_out() -> None:
    message = decode(body_of(list=[1], table={"a": 1}, part=1.5))

    assert message.extensions == {}


@pytest.mark.parametrize("trace", ["nonsense", "", 42, ["00-…"], {}])
def test_a_bad_trace_fails_no_task(trace: object) -> None:
    body = body_of(traceparent=trace, tracestate=trace)

    message = decode(body)

    VALIDATOR.validate(json.loads(body))
    assert message.traceparent == (trace if isinstance(trace, str) else None)


def test_of_a_name_that_stands_twice_the_last_counts() -> None:
    body = b'{"specversion":"1.0","id":"1","source":"/a","type":"t","id":"2","type":"u"}'

    message = decode(body)

    assert (message.id, message.type) == ("2", "u")


def test_the_content_type_is_that_of_the_specification() -> None:
    assert CONTENT_TYPE == "application/cloudevents+json"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_documentation_has_every_attribute_and_an_example_that_is_read() -> None:
    page = DOCUMENTATION.read_text(encoding="utf-8")
    table = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    example = page.partition("```json\n")[2].partition("```")[0]

    undocumented = [name for name in SCHEMA["properties"] if f"`{name}`" not in table]

    assert undocumented == []
    VALIDATOR.validate(json.loads(example))
    assert decode(example.encode()).arguments() == ([], {"order": 42})


def test_compressed_data_is_read() -> None:
    packed = base64.b64encode(gzip.compress(b'{"order": 42}')).decode()
    body = body_of(data_base64=packed, dataencoding="gzip")

    VALIDATOR.validate(json.loads(body))
    assert decode(body).arguments() == ([], {"order": 42})


@pytest.mark.parametrize("media", [None, "application/json", "text/json; charset=utf-8"])
def test_data_that_is_json_in_a_text_is_parsed_once_more(media: str | None) -> None:
    body = body_of(data='{"order": 42}', datacontenttype=media)

    assert decode(body).data == {"order": 42}


@pytest.mark.parametrize(
    ("data", "media"),
    [("{", None), ("[1, 2", None), ("hello", None), ("42", None), ('"[]"', "text/json")],
)
def test_any_other_text_stays_a_text(data: str, media: str | None) -> None:
    assert decode(body_of(data=data, datacontenttype=media)).data == data


@pytest.mark.parametrize("media", ["text/plain", "application/xml"])
def test_a_text_that_is_not_json_by_its_content_type_is_one_argument(media: str) -> None:
    assert decode(body_of(data="[1]", datacontenttype=media)).arguments() == (["[1]"], {})
