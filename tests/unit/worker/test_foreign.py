"""Messages of other producers: which task each becomes, under which key, and what is refused."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Context, PermanentError, Retry
from longshore.codec import decode
from longshore.codec.formats import FORMATS
from longshore.conformance import FaultPlan, FlakyQueue
from longshore.errors import MessageError, UnavailableError
from longshore.identity import task_key
from longshore.message import Message
from longshore.policy import Policy, QueuePolicy
from longshore.priority import NORMAL
from longshore.protocol import Verb
from longshore.publish import Publisher
from longshore.queue import Delivery, Outgoing, SupportsDeadLetters
from longshore.task import TaskState
from tests.unit.producers import (
    OTHER_TRACE,
    POINTER,
    S3_TEST,
    TOPIC,
    TRACE,
    celery,
    event,
    eventbridge,
    kombu,
    over_amqp,
    record,
    s3,
    sns,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore.queue import Queue, QueueCapabilities, Rejection
    from longshore.task import Task
    from tests.unit.yard import Yard


class Foreigners(FlakyQueue):
    """A queue that others fill: its messages carry no key of ours, unless we put it on a copy."""

    def __init__(self, queue: Queue, plan: FaultPlan, group: str | None, *, has_ids: bool) -> None:
        super().__init__(queue, plan)
        self.rejected: list[Rejection] = []
        self._group = group
        self._has_ids = has_ids

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        came = await super().receive(limit=limit, wait=wait, lease=lease)
        return [self._as_sent(one) for one in came]

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        self.rejected += rejections
        return await super().reject(rejections)

    def _as_sent(self, delivery: Delivery) -> Delivery:
        if delivery.attributes.get("ours"):
            return delivery
        message_id = f"broker-{delivery.message_id}" if self._has_ids else None
        return replace(delivery, key=None, message_id=message_id, group=self._group)


def fill(yard: Yard, group: str | None = None, *, has_ids: bool = True) -> Foreigners:
    """Let the worker see the queue as one that others fill."""
    foreign = Foreigners(yard.ports.queue("default"), FaultPlan(), group, has_ids=has_ids)
    yard.ports = replace(yard.ports, queue=lambda _name: foreign)
    return foreign


def allow(yard: Yard, **policy: Any) -> None:
    yard.policy = Policy(default=QueuePolicy(**policy))


async def only_row(yard: Yard) -> Task:
    (row,) = await yard.rows()
    return row


async def echo(**given: object) -> dict[str, object]:
    return given


def result(row: Task) -> Any:
    assert row.state is TaskState.SUCCEEDED, (row.state, row.error)
    assert row.result is not None
    return json.loads(row.result)


def trace(row: Task) -> str | None:
    assert row.body is not None
    return decode(row.body).traceparent


# -------------------------------------------------------------------------- the three levels


async def test_the_body_alone_is_the_data_of_the_queues_task(yard: Yard) -> None:
    allow(yard, task="echo")
    fill(yard, group="acme")
    yard.task(echo)
    await yard.send(b'{"order": 42}')
    sent_at = yard.clock.now()

    await yard.drain()

    row = await only_row(yard)
    assert result(row) == {"order": 42}
    assert row.id == task_key("message", "default", "broker-1")
    assert (row.spec.tenant, row.spec.created_at) == ("acme", sent_at)


async def test_an_attribute_names_the_task_and_another_carries_the_trace(yard: Yard) -> None:
    fill(yard)
    yard.task(echo)
    await yard.send(b'{"order": 42}', task="echo", traceparent=TRACE, tracestate="a=b")

    await yard.drain()

    row = await only_row(yard)
    assert result(row) == {"order": 42}
    assert row.body is not None
    message = decode(row.body)
    assert (message.traceparent, message.tracestate) == (TRACE, "a=b")
    assert message.extensions == {"originid": "broker-1", "originsource": "default"} | {
        "origintype": "echo"
    }


async def test_what_an_attribute_names_is_stronger_than_the_queues_task(yard: Yard) -> None:
    async def other() -> None:
        raise AssertionError

    allow(yard, task="other")
    yard.task(echo)
    yard.task(other)
    await yard.send(b'{"order": 42}', task="echo")

    await yard.drain()

    assert result(await only_row(yard)) == {"order": 42}


async def test_a_plain_message_without_a_task_is_refused_and_says_what_to_set(yard: Yard) -> None:
    yard.task(echo)
    await yard.send(b'{"order": 42}')

    await yard.drain()

    (letter,) = await yard.letters()
    assert (letter.reason, letter.body) == ("decode", b'{"order": 42}')
    assert "`task`" in letter.detail


@pytest.mark.parametrize("name", ["two words", "", "x" * 201])
async def test_an_attribute_that_is_no_tasks_name_is_refused(yard: Yard, name: str) -> None:
    allow(yard, task="echo")
    yard.task(echo)
    await yard.send(b"{}", task=name)

    await yard.drain()

    assert [letter.reason for letter in await yard.letters()] == ["decode"]
    assert await yard.rows() == []


async def test_an_unknown_name_in_an_attribute_fails_as_an_unknown_task(yard: Yard) -> None:
    await yard.send(b"{}", task="not.here")

    await yard.drain()

    assert (await only_row(yard)).reason == "unknown_task"
    assert [letter.reason for letter in await yard.letters()] == ["unknown_task"]


# ------------------------------------------------------------------------------------- formats

Case = tuple[bytes, dict[str, str], object, Any]
PUT = "ObjectCreated:Put"
CASES: dict[str, Case] = {
    "structured": (
        text(event(data={"a": 1})),
        {},
        {"a": 1},
        Message(id="7b", source="/billing", type="echo").key("default"),
    ),
    "structured, data in a text": (
        text(event(data='{"a": 1}')),
        {},
        {"a": 1},
        Message(id="7b", source="/billing", type="echo").key("default"),
    ),
    "structured, with a key": (
        text(event(data={"a": 1}, taskkey="k")),
        {},
        {"a": 1},
        task_key("taskkey", "default", "echo", "k"),
    ),
    "binary": (
        b'{"a": 1}',
        {f"cloudEvents_{name}": str(value) for name, value in event().items()},
        {"a": 1},
        Message(id="7b", source="/billing", type="echo").key("default"),
    ),
    "sns, plain": (
        text(sns({"a": 1}, task="echo")),
        {},
        {"a": 1},
        task_key("message", "default", TOPIC, "m-1"),
    ),
    "sns, structured": (
        text(sns(event(data={"a": 1}))),
        {},
        {"a": 1},
        Message(id="7b", source="/billing", type="echo").key("default"),
    ),
    "eventbridge": (
        text(eventbridge("echo", detail={"a": 1})),
        {},
        {"a": 1},
        task_key("event", "default", "echo", "aws.s3", str(eventbridge()["id"])),
    ),
    "s3": (
        text(s3()),
        {},
        {"records": [record()]},
        task_key("message", "default", "broker-1"),
    ),
    "celery": (
        kombu(celery([], {"a": 1})),
        {},
        {"a": 1},
        task_key("event", "default", "echo", "urn:celery", celery()["headers"]["id"]),
    ),
    "celery, amqp": (
        *over_amqp(celery([], {"a": 1})),
        {"a": 1},
        task_key("event", "default", "echo", "urn:celery", celery()["headers"]["id"]),
    ),
    "plain": (b'{"a": 1}', {}, {"a": 1}, task_key("message", "default", "broker-1")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_each_format_becomes_a_task_with_its_arguments_key_and_trace(
    yard: Yard, case: Case
) -> None:
    body, attributes, arguments, key = case
    allow(yard, task="echo", formats=FORMATS)
    fill(yard)
    yard.task(echo)
    await yard.send(body, awstraceheader=XRAY, **attributes)

    await yard.drain()

    row = await only_row(yard)
    assert result(row) == arguments
    assert row.id == key
    assert trace(row) == "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
    assert await yard.letters() == []


XRAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_each_format_delivered_again_is_the_same_task(yard: Yard, case: Case) -> None:
    body, attributes, _, _ = case
    seen: list[int] = []

    async def handler(**given: object) -> None:
        seen.append(len(seen))
        if len(seen) == 1:
            raise ValueError("again")

    allow(yard, task="echo", formats=FORMATS)
    fill(yard)
    yard.task(handler, name="echo", retry=Retry(attempts=2, backoff="10s", jitter=0))
    await yard.send(body, **attributes)

    await yard.drain()
    await yard.passes(10)
    await yard.drain()

    row = await only_row(yard)
    assert (row.state, row.attempts, seen) == (TaskState.SUCCEEDED, 2, [0, 1])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_a_row_keeps_can_be_published_and_is_the_same_task(
    yard: Yard, case: Case
) -> None:
    """A row's body is all that its next message is made of: no attribute comes with it."""
    body, attributes, arguments, key = case
    allow(yard, task="echo", formats=FORMATS)
    fill(yard)
    yard.task(echo, retry=Retry(attempts=1))
    await yard.send(body, **attributes)
    await yard.drain()
    row = await only_row(yard)
    assert row.body is not None

    await yard.ports.queue("default").send(
        [Outgoing(key=row.id, body=row.body, attributes={"ours": "yes"})]
    )
    await yard.drain()

    assert [one.id for one in await yard.rows()] == [key]
    assert await yard.outcomes(row.id) == ["succeeded"]
    assert decode(row.body).data == arguments


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_the_same_message_in_two_queues_is_two_tasks(yard: Yard, case: Case) -> None:
    body, attributes, _, _ = case
    allow(yard, task="echo", formats=FORMATS)
    yard.task(echo)
    for queue in ("default", "other"):
        message = Outgoing(key=yard.ports.ids(), body=body, attributes=attributes)
        assert await yard.healthy.queue(queue).send([message]) == [None]

    await yard.drain(queues=("default", "other"))

    rows = await yard.rows()
    assert {row.state for row in rows} == {TaskState.SUCCEEDED}
    assert {row.spec.queue for row in rows} == {"default", "other"}
    assert len({row.id for row in rows}) == 2


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_format_that_is_not_asked_for_is_not_read(yard: Yard, case: Case) -> None:
    body, attributes, _, _ = case
    allow(yard, task="echo", formats=())
    yard.task(echo)
    await yard.send(body, **attributes)

    await yard.drain()

    (letter,) = await yard.letters()
    assert (letter.reason, letter.body) == ("decode", body)
    assert await yard.rows() == []


