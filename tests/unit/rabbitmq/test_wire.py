from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import amqp  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has none
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import TooLargeError, UnsupportedError
from longshore.identity import TaskId
from longshore.queue import Delivery, Outgoing, Rejection
from longshore_adapters.rabbitmq import fields, limits
from longshore_adapters.rabbitmq.fields import FieldError, read_properties
from longshore_adapters.rabbitmq.letters import UNDELIVERABLE, read_letter, to_letter, to_redrive
from longshore_adapters.rabbitmq.options import parse_url
from longshore_adapters.rabbitmq.wire import Copy, again, to_copy, to_delivery

OPTIONS = parse_url("rabbitmq://broker")
BANDED = parse_url("rabbitmq://broker?type=classic&bands=10,50")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEY = TaskId("0198f3c0-0000-7000-8000-000000000001")
RESERVED = {"stamp", "CC", "BCC"}
texts = st.text(st.characters(exclude_categories=["Cs"]))
names = texts.filter(lambda name: 0 < len(name.encode()) <= 255 and name not in RESERVED).filter(
    lambda name: not name.startswith(("longshore-", "x-"))
)


def outgoing(**given_: Any) -> Outgoing:
    return Outgoing(key=KEY, body=b"{}", **given_)


def delivered(copy: Copy, *, redelivered: bool = False) -> Delivery:
    return to_delivery(copy.properties, copy.body, queue="q", receipt="r", redelivered=redelivered)


def foreign(**properties: object) -> bytes:
    """Properties as py-amqp writes them, in the place of any other producer."""
    made: bytes = amqp.Message(b"", **properties)._serialize_properties()  # noqa: SLF001 - its way
    return made


def loaded(copy: Copy) -> amqp.Message:
    """A message as py-amqp reads it, in the place of any other consumer."""
    message = amqp.Message()
    message._load_properties(60, copy.properties, 0)  # noqa: SLF001 - its way
    return message


@given(attributes=st.dictionaries(names, texts, max_size=5), group=st.none() | texts)
def test_what_is_written_is_read_as_it_was(attributes: dict[str, str], group: str | None) -> None:
    delivery = delivered(to_copy(outgoing(attributes=attributes, group=group), OPTIONS, NOW))

    assert dict(delivery.attributes) == attributes
    assert (delivery.key, delivery.group or None) == (KEY, group or None)
    assert delivery.sent_at == NOW


@given(
    headers=st.dictionaries(
        names,
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**62), 2**62)
            | st.floats(allow_nan=False)
            | texts
            | st.binary(max_size=20)
            | st.just(Decimal("1.50"))
            | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)),  # noqa: DTZ001 - as py-amqp has them
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_headers_of_any_type_come_through_as_text(headers: dict[str, object]) -> None:
    delivery = delivered(Copy("", foreign(application_headers=headers), b""))

    assert {*delivery.attributes} == {name for name, value in headers.items() if value is not None}
    assert all(isinstance(value, str) for value in delivery.attributes.values())
    assert delivery.key is None


@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_properties_break_nothing(data: bytes) -> None:
    delivery = delivered(Copy("", data, b"raw"))

    assert delivery.body == b"raw"


@given(data=st.binary(max_size=60), cut=st.integers(0, 60))
def test_properties_that_are_cut_off_are_said_to_be(data: bytes, cut: int) -> None:
    whole = foreign(application_headers={"a": data.hex(), "b": [1, {"c": None}]}, type="t")
    try:
        read_properties(whole[: max(len(whole) - cut - 1, 0)])
    except FieldError:
        return
    assert cut < len(whole)


def test_properties_of_other_producers_are_attributes() -> None:
    properties = foreign(
        content_type="application/json",
        content_encoding="utf-8",
        correlation_id="c1",
        reply_to="answers",
        type="order",
        app_id="shop",
        message_id="m1",
        timestamp=1_700_000_000,
        priority=3,
        delivery_mode=1,
        expiration="1000",
        user_id="guest",
        application_headers={"task": "invoice.render"},
    )

    delivery = delivered(Copy("", properties, b"{}"))

    assert delivery.message_id == "m1"
    assert delivery.sent_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert dict(delivery.attributes) == {
        "task": "invoice.render",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "correlation-id": "c1",
        "reply-to": "answers",
        "type": "order",
        "app-id": "shop",
    }


