from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.identity import TaskId
from longshore.queue import Delivery, Rejection
from longshore_adapters.sqs.letters import revived, to_dead_letter, to_letter
from longshore_adapters.sqs.limits import MAX_ATTRIBUTES, MAX_MESSAGE
from longshore_adapters.sqs.wire import Entry, to_delivery

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HELD = Delivery(
    receipt="r",
    queue="q",
    body=b"{}",
    key=TaskId("k"),
    message_id="m-1",
    receives=3,
    attributes={"traceparent": "00-a-b-01"},
)
REJECTION = Rejection(delivery=HELD, reason="error", detail="no", stamp=2)
TEN = {f"a{number}": "x" for number in range(MAX_ATTRIBUTES)}


def letter_of(rejection: Rejection, *, fifo: bool = False) -> dict[str, Any]:
    return in_the_queue(to_letter(rejection, NOW, fifo=fifo))


def in_the_queue(entry: Entry) -> dict[str, Any]:
    assert entry.size <= MAX_MESSAGE
    attributes = entry.fields.get("MessageAttributes", {})
    assert len(attributes) <= MAX_ATTRIBUTES
    return {
        "MessageId": "d-1",
        "ReceiptHandle": "r",
        "Body": entry.fields["MessageBody"],
        "MessageAttributes": attributes,
        "Attributes": {"SentTimestamp": "0", "ApproximateReceiveCount": "1"},
    }


def test_a_letter_says_everything_of_what_died() -> None:
    letter = to_dead_letter(letter_of(REJECTION), queue="q")

    assert letter.id.endswith("-d-1")
    assert replace(letter, id="") == replace(
        letter,
        id="",
        queue="q",
        body=b"{}",
        reason="error",
        detail="no",
        died_at=NOW,
        key=TaskId("k"),
        stamp=2,
        receives=3,
        attributes={"traceparent": "00-a-b-01"},
    )


@given(body=st.binary(max_size=100), detail=st.text(max_size=200))
def test_no_body_and_no_detail_is_changed(body: bytes, detail: str) -> None:
    rejection = replace(REJECTION, delivery=replace(HELD, body=body), detail=detail)

    letter = to_dead_letter(letter_of(rejection), queue="q")

    assert (letter.body, letter.detail) == (body, detail)


def test_a_revived_letter_with_ten_attributes_has_them_all_again() -> None:
    message = letter_of(replace(REJECTION, delivery=replace(HELD, attributes=TEN)))

    again = in_the_queue(revived(message, fifo=False))
    delivery = to_delivery(again, queue="q", receipt="r", lease_until=NOW)

    assert (delivery.key, delivery.attributes) == ("k", {**TEN, "stamp": "2"})


@pytest.mark.parametrize("odd", ["a b", "longshore-mine", "AWS.x", ""])
def test_no_attribute_keeps_a_message_from_being_rejected(odd: str) -> None:
    rejection = replace(REJECTION, delivery=replace(HELD, attributes={odd: "\0", "b": "x"}))

    letter = to_dead_letter(letter_of(rejection), queue="q")

    assert letter.attributes == {odd: "\0", "b": "x"}


def test_ten_attributes_are_folded_into_one() -> None:
    rejection = replace(REJECTION, delivery=replace(HELD, attributes=TEN))

    letter = to_dead_letter(letter_of(rejection), queue="q")

    assert letter.attributes == TEN


def test_a_folded_letter_that_sqs_moves_back_is_unfolded() -> None:
    message = letter_of(replace(REJECTION, delivery=replace(HELD, attributes=TEN)))

    delivery = to_delivery(message, queue="q", receipt="r", lease_until=NOW)

    assert (delivery.key, delivery.attributes) == ("k", {**TEN, "stamp": "2"})


@pytest.mark.parametrize("room", [400, 200, 100, 60, 0])
def test_a_body_is_kept_whole_whatever_else_there_is_room_for(room: int) -> None:
    body = b"x" * (MAX_MESSAGE - room)
    rejection = replace(REJECTION, delivery=replace(HELD, body=body), detail="y" * 1000)

    letter = to_dead_letter(letter_of(rejection), queue="q")

    assert letter.body == body


def test_a_letter_that_is_short_of_room_says_less_but_why() -> None:
    body = b"x" * (MAX_MESSAGE - 500)
    rejection = replace(REJECTION, delivery=replace(HELD, body=body), detail="y" * 1000)

    letter = to_dead_letter(letter_of(rejection), queue="q")

    assert (letter.reason, letter.key, letter.stamp) == ("error", "k", 2)
    assert letter.detail == "y" * 100


def test_what_sqs_moved_by_itself_is_undeliverable() -> None:
    message = {
        "MessageId": "m-1",
        "Body": "hello",
        "Attributes": {"SentTimestamp": "1000", "ApproximateReceiveCount": "101"},
    }

    letter = to_dead_letter(message, queue="q")

    assert (letter.reason, letter.receives, letter.key) == ("undeliverable", 101, None)
    assert letter.died_at == datetime.fromtimestamp(1, UTC)


@pytest.mark.parametrize("said", ["", "{", "[]", '{"at": 5, "receives": "x", "attributes": 1}'])
def test_a_letter_that_says_nonsense_is_still_listed(said: str) -> None:
    message = letter_of(REJECTION)
    message["MessageAttributes"]["longshore-dead"]["StringValue"] = said

    assert to_dead_letter(message, queue="q").body == b"{}"


def test_ids_are_in_the_order_in_which_letters_died() -> None:
    earlier = in_the_queue(to_letter(REJECTION, NOW, fifo=False))
    later = in_the_queue(to_letter(REJECTION, NOW + timedelta(microseconds=1), fifo=False))

    ids = [to_dead_letter(message, queue="q").id for message in (earlier, later)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 2


def test_a_letter_of_a_fifo_queue_keeps_its_group_and_is_one_if_repeated() -> None:
    rejection = replace(REJECTION, delivery=replace(HELD, group="g"))

    fields = to_letter(rejection, NOW, fifo=True).fields

    assert (fields["MessageGroupId"], fields["MessageDeduplicationId"]) == ("g", "m-1.2")


def test_a_revived_letter_is_the_message_it_was_with_its_stamp() -> None:
    message = letter_of(replace(REJECTION, delivery=replace(HELD, body=b"\xff")))

    again = in_the_queue(revived(message, fifo=False))
    delivery = to_delivery(again, queue="q", receipt="r", lease_until=NOW)

    assert (delivery.key, delivery.body) == ("k", b"\xff")
    assert delivery.attributes == {"traceparent": "00-a-b-01", "stamp": "2"}
    assert "longshore-dead" not in again["MessageAttributes"]