async def test_our_own_messages_are_read_whatever_a_queue_allows(yard: Yard) -> None:
    allow(yard, formats=())
    task = await yard.enqueue(echo)

    await yard.drain()

    assert await yard.state(task) == "succeeded"


REFUSED: dict[str, bytes] = {
    "a chain": kombu(celery(flow={"chain": [{"task": "next"}]})),
    "a chord": kombu(celery(flow={"chord": {"task": "last"}})),
    "callbacks": kombu(celery(flow={"callbacks": [{"task": "then"}]})),
    "pickle": kombu(celery(media="application/x-python-serialize")),
    "yaml": kombu(celery(media="application/x-yaml")),
    "compressed": kombu(celery(compression="application/x-gzip")),
    "celery without arguments": kombu(celery() | {"body": "e30="}),
    "celery with a bad time": kombu(celery(eta="tomorrow")),
    "a subscription": text(sns("…") | {"Type": "SubscriptionConfirmation"}),
    "three envelopes": text(sns(sns(sns(event())))),
    "a pointer to nowhere": text([POINTER[0], {"s3Key": "x"}]),
    "a pointer nobody fetches": text(POINTER),
    "records of two kinds": text({"Records": [record(), {"eventSource": "aws:ses"}]}),
    "a record without a name": text({"Records": [{"eventSource": "aws:s3"}]}),
    "eventbridge without an id": text(eventbridge(id=None)),
    "text": b"hello",
    "broken": b'{"order": 42',
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_read_is_a_dead_letter_and_the_next_message_runs(
    yard: Yard, body: bytes
) -> None:
    allow(yard, task="echo", formats=FORMATS)
    yard.task(echo)
    await yard.send(body)
    await yard.send(b"{}")

    await yard.drain()

    (letter,) = await yard.letters()
    assert (letter.reason, letter.body) == ("decode", body)
    assert letter.detail
    assert (await only_row(yard)).state is TaskState.SUCCEEDED


@pytest.mark.parametrize("body", [text(POINTER), kombu(celery([], {"a": 1}))])
async def test_what_must_be_asked_for_is_refused_by_its_name(yard: Yard, body: bytes) -> None:
    allow(yard, task="echo")
    yard.task(echo)
    await yard.send(body)

    await yard.drain()

    (letter,) = await yard.letters()
    assert letter.reason == "decode"
    assert "does not ask for" in letter.detail


async def test_the_test_that_s3_sends_is_acknowledged_and_no_task(yard: Yard) -> None:
    allow(yard, task="echo")
    await yard.send(text(S3_TEST))

    await yard.drain()

    assert await yard.rows() == []
    assert await yard.letters() == []
    assert (await yard.depth()).ready == 0


async def test_a_task_of_celery_keeps_its_times(yard: Yard) -> None:
    allow(yard, formats=("celery",))
    yard.task(echo)
    due = yard.clock.now() + timedelta(hours=5)
    eta = due.replace(tzinfo=None).isoformat()
    await yard.send(kombu(celery([], {"a": 1}, eta=eta, timelimit=[30, None])))

    await yard.drain()
    waiting = await only_row(yard)
    await yard.passes(5 * 3600, step=3600)
    await Publisher(yard.ports).publish_due()
    await yard.drain()

    assert (waiting.state, waiting.wake_at) == (TaskState.SCHEDULED, due)
    row = await only_row(yard)
    assert result(row) == {"a": 1}
    assert row.body is not None
    assert decode(row.body).tasktimeout == 30


@pytest.mark.parametrize(("retries", "left"), [(0, 3), (2, 1), (7, 1)])
@pytest.mark.parametrize("declared", [True, False])
async def test_what_celery_tried_before_counts_among_the_attempts(
    yard: Yard, retries: int, left: int, *, declared: bool
) -> None:
    def broken() -> None:
        raise ValueError("no")

    retry = Retry(attempts=3, backoff="1s", jitter=0)
    allow(yard, formats=("celery",), retry=Retry(attempts=5) if declared else retry)
    yard.task(broken, name="echo", retry=retry if declared else None)
    body, beside = over_amqp(celery(retries=retries))
    await yard.send(body, **beside)

    await yard.drain()
    for _ in range(3):
        await yard.passes(10)
        await yard.drain()

    row = await only_row(yard)
    assert (row.state, row.attempts) == (TaskState.FAILED, left)


async def test_a_task_of_celery_that_came_too_late_never_starts(yard: Yard) -> None:
    allow(yard, formats=("celery",))
    yard.task(echo)
    await yard.send(kombu(celery(expires=yard.clock.now().isoformat())))

    await yard.drain()

    assert (await only_row(yard)).state is TaskState.EXPIRED


# ----------------------------------------------------------------------------------- keys


async def test_a_message_without_an_id_gets_a_key_at_receipt_that_its_dead_copy_carries(
    apart: Yard,
) -> None:
    async def broken() -> None:
        raise ValueError("no")

    allow(apart, task="broken")
    queue = fill(apart, has_ids=False)
    apart.task(broken, retry=Retry(attempts=1))
    await apart.send(b"{}")

    await apart.drain()

    row = await only_row(apart)
    (rejection,) = queue.rejected
    assert (rejection.delivery.key, rejection.delivery.body) == (row.id, b"{}")


async def test_a_dead_copy_that_is_sent_again_restarts_its_task(yard: Yard) -> None:
    async def handler(ctx: Context, order: int) -> int:
        if ctx.run == 0:
            raise ValueError("no")
        return order

    yard.task(handler, retry=Retry(attempts=1))
    await yard.send(b'{"order": 1}', task="handler")
    await yard.drain()
    port = yard.healthy.queue("default")
    assert isinstance(port, SupportsDeadLetters)
    await port.redrive([letter.id for letter in await port.dead_letters(limit=9)])

    await yard.drain()

    row = await only_row(yard)
    assert (row.run, result(row)) == (1, 1)


# ------------------------------------------------------------------------------- bound to types


async def test_a_task_bound_to_a_type_gets_the_events_of_its_source(yard: Yard) -> None:
    async def created(**detail: Any) -> str:
        return str(detail["object"]["key"])

    yard.task(created)
    yard.registry.bind("Object Created", "aws.s3", "created")
    await yard.send(text(eventbridge()))
    await yard.send(text(eventbridge(source="other")))

    await yard.drain()

    assert result(await only_row(yard)) == "a b.txt"
    (letter,) = await yard.letters()
    assert letter.reason == "unknown_task"
    assert "Object Created" in letter.detail


async def test_a_type_with_several_tasks_is_several_tasks_each_once(yard: Yard) -> None:
    seen: list[str] = []
    for name in ("mail", "index", "audit"):

        async def handler(name: str = name, **detail: object) -> None:
            seen.append(name)

        yard.task(handler, name=name)
        yard.registry.bind("order.*", None, name)
    fill(yard)
    for _ in range(2):
        await yard.send(text(event(type="order.paid", data={"order": 1}, taskpriority=9)))

    await yard.drain()
    await yard.drain()

    assert sorted(seen) == ["audit", "index", "mail"]
    assert {row.id for row in await yard.rows()} == {
        task_key("event", "default", name, "/billing", "7b") for name in seen
    }
    assert (await yard.depth()).ready == 0


async def test_a_plain_message_of_several_tasks_gives_each_a_key_of_its_own(yard: Yard) -> None:
    allow(yard, split=True, task="echo")
    fill(yard)
    yard.task(echo)
    await yard.send(text(s3(record("a"), record("b+c%2Fd"))))

    await yard.drain()

    parent = task_key("message", "default", "broker-1")
    rows = {row.id: result(row)["records"][0]["s3"]["object"]["key"] for row in await yard.rows()}
    assert rows == {
        task_key("part", parent, "0"): "a",
        task_key("part", parent, "1"): "b c/d",
    }


@pytest.mark.parametrize("verb", ["send", "ack"])
async def test_parts_that_were_sent_before_a_crash_are_not_tasks_twice(
    yard: Yard, verb: str
) -> None:
    """What is left to its lease then is the message, and it is read and sent once more."""
    allow(yard, split=True, task="echo")
    yard.task(echo)
    await yard.send(text(s3(record("a"), record("b"))))
    if verb == "send":
        yard.queue_plan.lose_answer(verb)
    else:
        yard.queue_plan.fail_next(verb)

    await yard.drain()
    left = await yard.depth()
    await yard.passes(60, step=10)
    await yard.drain()

    assert left.in_flight == 1
    assert [row.attempts for row in await yard.rows()] == [1, 1]
    assert (await yard.depth()).in_flight == 0
    assert await yard.letters() == []


async def test_a_part_that_no_queue_takes_makes_its_message_a_dead_letter(yard: Yard) -> None:
    allow(yard, task="echo")
    yard.task(echo)
    yard.registry.bind("many", None, "echo")
    yard.registry.bind("many", None, "other")
    limit = yard.healthy.queue("default").capabilities.max_body
    body = text(event(type="many", data={"text": "x" * (limit - 100)}))
    await yard.send(body)

    await yard.drain()

    (letter,) = await yard.letters()
    assert (letter.reason, letter.body) == ("decode", body)
    assert "limit" in letter.detail


# ------------------------------------------------------------------------------ what lies elsewhere


class Shelf:
    """A store of objects, as a worker is given one to fetch from."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = {f"s3://large/{name}": content for name, content in objects.items()}
        self.is_away = False

    async def fetch(self, url: str, *, limit: int) -> bytes:
        if self.is_away:
            message = "the store does not answer"
            raise UnavailableError(message)
        if url not in self.objects:
            message = f"there is nothing at {url}"
            raise MessageError(message)
        return self.objects[url]


def give(yard: Yard, shelf: Shelf, **policy: Any) -> None:
    allow(yard, task="echo", formats=FORMATS, fetch_from=("s3://large",), **policy)
    yard.ports = replace(yard.ports, fetcher=shelf)


def pointer(name: str) -> bytes:
    return text([POINTER[0], {"s3BucketName": "large", "s3Key": name}])


SIZE = {"ExtendedPayloadSize": "300000"}
POINTING: dict[str, tuple[bytes, dict[str, bytes]]] = {
    "plain": (pointer("a"), {"a": b'{"order": 42}'}),
    "structured": (pointer("a"), {"a": text(event(data={"order": 42}))}),
    "in sns": (text(sns(json.loads(pointer("a")))), {"a": b'{"order": 42}'}),
    "sns inside": (pointer("a"), {"a": text(sns({"order": 42}))}),
    "dataref": (text(event(dataref="s3://large/a")), {"a": b'{"order": 42}'}),
    "dataref, compressed": (
        text(event(dataref="s3://large/a", dataencoding="gzip")),
        {"a": gzip.compress(b'{"order": 42}')},
    ),
}


@pytest.mark.parametrize("case", POINTING.values(), ids=POINTING.keys())
async def test_what_a_message_points_at_is_fetched_and_the_row_keeps_where_it_lies(
    yard: Yard, case: tuple[bytes, dict[str, bytes]]
) -> None:
    body, objects = case
    give(yard, Shelf(**objects))
    fill(yard)
    yard.task(echo)
    await yard.send(body, task="echo", **SIZE)

    await yard.drain()

    row = await only_row(yard)
    assert result(row) == {"order": 42}
    assert row.body is not None
    assert b"42" not in row.body
    assert b"s3://large/a" in row.body
    assert await yard.letters() == []


@pytest.mark.parametrize("case", POINTING.values(), ids=POINTING.keys())
async def test_a_row_that_points_is_fetched_anew_when_it_is_published(
    yard: Yard, case: tuple[bytes, dict[str, bytes]]
) -> None:
    body, objects = case
    give(yard, Shelf(**objects))
    fill(yard)
    seen: list[object] = []

    async def handler(**given: object) -> None:
        seen.append(given)
        raise PermanentError("not yet") if len(seen) == 1 else ValueError

    yard.task(handler, name="echo", retry=Retry(attempts=1))
    await yard.send(body)
    await yard.drain()
    row = await only_row(yard)
    await yard.operator.one(Verb.RETRY, row.id)
    again = await only_row(yard)
    assert again.body is not None
    await yard.ports.queue("default").send(
        [Outgoing(key=row.id, body=again.body, attributes={"ours": "yes"})]
    )
    await yard.drain()

    assert seen == [{"order": 42}] * 2
    assert [one.id for one in await yard.rows()] == [row.id]


@pytest.mark.parametrize(
    ("body", "objects", "said"),
    [
        (pointer("a"), {}, "nothing at"),
        (pointer("a"), {"a": b"{"}, "JSON"),
        (pointer("a"), {"a": pointer("b")}, "points elsewhere"),
        (pointer("a"), {"a": b" " * (10 * 1024 * 1024 + 1)}, "limit"),
        (text(event(dataref="s3://large/a")), {"a": b"{"}, "JSON"),
        (text(event(dataref="s3://large/a", dataencoding="gzip")), {"a": b"{}"}, "gzip"),
        (text(event(dataref="s3://other/a")), {}, "fetch_from"),
        (text(event(dataref="s3://larger/a")), {}, "fetch_from"),
        (text(event(dataref="s3://large/a", data={})), {"a": b"{}"}, "beside"),
        (text(event(dataref=5)), {}, "not text"),
    ],
)
async def test_what_cannot_be_fetched_is_a_dead_letter(
    yard: Yard, body: bytes, objects: dict[str, bytes], said: str
) -> None:
    give(yard, Shelf(**objects))
    yard.task(echo)
    await yard.send(body)

    await yard.drain()

    (letter,) = await yard.letters()
    assert (letter.reason, letter.body) == ("decode", body)
    assert said in letter.detail


async def test_what_lies_elsewhere_must_stay_what_it_was(yard: Yard) -> None:
    """A row's message points at one event; by now there may be another thing in its place."""
    shelf = Shelf(a=text(s3(record("a"))))
    give(yard, shelf, split=True)
    yard.task(echo, retry=Retry(attempts=1))
    await yard.send(pointer("a"))
    await yard.drain()
    row = await only_row(yard)
    assert row.body is not None
    shelf.objects["s3://large/a"] = text(s3(record("a"), record("b")))

    await yard.send(row.body)
    await yard.drain()

    (letter,) = await yard.letters()
    assert "no longer one event" in letter.detail
    assert await yard.outcomes(row.id) == ["succeeded"]


async def test_a_worker_without_a_fetcher_says_so(yard: Yard) -> None:
    allow(yard, formats=FORMATS, fetch_from=("s3://large",))
    await yard.send(pointer("a"))

    await yard.drain()

    (letter,) = await yard.letters()
    assert "nothing to fetch it with" in letter.detail


async def test_a_store_that_does_not_answer_leaves_the_message_to_its_lease(yard: Yard) -> None:
    shelf = Shelf(a=b'{"order": 42}')
    shelf.is_away = True
    give(yard, shelf)
    yard.task(echo)
    await yard.send(pointer("a"))

    await yard.drain()
    left = await yard.depth()
    shelf.is_away = False
    await yard.passes(60, step=10)
    await yard.drain()

    assert left.in_flight == 1
    assert result(await only_row(yard)) == {"order": 42}


async def test_several_tasks_of_what_was_fetched_keep_their_own_part(yard: Yard) -> None:
    give(yard, Shelf(a=text(s3(record("a"), record("b")))), split=True)
    yard.task(echo)
    await yard.send(pointer("a"))

    await yard.drain()

    rows = await yard.rows()
    assert sorted(result(row)["records"][0]["s3"]["object"]["key"] for row in rows) == ["a", "b"]


async def test_a_body_that_could_not_be_published_again_is_refused(yard: Yard) -> None:
    """A task's row keeps its body to publish it; one that no queue takes would wait for ever."""
    allow(yard, task="echo")
    yard.task(echo)
    limit = yard.healthy.queue("default").capabilities.max_body
    body = text({"text": "x" * (limit - 50)})
    await yard.send(body)

    await yard.drain()

    (letter,) = await yard.letters()
    assert (letter.reason, letter.body) == ("decode", body)
    assert "at most" in letter.detail


class Unranked(Foreigners):
    """A broker without priorities: it refuses a message that has one."""

    @property
    def capabilities(self) -> QueueCapabilities:
        return replace(super().capabilities, priorities=False)

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        assert {message.priority for message in messages} == {NORMAL}
        return await super().send(messages)


async def test_parts_go_without_a_priority_where_the_broker_has_none(yard: Yard) -> None:
    yard.task(echo)
    yard.task(echo, name="other")
    for name in ("echo", "other"):
        yard.registry.bind("order.paid", None, name)
    queue = Unranked(yard.ports.queue("default"), FaultPlan(), None, has_ids=True)
    yard.ports = replace(yard.ports, queue=lambda _name: queue)
    await yard.send(text(event(type="order.paid", taskpriority=90)))

    await yard.drain()

    rows = await yard.rows()
    assert [(row.state, row.spec.priority) for row in rows] == [(TaskState.SUCCEEDED, 90)] * 2


async def test_a_message_of_too_many_tasks_is_refused(yard: Yard) -> None:
    allow(yard, split=True, task="echo")
    body = text(s3(*[record()] * 1001))
    await yard.send(body)

    await yard.drain()

    (letter,) = await yard.letters()
    assert "1,000" in letter.detail


async def test_a_foreign_trace_of_the_last_hop_is_taken_and_the_origin_kept(yard: Yard) -> None:
    yard.task(echo)
    await yard.send(text(event(traceparent=TRACE)), traceparent=OTHER_TRACE)

    await yard.drain()

    row = await only_row(yard)
    assert trace(row) == OTHER_TRACE
    assert row.body is not None
    assert decode(row.body).extensions["traceorigin"] == TRACE
