"""The message as a value: the key of its task (protocol.md §3) and its arguments."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import MessageError
from longshore.identity import TaskIds, task_key
from longshore.message import OWN_SOURCE, JsonValue, Message, pack_arguments

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
# Names that the two-part form uses come up often, so that what is ambiguous is tried.
names = st.sampled_from(["args", "kwargs", "order"]) | st.text(max_size=8)
arguments = st.tuples(
    st.lists(values, max_size=3), st.dictionaries(names, values | st.just([]), max_size=3)
)


def event(
    *, event_id: str = "7b", source: str = "/billing", name: str = "render", key: str | None = None
) -> Message:
    return Message(id=event_id, source=source, type=name, taskkey=key)


def test_the_id_of_our_own_message_is_the_key_in_every_queue() -> None:
    task_id = TaskIds()()

    message = Message(id=task_id, type="render", taskkey="ignored, the id was made of it")

    assert message.key("one") == message.key("two") == task_id


def test_one_event_in_two_queues_is_two_tasks() -> None:
    message = event()

    assert message.key("one") == message.key("one")
    assert message.key("one") != message.key("two")


@pytest.mark.parametrize(
    "other",
    [event(event_id="7c"), event(source="/shipping"), event(name="print"), event(key="7b")],
    ids=["id", "source", "type", "taskkey"],
)
def test_a_foreign_event_is_told_apart_by_each_part_of_its_key(other: Message) -> None:
    assert other.key("queue") != event().key("queue")


def test_two_events_with_one_taskkey_are_one_task_whoever_sent_them() -> None:
    first = event(event_id="1", source="/a", key="order-42")
    second = event(event_id="2", source="/b", key="order-42")

    assert first.key("queue") == second.key("queue")


def test_a_taskkey_is_no_id() -> None:
    with_key = event(key="/billing")

    assert with_key.key("queue") != task_key("event", "queue", "render", "/billing", "7b")
    assert with_key.key("queue") == task_key("taskkey", "queue", "render", "/billing")


def test_parts_of_a_key_do_not_run_together() -> None:
    first = event(event_id="c", source="ab")
    second = event(event_id="bc", source="a")

    assert first.key("queue") != second.key("queue")


@pytest.mark.parametrize(
    "event_id",
    [
        "0198F3A0-0000-7000-8000-000000000000",
        "{0198f3a0-0000-7000-8000-000000000000}",
        "urn:uuid:0198f3a0-0000-7000-8000-000000000000",
        "0198f3a0000070008000000000000000",
        "0198f3a0-0000-7000-8000-000000000000\n",
        "42",
        "",
    ],
)
def test_an_id_that_is_no_plain_uuid_is_hashed_though_it_claims_to_be_ours(event_id: str) -> None:
    message = Message(id=event_id, source=OWN_SOURCE, type="render")

    key = message.key("queue")

    assert key != event_id
    assert str(UUID(key)) == key


def test_another_producers_uuid_is_hashed() -> None:
    theirs = str(uuid4())

    assert event(event_id=theirs).key("queue") != theirs


@given(given_arguments=arguments)
def test_packed_arguments_come_out_as_they_went_in(
    given_arguments: tuple[list[object], dict[str, object]],
) -> None:
    args, kwargs = given_arguments

    data = pack_arguments(args, kwargs)

    assert Message(id="1", type="t", data=data).arguments() == (args, kwargs)
    over_the_wire: JsonValue = json.loads(json.dumps(data))
    assert Message(id="1", type="t", data=over_the_wire).arguments() == (args, kwargs)


AMBIGUOUS: list[tuple[list[object], dict[str, object]]] = [
    ([], {"args": [1], "kwargs": {"a": 2}}),
    ([], {"args": 1, "kwargs": 2}),
    ([3], {"args": [1], "kwargs": {}}),
    ([], {"args": [1]}),
    ([], {"args": [1], "kwargs": {}, "more": 1}),
    ([{"args": [1], "kwargs": {}}], {}),
    ([], {}),
    ([[]], {}),
]


@pytest.mark.parametrize(("args", "kwargs"), AMBIGUOUS)
def test_parameters_named_args_and_kwargs_are_not_taken_for_the_two_part_form(
    args: list[object], kwargs: dict[str, object]
) -> None:
    data = pack_arguments(args, kwargs)

    assert Message(id="1", type="t", data=data).arguments() == (args, kwargs)


READINGS: list[tuple[JsonValue, tuple[list[object], dict[str, object]]]] = [
    (None, ([], {})),
    ({}, ([], {})),
    ([1, {"a": 2}], ([1, {"a": 2}], {})),
    ((1, 2), ([1, 2], {})),
    ({"order": 42}, ([], {"order": 42})),
    ({"args": [1], "kwargs": {"a": 2}}, ([1], {"a": 2})),
    ({"args": (1,), "kwargs": {}}, ([1], {})),
    ({"args": "ab", "kwargs": {}}, ([], {"args": "ab", "kwargs": {}})),
    ({"args": [], "kwargs": []}, ([], {"args": [], "kwargs": []})),
]


@pytest.mark.parametrize(("data", "read"), READINGS)
def test_data_is_read_as_arguments(
    data: JsonValue, read: tuple[list[object], dict[str, object]]
) -> None:
    assert Message(id="1", type="t", data=data).arguments() == read


@pytest.mark.parametrize("data", ["text", b"bytes", 42, 1.5, True])
def test_data_that_is_no_list_of_arguments_is_refused_with_its_reason(data: JsonValue) -> None:
    message = Message(id="1", type="t", data=data)

    with pytest.raises(MessageError, match="neither an object") as caught:
        message.arguments()

    assert caught.value.reason == "arguments"


def test_reading_arguments_does_not_change_the_message() -> None:
    message = Message(id="1", type="t", data={"order": 42})

    _, kwargs = message.arguments()
    kwargs["order"] = 43

    assert message.data == {"order": 42}
    with pytest.raises(FrozenInstanceError):
        message.id = "2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue] - tested