def test_a_message_without_any_property_is_read() -> None:
    delivery = delivered(Copy("", foreign(), b"x"))

    assert (delivery.message_id, delivery.sent_at, delivery.receives) == (None, None, 1)
    assert dict(delivery.attributes) == {}


def test_a_timestamp_that_is_none_is_not_read() -> None:
    assert delivered(Copy("", foreign(timestamp=2**60), b"")).sent_at is None


@pytest.mark.parametrize(
    ("headers", "redelivered", "receives"),
    [
        ({}, False, 1),
        ({}, True, 2),
        ({"x-delivery-count": 3}, True, 4),
        ({"x-delivery-count": 1, "x-acquired-count": 4}, True, 5),
        ({"longshore-receives": "5"}, False, 6),
        ({"longshore-receives": "many", "x-delivery-count": "few"}, False, 1),
    ],
)
def test_receives_are_counted(
    headers: dict[str, object], redelivered: object, receives: int
) -> None:
    copy = Copy("", foreign(application_headers=headers), b"")

    assert delivered(copy, redelivered=bool(redelivered)).receives == receives


def test_a_delayed_copy_goes_on_counting() -> None:
    first = delivered(to_copy(outgoing(attributes={"stamp": "2", "a": "b"}), OPTIONS, NOW))

    second = delivered(again(first, OPTIONS, NOW + timedelta(hours=1)))

    assert second.receives == 2
    assert (second.key, second.body, second.attributes) == (KEY, b"{}", first.attributes)
    assert second.sent_at == NOW


@pytest.mark.parametrize(
    ("priority", "level"), [(1, 0), (5, 0), (10, 1), (49, 1), (50, 2), (100, 2)]
)
def test_priorities_are_levels_between_the_bands(priority: int, level: int) -> None:
    copy = to_copy(outgoing(priority=priority), BANDED, NOW)

    message = loaded(copy)

    assert message.properties["priority"] == level


def test_what_we_write_is_what_others_read() -> None:
    attributes = {"traceparent": "00-a-b-01", "content-type": "application/json"}
    copy = to_copy(outgoing(attributes=attributes, group="t"), OPTIONS, NOW)

    message = loaded(copy)

    assert message.properties == {
        "content_type": "application/json",
        "application_headers": {
            "longshore-key": KEY,
            "longshore-group": "t",
            "traceparent": "00-a-b-01",
        },
        "delivery_mode": 2,
        "message_id": KEY,
        "timestamp": int(NOW.timestamp()),
    }


@pytest.mark.parametrize(
    "attributes",
    [
        {"CC": "other"},
        {"BCC": "other"},
        {"x-death": "no"},
        {"longshore-key": "no"},
        {"": "no"},
        {"n" * 256: "no"},
    ],
)
def test_names_that_mean_something_to_the_broker_are_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(UnsupportedError):
        to_copy(outgoing(attributes=attributes), OPTIONS, NOW)


def test_headers_that_fit_no_frame_are_refused() -> None:
    with pytest.raises(TooLargeError, match="frame_max"):
        to_copy(outgoing(attributes={"a": "x" * limits.FRAME_MAX}), OPTIONS, NOW)


def test_a_long_content_type_is_a_header() -> None:
    attributes = {"content-type": "x" * 300}

    delivery = delivered(to_copy(outgoing(attributes=attributes), OPTIONS, NOW))

    assert dict(delivery.attributes) == attributes


def rejection(**given_: Any) -> Rejection:
    attributes = given_.pop("attributes", {"a": "b"})
    delivery = Delivery(
        receipt="r", queue="q", body=b"\x00raw", key=KEY, attributes=attributes, message_id="m"
    )
    return Rejection(delivery=delivery, reason="error", detail="why", stamp=3, **given_)


def test_a_letter_says_all_it_was_given() -> None:
    copy = to_letter(rejection(), NOW)

    letter = read_letter(copy.properties, copy.body, queue="q", redelivered=0)

    assert (letter.reason, letter.detail, letter.stamp, letter.died_at) == ("error", "why", 3, NOW)
    assert (letter.body, letter.key, dict(letter.attributes)) == (b"\x00raw", KEY, {"a": "b"})


