from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import TooLargeError, UnsupportedError
from longshore.identity import TaskId
from longshore.priority import HIGH
from longshore.queue import Delivery, Outgoing
from longshore_adapters.sqs import limits
from longshore_adapters.sqs.wire import Entry, to_delivery, to_entry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESSAGE = Outgoing(key=TaskId("k"), body=b"{}")
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=50)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True).filter(
    lambda name: not name.startswith(("longshore-", "aws", "amazon")) and name != "stamp"
)


def entry(message: Outgoing, *, fifo: bool = False, priorities: bool = False) -> Entry:
    return to_entry(message, fifo=fifo, priorities=priorities)


def delivered(fields: dict[str, Any], **system: str) -> Delivery:
    """What SQS would deliver of an entry."""
    sent = {"SentTimestamp": "1767225600500", "ApproximateReceiveCount": "2", **system}
    message = {
        "MessageId": "m-1",
        "ReceiptHandle": "r",
        "Body": fields["MessageBody"],
        "MessageAttributes": fields.get("MessageAttributes", {}),
        "Attributes": sent,
    }
    return to_delivery(message, queue="q", receipt="r", lease_until=NOW)


@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_body_comes_back_byte_for_byte(body: bytes) -> None:
    fields = entry(replace(MESSAGE, body=body)).fields

    assert fields["MessageBody"]
    assert limits.is_text(fields["MessageBody"])
    assert delivered(fields).body == body


@given(attributes=st.dictionaries(NAMES, VALUES, max_size=9))
def test_attributes_come_back_by_their_names(attributes: dict[str, str]) -> None:
    fields = entry(replace(MESSAGE, attributes=attributes)).fields

    assert delivered(fields).attributes == attributes


def test_a_delivery_says_what_sqs_says_of_it() -> None:
    delivery = delivered(entry(MESSAGE).fields, MessageGroupId="g", AWSTraceHeader=TRACE)

    assert delivery == Delivery(
        receipt="r",
        queue="q",
        body=b"{}",
        key=TaskId("k"),
        message_id="m-1",
        receives=2,
        sent_at=NOW + timedelta(milliseconds=500),
        lease_until=NOW,
        group="g",
        attributes={"awstraceheader": TRACE},
    )


def test_a_text_body_is_left_as_it_is_for_other_readers() -> None:
    body = '{"name": "grün\\u0000"}\n'

    assert entry(replace(MESSAGE, body=body.encode())).fields["MessageBody"] == body


def test_a_foreign_message_has_no_key_and_all_its_attributes() -> None:
    binary = b"\x00\xff"
    attributes = {
        "task": {"DataType": "String", "StringValue": "invoice.render"},
        "ExtendedPayloadSize": {"DataType": "Number", "StringValue": "300000"},
        "raw": {"DataType": "Binary", "BinaryValue": binary},
        "stamp": {"DataType": "String", "StringValue": "theirs"},
        "longshore-theirs": {"DataType": "String", "StringValue": "x"},
    }

    delivery = delivered({"MessageBody": "hello", "MessageAttributes": attributes})

    assert (delivery.key, delivery.body) == (None, b"hello")
    assert delivery.attributes == {
        "task": "invoice.render",
        "ExtendedPayloadSize": "300000",
        "raw": base64.b64encode(binary).decode(),
        "stamp": "theirs",
        "longshore-theirs": "x",
    }


def test_a_message_with_nothing_but_a_body_is_read() -> None:
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": "x"}

    delivery = to_delivery(message, queue="q", receipt="r", lease_until=NOW)

    assert (delivery.body, delivery.receives, delivery.sent_at) == (b"x", 1, None)


def test_a_body_is_not_lost_to_an_attribute_that_is_not_ours() -> None:
    attributes = {"longshore-body": {"DataType": "String", "StringValue": "mine"}}

    delivery = delivered({"MessageBody": "hello", "MessageAttributes": attributes})

    assert delivery.body == b"hello"


