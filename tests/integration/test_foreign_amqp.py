"""Producers that have never heard of Longshore, each with its own client, over RabbitMQ.

What each sends must end in the log as the task it means: with its arguments, its key and its
trace. The queue is a quorum queue, the log a file, and a worker stands between them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import pytest

from longshore import Longshore
from longshore.codec.formats import FORMATS
from longshore.identity import task_key
from longshore.task import TaskState
from tests.integration.dock import (
    NOTHING,
    PRODUCERS,
    TRACE,
    Dock,
    declare_tasks,
    event,
    message,
    result,
    said,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]

JSON = "application/json"
MEDIA = "content-type"


@pytest.fixture
def dock(rabbitmq_url: str, tmp_path: Path) -> Iterator[Dock]:
    name = f"foreign-{uuid4().hex[:12]}"
    log = f"sqlite:///{tmp_path / 'log.db'}"
    app = Longshore(
        queue=name,
        queue_url=rabbitmq_url,
        log_url=log,
        store_url=log,
        poll="1s",
        queues={name: {"task": "ship", "formats": list(FORMATS)}},
    )
    declare_tasks(app)
    dock = Dock(rabbitmq_url.replace("rabbitmq://", "amqp://"), app, name)
    asyncio.run(dock.declare())
    yield dock
    asyncio.run(dock.delete())


class Send(Protocol):
    """Send a body with headers; the id that its client gave the message."""

    def __call__(self, body: str, headers: Mapping[str, str] = NOTHING) -> str: ...


@pytest.fixture(params=["pika", "aio-pika", "amqplib"])
def send(request: pytest.FixtureRequest, dock: Dock, tmp_path: Path) -> Send:
    """Each of the clients in its turn."""
    if request.param == "pika":
        return partial(send_by_pika, dock)
    if request.param == "aio-pika":
        return partial(send_by_aio_pika, dock)
    # Node looks for packages beside the script, wherever it is called from.
    (tmp_path / "node_modules").symlink_to(request.getfixturevalue("amqplib_modules"))
    shutil.copy(PRODUCERS / "amqp" / "send.mjs", tmp_path)
    return partial(send_by_amqplib, dock, tmp_path / "send.mjs")


def send_by_pika(
    dock: Dock, body: str | bytes, headers: Mapping[str, object] = NOTHING, message_id: str = ""
) -> str:
    beside = dict(headers)
    identity = message_id or uuid4().hex
    media = beside.pop(MEDIA, JSON)
    publish(dock, body, content_type=media, headers=beside, message_id=identity, delivery_mode=2)
    return identity


def publish(dock: Dock, body: str | bytes, **properties: object) -> None:
    pika: Any = import_module("pika")
    made = pika.BasicProperties(**properties)
    with pika.BlockingConnection(pika.URLParameters(f"{dock.url}/%2F")) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", dock.name, body, made, mandatory=True)


def send_by_aio_pika(dock: Dock, body: str, headers: Mapping[str, str] = NOTHING) -> str:
    return asyncio.run(_send_by_aio_pika(dock, body, dict(headers)))


async def _send_by_aio_pika(dock: Dock, body: str, headers: dict[str, str]) -> str:
    aio_pika: Any = import_module("aio_pika")
    made = aio_pika.Message(
        body.encode(),
        content_type=headers.pop(MEDIA, JSON),
        headers=headers,
        message_id=uuid4().hex,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    async with await aio_pika.connect(dock.url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(made, dock.name)
    return str(made.message_id)


def send_by_amqplib(
    dock: Dock, script: Path, body: str, headers: Mapping[str, str] = NOTHING
) -> str:
    return said(["node", str(script), dock.url, dock.name, body, json.dumps(headers)])


def send_by_celery(dock: Dock, **call: object) -> str:
    options = json.dumps({"confirm_publish": True})
    words = [f"{dock.url}//", options, dock.name, json.dumps(call)]
    return said([sys.executable, str(PRODUCERS / "send_celery.py"), *words])


# -------------------------------------------------------------------------------- by any client


def test_a_bare_body_is_the_arguments_of_the_queues_task(dock: Dock, send: Send) -> None:
    message_id = send('{"order": 42}')

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("ship", "shipped 42")
    assert task.id == task_key("message", dock.name, message_id)


def test_a_header_names_the_task(dock: Dock, send: Send) -> None:
    send("[42, 2]", {"task": "invoice.render"})

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42, 42])


def test_headers_name_the_task_and_carry_the_trace(dock: Dock, send: Send) -> None:
    message_id = send(
        '{"order": 42, "copies": 2}',
        {"task": "invoice.render", "traceparent": TRACE, "tracestate": "shop=1"},
    )

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42, 42])
    assert task.id == task_key("message", dock.name, message_id)
    assert (message(task).traceparent, message(task).tracestate) == (TRACE, "shop=1")


def test_a_text_is_one_argument(dock: Dock, send: Send) -> None:
    send("grün", {MEDIA: "text/plain; charset=utf-8", "task": "greet"})

    @dock.app.task
    async def greet(whom: str) -> str:
        return whom

    (task,) = dock.works()

    assert result(task) == "grün"


def test_a_whole_event_sent_twice_is_one_task(dock: Dock, send: Send) -> None:
    body = json.dumps(event(data={"order": 42}, traceparent=TRACE))

    send(body, {MEDIA: "application/cloudevents+json"})
    send(body, {MEDIA: "application/cloudevents+json"})
    (task,) = dock.works(2)

    assert (task.spec.name, result(task)) == ("invoice.render", [42])
    assert task.id == task_key("event", dock.name, "invoice.render", "/billing", "7b1f")
    assert message(task).traceparent == TRACE


@pytest.mark.parametrize("prefix", ["cloudEvents_", "cloudEvents:"])
def test_an_event_in_binary_mode_is_a_task(dock: Dock, send: Send, prefix: str) -> None:
    headers = {f"{prefix}{n}": str(one) for n, one in event(traceparent=TRACE).items()}

    send('{"order": 42}', headers)
    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42])
    assert task.id == task_key("event", dock.name, "invoice.render", "/billing", "7b1f")
    assert message(task).traceparent == TRACE


def test_what_cannot_be_read_is_a_dead_letter_and_holds_up_nothing(dock: Dock, send: Send) -> None:
    send("order 41, please")
    send('{"order": 42}')

    (task,) = dock.works(2)

    (letter,) = dock.letters()
    assert result(task) == "shipped 42"
    assert (letter.reason, letter.body) == ("decode", b"order 41, please")


# ------------------------------------------------------------------------ by what they are known


def test_a_message_sent_twice_with_one_id_is_one_task(dock: Dock) -> None:
    send_by_pika(dock, '{"order": 42}', message_id="m-1")
    send_by_pika(dock, '{"order": 42}', message_id="m-1")

    (task,) = dock.works(2)

    assert task.id == task_key("message", dock.name, "m-1")


def test_one_header_and_nothing_else_names_the_task(dock: Dock) -> None:
    publish(dock, "[42]", headers={"task": "invoice.render"})

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42])


def test_a_content_type_and_nothing_else_is_heeded(dock: Dock) -> None:
    publish(dock, b"[42]", content_type="application/cloudevents+json")

    assert dock.works() == []

    (letter,) = dock.letters()
    assert "not an object" in (letter.detail or "")


def test_headers_of_any_kind_harm_nothing(dock: Dock) -> None:
    odd: dict[str, object] = {"a": [1, {"b": None}], "b": True, "c": None, "d": b"\xff", "e": 2**40}
    odd |= {"f": Decimal("1.5"), "g": datetime.now(UTC), "compression": None}

    send_by_pika(dock, '{"order": 42}', {"task": "ship", **odd})
    (task,) = dock.works()

    assert result(task) == "shipped 42"


# --------------------------------------------------------------------------- by the CloudEvents SDK


@pytest.mark.parametrize("binding", ["amqp", "rabbitmq"])
def test_an_event_of_the_cloudevents_sdk_in_binary_mode_is_a_task(dock: Dock, binding: str) -> None:
    module: Any = import_module(f"cloudevents.core.bindings.{binding}")
    made: Any = import_module("cloudevents.core.v1.event").CloudEvent(
        event(traceparent=TRACE, datacontenttype=JSON, subject="order 42"), {"order": 42}
    )
    sent = module.to_binary_event(made)

    if binding == "rabbitmq":
        send_by_pika(dock, sent.body, sent.headers | {MEDIA: sent.content_type})
    else:
        send_by_pika(dock, sent.application_data, sent.application_properties | sent.properties)
    (task,) = dock.works()

    assert result(task) == [42]
    assert task.id == task_key("event", dock.name, "invoice.render", "/billing", "7b1f")
    assert (message(task).traceparent, message(task).subject) == (TRACE, "order 42")


# ------------------------------------------------------------------------------------ by Celery


def test_a_task_of_celerys_own_client_is_a_task(dock: Dock) -> None:
    sent = send_by_celery(
        dock,
        name="invoice.render",
        args=[42],
        kwargs={"copies": 2},
        headers={"traceparent": TRACE},
        time_limit=30,
    )

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42, 42])
    assert task.id == task_key("event", dock.name, "invoice.render", "urn:celery", sent)
    assert (message(task).traceparent, message(task).tasktimeout) == (TRACE, 30)


def test_a_countdown_of_celerys_is_waited_for_in_the_log(dock: Dock) -> None:
    send_by_celery(dock, name="ship", args=[42], eta="2099-01-01T00:00:00+00:00")

    (task,) = dock.works()

    assert task.state is TaskState.SCHEDULED
    assert task.wake_at is not None
    assert task.wake_at.isoformat() == "2099-01-01T00:00:00+00:00"


def test_a_task_of_celerys_keeps_when_it_expires(dock: Dock) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    send_by_celery(dock, name="ship", args=[42], expires=due.isoformat())

    (task,) = dock.works()

    assert result(task) == "shipped 42"
    assert task.spec.expires_at == due


def test_a_task_of_celerys_in_pickle_is_a_dead_letter(dock: Dock) -> None:
    send_by_celery(dock, name="invoice.render", args=[42], serializer="pickle")

    tasks = dock.works()

    (letter,) = dock.letters()
    assert (tasks, letter.reason) == ([], "decode")
    assert "application/x-python-serialize" in (letter.detail or "")
