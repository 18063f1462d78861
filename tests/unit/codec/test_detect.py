"""Which format a message is in, and what each of them becomes."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.codec import DEFAULT_FORMATS, FORMATS, event_of
from longshore.codec.detect import Detector
from longshore.codec.raw import Pointer
from longshore.message import Message
from tests.unit.codec.asking import SENT, SPLIT, ask, events, one, raw_of, refusal
from tests.unit.messages import json_values, messages
from tests.unit.producers import (
    POINTER,
    S3_TEST,
    TOPIC,
    TRACE,
    celery,
    event,
    eventbridge,
    kombu,
    over_amqp,
    over_amqp_beside,
    record,
    s3,
    sns,
    text,
)

STRUCTURED = "application/cloudevents+json; charset=utf-8"


def headers(prefix: str, **attributes: object) -> dict[str, str]:
    return {f"{prefix}{name}": str(value) for name, value in event(**attributes).items()}


# -------------------------------------------------------------------------------- cloudevents


def test_a_structured_event_may_have_a_type_that_is_no_tasks_name() -> None:
    assert one(text(event(type="Order Paid!"))).type == "Order Paid!"


def test_what_is_declared_a_structured_event_must_be_one() -> None:
    declared = {"content-type": STRUCTURED}

    assert one(text(event(data={"a": 1})), **declared).data == {"a": 1}
    assert "JSON" in refusal(b"[]", **declared)
    assert "JSON" in refusal(b"{", **declared)
    assert "specversion" in refusal(b'{"id": "1"}', **declared)


def test_what_looks_like_an_event_is_not_taken_for_plain_data() -> None:
    assert "specversion" in refusal(text(event(specversion="0.3")))
    assert "taskpriority" in refusal(text(event(taskpriority=1000)))


@pytest.mark.parametrize("prefix", ["cloudEvents_", "cloudEvents:", "ce-", "ce_", "Ce-"])
def test_a_binary_event_is_read_from_its_headers(prefix: str) -> None:
    message = one(
        b'{"a": 1}',
        **headers(
            prefix,
            time="2026-11-22T10:00:00Z",
            taskpriority="9",
            taskdelete="true",
            partitionkey="acme",
            mine="x",
        ),
    )

    assert (message.id, message.source, message.type) == ("7b", "/billing", "echo")
    assert (message.data, message.time, message.taskpriority) == ({"a": 1}, SENT, 9)
    assert message.extensions == {"taskdelete": True, "mine": "x"}


@pytest.mark.parametrize("time", ["1795341600000", "2026-11-22T10:00:00+00:00"])
def test_a_time_in_a_header_may_be_milliseconds_since_1970(time: str) -> None:
    message = one(b"", **headers("cloudEvents_", time=time, notbefore=time))

    assert (message.time, message.notbefore) == (SENT, SENT)


@pytest.mark.parametrize("time", ["", "-1", "9" * 18, "9" * 5000, "1795341600.5", "soon"])
def test_a_time_in_a_header_must_be_one(time: str) -> None:
    assert "time is" in refusal(b"", **headers("cloudEvents_", time=time))


@pytest.mark.parametrize("binding", ["amqp", "rabbitmq"])
def test_what_the_cloudevents_sdk_writes_in_binary_mode_is_read(binding: str) -> None:
    """Its two bindings are asked, so that a change of their forms is noticed."""
    media = {"datacontenttype": "application/json", "traceparent": TRACE, "partitionkey": "acme"}
    made: Any = import_module("cloudevents.core.v1.event").CloudEvent(
        event(time=SENT, **media), {"order": 42}
    )
    sent: Any = import_module(f"cloudevents.core.bindings.{binding}").to_binary_event(made)
    beside = sent.headers if binding == "rabbitmq" else sent.application_properties
    body = sent.body if binding == "rabbitmq" else sent.application_data

    message = one(body, **over_amqp_beside(beside), **{"content-type": "application/json"})

    assert (message.id, message.source, message.type, message.time) == (*_CORE, SENT)
    assert (message.data, message.partitionkey) == ({"order": 42}, "acme")
    assert message.traceparent == TRACE


_CORE = ("7b", "/billing", "echo")


@given(sent=messages)
def test_an_event_in_binary_mode_is_what_it_is_in_structured_mode(sent: Message) -> None:
    texts = {name: str(value) for name, value in sent.extensions.items()}
    written = event_of(replace(sent, extensions=texts))
    data = written.pop("data", None)
    beside = over_amqp_beside({f"cloudEvents_{n}": value for n, value in written.items()})

    message = one(b"" if data is None else text(data), **beside)

    assert message == one(text(written | {"data": data}))


@pytest.mark.parametrize("number", ["", "-1", "x", "9" * 5000, "٣", "1.5", "101"])
def test_a_number_in_a_header_must_be_one(number: str) -> None:
    assert "taskpriority" in refusal(b"{}", **headers("ce-", taskpriority=number))


@pytest.mark.parametrize(
    ("body", "media", "data"),
    [
        (b"", "", None),
        (b'{"a": 1}', "", {"a": 1}),
        (b"[1]", "application/json", [1]),
        ("grün".encode(), "text/plain; charset=utf-8", ["grün"]),
        (b'{"a": 1}', "text/plain", ['{"a": 1}']),
    ],
)
def test_the_body_beside_headers_is_the_data(body: bytes, media: str, data: object) -> None:
    attributes = {"content-type": media}

    assert one(body, **attributes, **headers("ce-")).data == data
    assert one(body, **attributes).data == data


@pytest.mark.parametrize(("body", "media"), [(b"{", ""), (b"\xff", "text/plain"), (b"\xff", "")])
def test_a_body_that_is_not_what_it_should_be_is_refused(body: bytes, media: str) -> None:
    attributes = {"content-type": media}

    assert refusal(body, **attributes, **headers("ce-"))
    assert refusal(body, **attributes)


# ---------------------------------------------------------------------------------- envelopes


def test_an_sns_envelope_gives_its_message_its_topic_id_time_and_attributes() -> None:
    (found,) = events(text(sns({"a": 1}, task="echo", traceparent=TRACE)))

    message = found.message
    assert (message.type, message.data, found.is_named) == ("echo", {"a": 1}, True)
    assert (message.source, message.id, message.time) == (TOPIC, "m-1", SENT)
    assert message.traceparent == TRACE


def test_attributes_outside_an_envelope_are_not_those_of_the_message() -> None:
    (found,) = events(text(sns({"a": 1})), task="other", traceparent=TRACE)

    assert (found.message.type, found.message.traceparent) == ("", None)


def test_two_notifications_of_one_message_have_one_key_and_two_messages_two() -> None:
    keys = [events(text(sns({}, number)))[0].key for number in ("m-1", "m-1", "m-2")]

    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "attributes", [None, [], "x", {"task": None}, {"task": {"Value": 5}}, {"task": []}]
)
def test_attributes_that_are_none_are_left_out(attributes: object) -> None:
    assert one(text(sns({}) | {"MessageAttributes": attributes})).type == ""


def test_a_message_may_be_in_two_envelopes() -> None:
    body = text(sns(sns(event(data={"a": 1}))))

    assert one(body).data == {"a": 1}
    assert "envelopes" in refusal(text(sns(sns(sns(event())))))


def test_an_envelope_that_is_asked_for_may_hold_what_is_not() -> None:
    only = Detector(["sns"])

    assert "none of the formats" in refusal(text(sns({"a": 1})), only)


def test_what_only_resembles_a_notification_is_plain_data() -> None:
    letter = sns("hello") | {"Type": "Letter"}

    assert one(text(letter)).data == letter


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_question_of_sns_is_not_run_as_data(kind: str) -> None:
    assert kind in refusal(text(sns("You have chosen…") | {"Type": kind}))


# ----------------------------------------------------------------------------- eventbridge, s3


def test_an_event_of_eventbridge_is_its_detail() -> None:
    (found,) = events(text(eventbridge()))

    message = found.message
    assert (message.type, message.source) == ("Object Created", "aws.s3")
    assert message.id == "17793124-05d4-b198-2fde-7ededc63b103"
    assert message.data == {"bucket": {"name": "uploads"}, "object": {"key": "a b.txt"}}
    assert message.time == datetime(2026, 11, 22, tzinfo=UTC)
    assert (found.key, found.is_named) == (None, False)


def test_an_event_of_eventbridge_may_have_no_details() -> None:
    assert one(text(eventbridge(detail=None))).data is None


@pytest.mark.parametrize("changed", [{"id": ""}, {"id": 5}, {"source": None}, {"id": "x" * 129}])
def test_an_event_of_eventbridge_needs_what_its_key_is_made_of(changed: dict[str, Any]) -> None:
    assert refusal(text(eventbridge(**changed)))


def test_a_notification_of_s3_is_one_event_of_its_records() -> None:
    (found,) = events(text(s3(record("a"), record("b"))))

    assert found.message.data == {"records": [record("a"), record("b")]}
    assert (found.message.type, found.message.source) == ("ObjectCreated:Put", "aws:s3")


def test_records_of_different_kinds_are_different_events() -> None:
    body = text(s3(record("a"), record("b", "ObjectRemoved:Delete"), record("c")))

    put, removed = events(body)

    assert put.message.data == {"records": [record("a"), record("c")]}
    assert removed.message.type == "ObjectRemoved:Delete"
    assert put.key != removed.key


def test_a_split_notification_is_an_event_for_each_record_with_a_key_of_its_own() -> None:
    found = events(text(s3(record("a"), record("b"))), SPLIT)

    assert [each.message.data for each in found] == [{"records": [record(k)]} for k in "ab"]
    assert len({each.key for each in found}) == 2


def test_a_split_notification_of_one_record_has_the_key_of_its_message() -> None:
    assert events(text(s3()), SPLIT)[0].key == events(text(s3()))[0].key


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("a+b.txt", "a b.txt"),
        ("gr%C3%BCn%2B", "grün+"),
        ("50%25", "50%"),
        ("%", "%"),
        ("%ff", "\ufffd"),
    ],
)
def test_the_key_of_an_object_is_decoded(sent: str, key: str) -> None:
    data: Any = one(text(s3(record(sent)))).data

    assert data["records"][0]["s3"]["object"]["key"] == key


@pytest.mark.parametrize("s3_part", [None, {}, {"object": None}, {"object": {}}, {"object": []}])
def test_a_record_without_an_object_is_carried_as_it_is(s3_part: object) -> None:
    carried = record() | {"s3": s3_part}

    assert one(text(s3(carried))).data == {"records": [carried]}


def test_the_test_event_of_s3_is_no_event() -> None:
    assert events(text(S3_TEST)) == ()
    assert events(text(sns(S3_TEST))) == ()


@pytest.mark.parametrize("records", [[], {}, None, [1], [{"eventSource": "aws:ses"}]])
def test_records_that_are_not_of_s3_are_plain_data(records: object) -> None:
    assert one(text({"Records": records})).data == {"Records": records}


# ------------------------------------------------------------------------------ pointer, celery


@pytest.mark.parametrize("name", [POINTER[0], "com.amazon.sqs.javamessaging.MessageS3Pointer"])
def test_a_pointer_says_where_the_message_lies(name: object) -> None:
    found = ask(raw_of(text([name, POINTER[1]])))

    assert isinstance(found, Pointer)
    assert found.url == "s3://large/some/key"


@pytest.mark.parametrize("marker", ["ExtendedPayloadSize", "SQSLargePayloadSize"])
def test_an_attribute_marks_a_pointer_of_another_class(marker: str) -> None:
    found = ask(raw_of(text(["com.example.Pointer", POINTER[1]]), **{marker: "300000"}))

    assert isinstance(found, Pointer)


@pytest.mark.parametrize(
    "place", [None, {}, {"s3BucketName": "b"}, {"s3BucketName": "a/b", "s3Key": "k"}, [], "x"]
)
def test_a_pointer_that_does_not_say_where_is_refused(place: object) -> None:
    assert "does not say where" in refusal(text([POINTER[0], place]))


def test_a_task_of_celery_over_sqs_is_read_from_its_body() -> None:
    body = celery([1, "x"], {"a": None}, timelimit=[60, 30], eta="2026-11-22T12:00:00+01:00")

    for written in (kombu(body), text(body)):
        message = one(written)

        assert message.type == "echo"
        assert (message.id, message.source) == (celery()["headers"]["id"], "urn:celery")
        assert message.arguments() == ([1, "x"], {"a": None})
        assert message.notbefore == datetime(2026, 11, 22, 11, tzinfo=UTC)
        assert message.tasktimeout == 60
        assert message.correlationid == celery()["headers"]["root_id"]


def test_a_task_of_celery_over_amqp_is_read_from_its_headers() -> None:
    body, beside = over_amqp(
        celery([1, "x"], {"a": None}, timelimit=[60, None], eta="2026-11-22T12:00:00+01:00")
    )

    message = one(body, **beside)

    assert (message.type, message.id) == ("echo", celery()["headers"]["id"])
    assert message.arguments() == ([1, "x"], {"a": None})
    assert message.notbefore == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert message.tasktimeout == 60
    assert message.correlationid == celery()["headers"]["root_id"]


@pytest.mark.parametrize("nothing", ["", "None", "null"])
def test_a_header_of_celery_may_be_a_word_for_nothing(nothing: str) -> None:
    body, beside = over_amqp(celery(eta=nothing, expires=nothing, timelimit=nothing))

    message = one(body, **beside)

    assert (message.notbefore, message.expirytime, message.tasktimeout) == (None, None, None)


@given(
    args=st.lists(json_values, max_size=3),
    kwargs=st.dictionaries(st.text(), json_values, max_size=3),
    hard=st.none() | st.integers(),
    retries=st.integers(),
)
def test_a_task_of_celery_is_the_same_over_amqp_and_over_sqs(
    args: list[object], kwargs: dict[str, object], hard: int | None, retries: int
) -> None:
    written = celery(args, kwargs, timelimit=[hard, None], retries=retries)
    body, beside = over_amqp(written)

    assert events(body, **beside) == events(kombu(written))


@pytest.mark.parametrize(
    ("retries", "used"),
    [(0, 0), (2, 2), (-1, 0), (None, 0), ("two", 0), (True, 0), ([], 0), (10**30, 1_000_000)],
)
def test_the_retries_of_celery_are_attempts_that_were_used(retries: object, used: int) -> None:
    written = celery(retries=retries)
    body, beside = over_amqp(written)

    (over_sqs,), (beside_it,) = events(kombu(written)), events(body, **beside)

    assert (over_sqs.used, beside_it.used) == (used, used)


def test_a_body_of_celery_may_be_without_base64() -> None:
    body = celery() | {"body": "[[1], {}, {}]", "properties": {}}

    assert one(text(body)).data == [1]


@pytest.mark.parametrize("expires", ["2026-11-22T10:00:00", "2026-11-22T10:00:00+00:00"])
def test_a_time_of_celery_without_an_offset_is_in_utc(expires: str) -> None:
    assert one(kombu(celery(expires=expires))).expirytime == SENT


def test_what_celery_itself_writes_is_read() -> None:
    """Its client is asked, so that a change of its form is noticed."""
    order = UUID("9c09b326-b11c-41ad-a180-21c0cd8618d0")
    kwargs = {"due": datetime(2026, 11, 22, tzinfo=UTC), "price": Decimal("1.5"), "order": order}
    app: Any = import_module("celery").Celery("shop", broker="memory://")
    task: Any = app.amqp.as_task_v2(str(order), "echo", ([1],), kwargs, time_limit=30)
    dumps: Any = import_module("kombu.serialization").dumps
    media, encoding, body = dumps(task.body, serializer="json")
    written = {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": media,
        "content-encoding": encoding,
        "headers": task.headers,
        "properties": {**task.properties, "body_encoding": "base64"},
    }

    message = one(kombu(written))

    assert (message.type, message.id, message.tasktimeout) == ("echo", str(order), 30)
    assert message.arguments() == (
        [[1]],
        {"due": "2026-11-22T00:00:00+00:00", "price": "1.5", "order": order.hex},
    )


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"__type__": "bytes", "__value__": "x"}, "x"),
        ({"__type__": "uuid", "__value__": {"hex": "ab", "version": 4}}, "ab"),
        ({"__type__": "x", "__value__": {"hex": 5}}, {"hex": 5}),
        ({"__type__": "x"}, {"__type__": "x"}),
        ({"kwargs": {"__type__": "x", "__value__": []}}, {"kwargs": []}),
        ([{"a": [{"__type__": "date", "__value__": "2026-11-22"}]}], [{"a": ["2026-11-22"]}]),
    ],
)
def test_values_that_kombu_tags_are_what_is_inside(sent: object, read: object) -> None:
    assert one(kombu(celery([sent]))).data == [read]


def test_keyword_arguments_that_look_tagged_are_arguments() -> None:
    message = one(kombu(celery([], {"__type__": "x", "__value__": [1]})))

    assert message.arguments() == ([], {"__type__": "x", "__value__": [1]})


CELERY: dict[str, bytes] = {
    "pickle": kombu(celery(media="application/x-python-serialize")),
    "yaml": kombu(celery(media="application/x-yaml")),
    "no content type": kombu(celery(media="")),
    "compressed": kombu(celery(compression="application/x-gzip")),
    "a chain": kombu(celery(flow={"chain": [{"task": "next"}]})),
    "a chord": kombu(celery(flow={"chord": {"task": "last"}})),
    "callbacks": kombu(celery(flow={"callbacks": [{"task": "then"}]})),
    "error callbacks": kombu(celery(flow={"errbacks": [{"task": "sorry"}]})),
    "no id": kombu(celery(id=None)),
    "a name that is none": kombu(celery(task="two words")),
    "a number for a name": kombu(celery(task=5)),
    "a time that is none": kombu(celery(eta="soon")),
    "a time before all": kombu(celery(eta="0001-01-01T00:00:00+14:00")),
    "a number for a time": kombu(celery(eta=1795341600)),
    "a body that is no base64": text(celery() | {"body": "{"}),
    "a body that is no json": text(celery() | {"body": base64.b64encode(b"{").decode()}),
    "a body of protocol 1": text(celery() | {"body": base64.b64encode(b"{}").decode()}),
    "arguments that are none": kombu(celery() | {"body": base64.b64encode(b"[1,{},{}]").decode()}),
}


HEADERS_OF_CELERY: dict[str, dict[str, Any]] = {
    "pickle": celery(media="application/x-python-serialize"),
    "yaml": celery(media="application/x-yaml"),
    "no content type": celery(media=""),
    "compressed": celery(compression="application/x-gzip"),
    "a chain": celery(flow={"chain": [{"task": "next"}]}),
    "a chord": celery(flow={"chord": {"task": "last"}}),
    "a name that is none": celery(task="two words"),
    "a time that is none": celery(eta="soon"),
    "a number for a time": celery(eta=1795341600),
    "an empty id": celery(id=""),
    "a body of protocol 1": celery() | {"body": base64.b64encode(b"{}").decode()},
}


@pytest.mark.parametrize("sent", HEADERS_OF_CELERY.values(), ids=HEADERS_OF_CELERY.keys())
def test_what_of_celery_cannot_be_run_is_refused_over_amqp(sent: dict[str, Any]) -> None:
    body, beside = over_amqp(sent)

    assert refusal(body, **beside)


def test_what_celery_itself_writes_for_amqp_is_read() -> None:
    app: Any = import_module("celery").Celery("shop", broker="memory://")
    task: Any = app.amqp.as_task_v2(
        "c-1", "echo", ([1],), {"a": 2}, time_limit=30, retries=1, countdown=3600
    )
    media, encoding, body = import_module("kombu.serialization").dumps(task.body, "json")
    beside = over_amqp_beside(task.headers | {"content-type": media, "content-encoding": encoding})

    (found,) = events(body.encode(), **beside)

    assert (found.message.type, found.message.id, found.used) == ("echo", "c-1", 1)
    assert found.message.arguments() == ([[1]], {"a": 2})
    assert found.message.tasktimeout == 30
    assert found.message.notbefore is not None


@pytest.mark.parametrize("body", CELERY.values(), ids=CELERY.keys())
def test_what_of_celery_cannot_be_run_is_refused(body: bytes) -> None:
    assert refusal(body)


@pytest.mark.parametrize("limit", [None, [], [None, 5], [0, 0], [True], [10**400], ["5"], {}])
def test_a_time_limit_of_celery_that_is_none_is_left_out(limit: object) -> None:
    assert one(kombu(celery(timelimit=limit))).tasktimeout is None


# --------------------------------------------------------------------------------- what is asked


def test_by_default_what_must_be_asked_for_is_not_read() -> None:
    assert set(FORMATS) - set(DEFAULT_FORMATS) == {"pointer", "celery"}


@pytest.mark.parametrize("body", [text(POINTER), kombu(celery()), text(celery())])
def test_what_is_not_asked_for_is_refused_by_name_and_not_taken_for_plain_data(
    body: bytes,
) -> None:
    assert "does not ask for" in refusal(body, Detector(DEFAULT_FORMATS))
    assert "does not ask for" in refusal(body, Detector(["plain"]))


@pytest.mark.parametrize("body", [text(sns({})), text(eventbridge()), text(s3()), text(event())])
def test_a_queue_of_plain_messages_takes_whatever_it_looks_like_as_data(body: bytes) -> None:
    (found,) = events(body, Detector(["plain"]))

    assert found.message.data == json.loads(body)


def test_a_plain_message_gets_what_the_broker_knows_of_it() -> None:
    (found,) = events(b"[1]")

    message = found.message
    assert (message.id, message.source, message.time) == ("b-1", "q", SENT)
    assert (message.partitionkey, message.type, found.is_named) == ("acme", "", False)


def test_what_came_is_kept_only_where_it_can_be_read_again_by_itself() -> None:
    whole = text(event(traceparent=TRACE))

    assert events(whole)[0].body == whole
    assert events(whole, traceparent=TRACE)[0].body == whole
    assert events(text(event()), traceparent=TRACE)[0].body is None
    assert events(text(sns(event())))[0].body is None
    assert events(b"{}", **headers("ce-"))[0].body is None


def test_times_of_envelopes_that_are_none_leave_that_of_the_broker() -> None:
    late = SENT + timedelta(hours=1)

    assert one(text(sns({}) | {"Timestamp": late.isoformat()})).time == late
    assert one(text(sns({}) | {"Timestamp": "soon"})).time == SENT
    assert one(text(eventbridge(time=5))).time == SENT
    assert one(text(s3(record() | {"eventTime": None}))).time == SENT