def test_a_trace_header_goes_back_to_its_own_place() -> None:
    fields = entry(replace(MESSAGE, attributes={"awstraceheader": TRACE})).fields

    assert fields["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"] == TRACE
    assert "awstraceheader" not in fields["MessageAttributes"]


def test_a_malformed_trace_header_is_an_attribute_like_others() -> None:
    fields = entry(replace(MESSAGE, attributes={"awstraceheader": "nonsense"})).fields

    assert "MessageSystemAttributes" not in fields
    assert delivered(fields).attributes == {"awstraceheader": "nonsense"}


def test_a_fifo_message_has_a_group_and_the_name_of_its_publication() -> None:
    alone = entry(replace(MESSAGE, token=3, wake_no=4), fifo=True).fields
    grouped = entry(replace(MESSAGE, group="tenant"), fifo=True).fields

    assert (alone["MessageGroupId"], alone["MessageDeduplicationId"]) == ("k", "k.3.4")
    assert grouped["MessageGroupId"] == "tenant"


def test_a_tenant_is_the_group_of_a_fair_queue() -> None:
    assert entry(replace(MESSAGE, group="tenant")).fields["MessageGroupId"] == "tenant"
    assert "MessageGroupId" not in entry(MESSAGE).fields


def test_a_delay_is_rounded_up_to_whole_seconds() -> None:
    delayed = replace(MESSAGE, delay=timedelta(milliseconds=1500))

    assert entry(delayed).fields["DelaySeconds"] == 2


TEN = {f"a{number}": "x" for number in range(10)}


@pytest.mark.parametrize(
    "message",
    [
        replace(MESSAGE, attributes=TEN),
        replace(MESSAGE, attributes={"": "x"}),
        replace(MESSAGE, attributes={"a b": "x"}),
        replace(MESSAGE, attributes={"a..b": "x"}),
        replace(MESSAGE, attributes={".a": "x"}),
        replace(MESSAGE, attributes={"a.": "x"}),
        replace(MESSAGE, attributes={"x" * 257: "x"}),
        replace(MESSAGE, attributes={"AWS.trace": "x"}),
        replace(MESSAGE, attributes={"amazon.trace": "x"}),
        replace(MESSAGE, attributes={"longshore-key": "x"}),
        replace(MESSAGE, attributes={"a": ""}),
        replace(MESSAGE, attributes={"a": "\0"}),
        replace(MESSAGE, attributes={"a": "\ufffe"}),
        replace(MESSAGE, group="a b"),
        replace(MESSAGE, group="x" * 129),
        replace(MESSAGE, group="naïve"),
        replace(MESSAGE, delay=timedelta(seconds=901)),
        replace(MESSAGE, priority=HIGH),
    ],
    ids=range(18),
)
def test_what_aws_refuses_is_refused_here(message: Outgoing) -> None:
    with pytest.raises(UnsupportedError, match="sqs does not support"):
        entry(message)


def test_a_fifo_message_cannot_be_delayed() -> None:
    with pytest.raises(UnsupportedError, match="keep the wait in the log"):
        entry(replace(MESSAGE, delay=timedelta(seconds=1)), fifo=True)


def test_nine_attributes_of_the_caller_fit_beside_the_key() -> None:
    nine = dict(list(TEN.items())[:9])

    assert len(entry(replace(MESSAGE, attributes=nine)).fields["MessageAttributes"]) == 10


def test_size_counts_the_body_and_names_types_and_values_of_attributes() -> None:
    found = entry(replace(MESSAGE, body="ü".encode(), attributes={"ab": "ö"}))

    assert found.size == 2 + len("longshore-key" + "String" + "k") + len("ab" + "String") + 2


def test_a_message_too_long_with_its_attributes_is_refused() -> None:
    attributes = {"a": "x" * 1024}

    entry(replace(MESSAGE, body=b"x" * limits.MAX_BODY))
    with pytest.raises(TooLargeError, match="with its attributes"):
        entry(replace(MESSAGE, body=b"x" * limits.MAX_BODY, attributes=attributes))
    with pytest.raises(TooLargeError, match="less 1 KiB"):
        entry(replace(MESSAGE, body=b"x" * (limits.MAX_BODY + 1)))