def test_headers_that_route_are_kept_in_a_letter_and_do_not_route_it() -> None:
    copy = to_letter(rejection(attributes={"CC": "elsewhere", "a": "b"}), NOW)

    letter = read_letter(copy.properties, copy.body, queue="q", redelivered=0)

    assert "CC" not in read_properties(copy.properties).headers
    assert dict(letter.attributes) == {"CC": "elsewhere", "a": "b"}
    assert "CC" not in read_properties(to_redrive(letter, OPTIONS, NOW).properties).headers


def test_a_letter_leaves_out_what_there_is_no_room_for() -> None:
    copy = to_letter(rejection(attributes={"a": "x" * limits.FRAME_MAX}), NOW)

    letter = read_letter(copy.properties, copy.body, queue="q", redelivered=0)

    assert len(copy.properties) <= limits.MAX_PROPERTIES
    assert (letter.body, letter.reason, dict(letter.attributes)) == (b"\x00raw", "error", {})


def test_a_letter_that_the_broker_moved_says_so() -> None:
    death = {"reason": "delivery_limit", "time": datetime(2026, 1, 2), "count": 1}  # noqa: DTZ001 - as py-amqp has them
    properties = foreign(application_headers={"longshore-key": KEY, "x-death": [death]})

    letter = read_letter(properties, b"{}", queue="q", redelivered=1)

    assert (letter.reason, letter.key, letter.stamp) == (UNDELIVERABLE, KEY, None)
    assert letter.detail == "moved by RabbitMQ: delivery_limit"
    assert letter.died_at == datetime(2026, 1, 2, tzinfo=UTC)


@given(data=st.binary(max_size=100), text=texts)
def test_no_letter_is_unreadable(data: bytes, text: str) -> None:
    read_letter(data, b"", queue="q", redelivered=0)

    odd = foreign(application_headers={"longshore-dead": text, "x-death": text})
    letter = read_letter(odd, b"", queue="q", redelivered=0)

    assert letter.reason


ODD_NAME = b"\xff" * 200
ODD = {
    "a name": fields.table(b"\0" + b"S\0\0\0\1x" + b"\xc8" + ODD_NAME + b"S\0\0\0\1x"),
    "receives": fields.table(fields.field("longshore-receives", "9" * 5000)),
    "stamp": fields.table(fields.field("longshore-stamp", "9" * 5000)),
    "key": fields.table(fields.field("longshore-key", "k" * 100_000)),
    "group": fields.table(fields.field("longshore-group", "g" * 131_000)),
    "death": fields.table(fields.field("longshore-dead", "[" * 100_000)),
    "folded": fields.table(
        fields.field("longshore-dead", json.dumps({"attributes": {"": "x", "n" * 300: "x"}}))
    ),
    "bytes": fields.table(b"\1bx" + (99_000).to_bytes(4) + b"\0" * 99_000),
}


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest) -> Copy:
    """What AMQP allows and no sane producer sends; its message_id is no UTF-8."""
    flags = (fields.HEADERS | fields.MESSAGE_ID).to_bytes(2)
    return Copy("", flags + ODD[request.param] + b"\xc8" + ODD_NAME, b"whole")


def test_whatever_its_headers_hold_a_message_can_be_rejected(odd: Copy) -> None:
    letter = to_letter(Rejection(delivery=delivered(odd), reason="decode"), NOW)

    read = read_letter(letter.properties, letter.body, queue="q", redelivered=0)

    assert len(letter.properties) <= limits.MAX_PROPERTIES
    assert (read.reason, read.body) == ("decode", b"whole")


def test_whatever_its_headers_hold_a_message_is_sent_again_or_refused_by_itself(odd: Copy) -> None:
    letter = read_letter(odd.properties, odd.body, queue="q", redelivered=0)

    writers = partial(again, delivered(odd)), partial(to_redrive, letter)
    for write in writers:
        try:
            copy = write(OPTIONS, NOW)
        except TooLargeError:
            continue
        assert len(copy.properties) <= limits.MAX_PROPERTIES
        assert copy.body == b"whole"
