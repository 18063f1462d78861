"""Producers that have never heard of Longshore, each with its own client, over a real queue.

What each sends must end in the log as the task it means: with its arguments, its key and its
trace. The queue is on LocalStack, the log in a file, and a worker stands between them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from longshore import Longshore
from longshore.codec.formats import FORMATS
from longshore.identity import task_key
from tests.brokers.fixtures import REGION
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


pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]


def client(service: str, url: str) -> Any:
    """A client of boto3's; what it answers is checked by the tests, not by types."""
    return import_module("boto3").client(service, endpoint_url=url)


@dataclass
class QueueOfSqs(Dock):
    """A queue on LocalStack."""

    @property
    def queue_url(self) -> str:
        return str(client("sqs", self.url).get_queue_url(QueueName=self.name)["QueueUrl"])

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:000000000000:{self.name}"


@pytest.fixture
def dock(localstack_url: str, aws_environment: None, tmp_path: Path) -> Iterator[QueueOfSqs]:
    name = f"foreign-{uuid4().hex[:12]}"
    log = f"sqlite:///{tmp_path / 'log.db'}"
    reads = {"formats": list(FORMATS), "fetch_from": [f"s3://{name}/large"]}
    app = Longshore(
        queue=name,
        queue_url=f"sqs://?endpoint_url={localstack_url}&region={REGION}",
        log_url=log,
        store_url=log,
        poll="1s",
        queues={name: {"task": "ship", **reads}},
    )
    dock = QueueOfSqs(localstack_url, app, name)
    asyncio.run(dock.declare())
    yield dock
    asyncio.run(dock.delete())


@pytest.fixture(autouse=True)
def _tasks(dock: QueueOfSqs) -> None:
    declare_tasks(dock.app)


class Send(Protocol):
    """Send a body with attributes of text; the id that SQS gave the message."""

    def __call__(self, body: str, attributes: Mapping[str, str] = NOTHING) -> str: ...


@pytest.fixture(params=["aws", "boto3", "javascript"])
def send(request: pytest.FixtureRequest, dock: QueueOfSqs, tmp_path: Path) -> Send:
    """Each of the clients in its turn."""
    if request.param == "aws":
        return partial(send_by_aws, dock)
    if request.param == "boto3":
        return partial(send_by_boto3, dock)
    # Node looks for packages beside the script, wherever it is called from.
    (tmp_path / "node_modules").symlink_to(request.getfixturevalue("node_modules"))
    shutil.copy(PRODUCERS / "send.mjs", tmp_path)
    return partial(send_by_javascript, dock, tmp_path / "send.mjs")


def typed(attributes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}


def send_by_boto3(dock: QueueOfSqs, body: str, attributes: Mapping[str, str] = NOTHING) -> str:
    sent = client("sqs", dock.url).send_message(
        QueueUrl=dock.queue_url, MessageBody=body, MessageAttributes=typed(attributes)
    )
    return str(sent["MessageId"])


def send_by_aws(dock: QueueOfSqs, body: str, attributes: Mapping[str, str] = NOTHING) -> str:
    aws = str(Path(sys.executable).with_name("aws"))
    whose = ["--endpoint-url", dock.url, "--queue-url", dock.queue_url]
    what = ["--message-body", body, "--message-attributes", json.dumps(typed(attributes))]
    return said([aws, "sqs", "send-message", *whose, *what, "--query=MessageId", "--output=text"])


def send_by_javascript(
    dock: QueueOfSqs, script: Path, body: str, attributes: Mapping[str, str] = NOTHING
) -> str:
    return said(["node", str(script), dock.queue_url, body, json.dumps(attributes)])


def send_by_celery(dock: QueueOfSqs, **call: object) -> str:
    login = {"access_key_id": "test", "secret_access_key": "test"}
    queues = {dock.name: {"url": dock.queue_url, **login}}
    options = {"region": REGION, "is_secure": False, "predefined_queues": queues}
    broker = f"sqs://test:test@{urlsplit(dock.url).netloc}"
    words = [broker, json.dumps(options), dock.name, json.dumps(call)]
    return said([sys.executable, str(PRODUCERS / "send_celery.py"), *words])


# ------------------------------------------------------------------------------ to SQS directly


def test_a_bare_body_is_the_arguments_of_the_queues_task(dock: QueueOfSqs, send: Send) -> None:
    message_id = send('{"order": 42}')

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("ship", "shipped 42")
    assert task.id == task_key("message", dock.name, message_id)


def test_attributes_name_the_task_and_carry_the_trace(dock: QueueOfSqs, send: Send) -> None:
    message_id = send(
        '{"order": 42, "copies": 2}', {"task": "invoice.render", "traceparent": TRACE}
    )

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42, 42])
    assert task.id == task_key("message", dock.name, message_id)
    assert message(task).traceparent == TRACE


def test_a_whole_event_sent_twice_is_one_task(dock: QueueOfSqs, send: Send) -> None:
    body = json.dumps(event(data={"order": 42}, traceparent=TRACE))

    send(body)
    send(body)
    (task,) = dock.works(2)

    assert (task.spec.name, result(task)) == ("invoice.render", [42])
    assert task.id == task_key("event", dock.name, "invoice.render", "/billing", "7b1f")
    assert message(task).traceparent == TRACE


def test_an_event_of_the_cloudevents_sdk_is_a_task(dock: QueueOfSqs) -> None:
    made: Any = import_module("cloudevents.core.v1.event").CloudEvent(
        event(traceparent=TRACE, datacontenttype="application/json", subject="order 42"),
        {"order": 42},
    )
    written: bytes = import_module("cloudevents.core.formats.json").JSONFormat().write(made)

    send_by_boto3(dock, written.decode(), {"content-type": "application/cloudevents+json"})
    (task,) = dock.works()

    assert result(task) == [42]
    assert task.id == task_key("event", dock.name, "invoice.render", "/billing", "7b1f")
    assert (message(task).traceparent, message(task).subject) == (TRACE, "order 42")


def test_the_trace_of_x_ray_goes_on(dock: QueueOfSqs) -> None:
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    client("sqs", dock.url).send_message(
        QueueUrl=dock.queue_url,
        MessageBody='{"order": 42}',
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
    )

    (task,) = dock.works()

    trace = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
    assert message(task).traceparent == trace


def test_what_cannot_be_read_is_a_dead_letter_and_holds_up_nothing(dock: QueueOfSqs) -> None:
    send_by_boto3(dock, "order 41, please")
    send_by_boto3(dock, '{"order": 42}')

    (task,) = dock.works(2)

    (letter,) = dock.letters()
    assert result(task) == "shipped 42"
    assert (letter.reason, letter.body) == ("decode", b"order 41, please")


# ----------------------------------------------------------------------------- through services


@pytest.fixture
def topic(dock: QueueOfSqs) -> Iterator[str]:
    sns = client("sns", dock.url)
    arn = sns.create_topic(Name=dock.name)["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def subscribe(dock: QueueOfSqs, topic: str, *, raw: bool) -> None:
    client("sns", dock.url).subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=dock.arn,
        Attributes={"RawMessageDelivery": str(raw).lower()},
    )


def publish(
    dock: QueueOfSqs, topic: str, body: object, attributes: Mapping[str, str] = NOTHING
) -> str:
    sent = client("sns", dock.url).publish(
        TopicArn=topic, Message=json.dumps(body), MessageAttributes=typed(attributes)
    )
    return str(sent["MessageId"])


def test_a_message_in_the_envelope_of_sns_is_a_task(dock: QueueOfSqs, topic: str) -> None:
    subscribe(dock, topic, raw=False)
    told = {"task": "invoice.render", "traceparent": TRACE}
    message_id = publish(dock, topic, {"order": 42}, told)

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42])
    assert task.id == task_key("message", dock.name, topic, message_id)
    assert message(task).traceparent == TRACE


def test_an_event_in_the_envelope_of_sns_is_a_task(dock: QueueOfSqs, topic: str) -> None:
    subscribe(dock, topic, raw=False)
    publish(dock, topic, event(data={"order": 42}, traceparent=TRACE))

    (task,) = dock.works()

    assert result(task) == [42]
    assert task.id == task_key("event", dock.name, "invoice.render", "/billing", "7b1f")
    assert message(task).traceparent == TRACE


def test_a_raw_message_of_sns_is_a_task(dock: QueueOfSqs, topic: str) -> None:
    subscribe(dock, topic, raw=True)
    publish(dock, topic, {"order": 42}, {"task": "invoice.render", "traceparent": TRACE})

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42])
    assert task.id == task_key("message", dock.name, str(message(task).extensions["originid"]))
    assert message(task).traceparent == TRACE


@pytest.fixture
def bus(dock: QueueOfSqs) -> Iterator[Any]:
    events = client("events", dock.url)
    events.put_rule(Name=dock.name, EventPattern=json.dumps({"source": [dock.name]}))
    events.put_targets(Rule=dock.name, Targets=[{"Id": "queue", "Arn": dock.arn}])
    yield events
    events.remove_targets(Rule=dock.name, Ids=["queue"])
    events.delete_rule(Name=dock.name)


def test_an_event_of_eventbridge_is_the_task_bound_to_it(dock: QueueOfSqs, bus: Any) -> None:
    detail = json.dumps({"order": 42, "copies": 2})
    put = {"Source": dock.name, "DetailType": "order.placed", "Detail": detail}
    sent = bus.put_events(Entries=[put])["Entries"][0]["EventId"]

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42, 42])
    assert task.id == task_key("event", dock.name, "invoice.render", dock.name, sent)


@pytest.fixture
def bucket(dock: QueueOfSqs) -> Iterator[str]:
    s3 = client("s3", dock.url)
    s3.create_bucket(Bucket=dock.name)
    to = [{"QueueArn": dock.arn, "Events": ["s3:ObjectCreated:*"]}]
    s3.put_bucket_notification_configuration(
        Bucket=dock.name, NotificationConfiguration={"QueueConfigurations": to}
    )
    yield dock.name
    for each in s3.list_objects_v2(Bucket=dock.name).get("Contents", []):
        s3.delete_object(Bucket=dock.name, Key=each["Key"])
    s3.delete_bucket(Bucket=dock.name)


def test_an_object_put_into_a_bucket_is_a_task_and_the_test_of_s3_is_none(
    dock: QueueOfSqs, bucket: str
) -> None:
    client("s3", dock.url).put_object(Bucket=bucket, Key="in box/a+b.txt", Body=b"x")

    (task,) = dock.works(2)

    assert (task.spec.name, result(task)) == ("store", ["in box/a+b.txt"])
    assert dock.letters() == []


# ------------------------------------------------------------------------------- what lies in S3


@dataclass
class Shelf:
    """The bucket named like the queue, which may fetch what is below `large`."""

    bucket: str
    client: Any

    def put(self, key: str, content: object) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(content).encode())


@pytest.fixture
def shelf(dock: QueueOfSqs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", dock.url)
    made = Shelf(dock.name, client("s3", dock.url))
    made.client.create_bucket(Bucket=made.bucket)
    yield made
    for each in made.client.list_objects_v2(Bucket=made.bucket).get("Contents", []):
        made.client.delete_object(Bucket=made.bucket, Key=each["Key"])
    made.client.delete_bucket(Bucket=made.bucket)


def point(dock: QueueOfSqs, bucket: str, key: str, of: str, mark: str) -> str:
    """Send what Amazon's extended client sends: where it is, and its size as a number."""
    body = json.dumps([of, {"s3BucketName": bucket, "s3Key": key}])
    sent = client("sqs", dock.url).send_message(
        QueueUrl=dock.queue_url,
        MessageBody=body,
        MessageAttributes={mark: {"DataType": "Number", "StringValue": "300000"}},
    )
    return str(sent["MessageId"])


NEW: Final = ("software.amazon.payloadoffloading.PayloadS3Pointer", "ExtendedPayloadSize")
LEGACY: Final = ("com.amazon.sqs.javamessaging.MessageS3Pointer", "SQSLargePayloadSize")


@pytest.mark.parametrize("kind", [NEW, LEGACY], ids=["new", "legacy"])
def test_a_message_of_the_extended_client_is_the_task_that_lies_in_s3(
    shelf: Shelf, dock: QueueOfSqs, kind: tuple[str, str]
) -> None:
    shelf.put("large/in box/7b1f", {"order": 42})
    message_id = point(dock, shelf.bucket, "large/in box/7b1f", *kind)

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("ship", "shipped 42")
    assert task.id == task_key("message", dock.name, message_id)
    assert len(task.spec.body) < 1000


def test_an_event_whose_data_lie_in_s3_is_a_task_with_them(shelf: Shelf, dock: QueueOfSqs) -> None:
    shelf.put("large/7b1f", {"order": 42, "copies": 2})
    send_by_boto3(dock, json.dumps(event(dataref=f"s3://{shelf.bucket}/large/7b1f")))

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42, 42])
    assert task.id == task_key("event", dock.name, "invoice.render", "/billing", "7b1f")


def test_a_place_that_is_not_allowed_makes_a_dead_letter_though_it_can_be_read(
    shelf: Shelf, dock: QueueOfSqs
) -> None:
    shelf.put("secret", {"order": 41})
    shelf.put("large/7b1f", {"order": 42})
    point(dock, shelf.bucket, "secret", *NEW)
    point(dock, shelf.bucket, "large/../secret", *NEW)
    point(dock, shelf.bucket, "large/7b1f", *NEW)

    (task,) = dock.works(3)

    details = [letter.detail or "" for letter in dock.letters()]
    assert result(task) == "shipped 42"
    assert len(details) == 2
    assert any("which its queue does not allow (fetch_from)" in one for one in details)
    assert any("has a step such as '..' in it" in one for one in details)


def test_an_object_that_is_gone_makes_a_dead_letter(shelf: Shelf, dock: QueueOfSqs) -> None:
    send_by_boto3(dock, json.dumps(event(dataref=f"s3://{shelf.bucket}/large/gone")))

    tasks = dock.works()

    (letter,) = dock.letters()
    assert (tasks, letter.reason) == ([], "decode")
    assert "NoSuchKey" in (letter.detail or "")


# ------------------------------------------------------------------------------------ by Celery


def test_a_task_of_celerys_own_client_is_a_task(dock: QueueOfSqs) -> None:
    sent = send_by_celery(
        dock,
        name="invoice.render",
        args=[42],
        kwargs={"copies": 2},
        headers={"traceparent": TRACE},
    )

    (task,) = dock.works()

    assert (task.spec.name, result(task)) == ("invoice.render", [42, 42])
    assert task.id == task_key("event", dock.name, "invoice.render", "urn:celery", sent)
    assert message(task).traceparent == TRACE


def test_a_task_of_celerys_in_pickle_is_a_dead_letter(dock: QueueOfSqs) -> None:
    send_by_celery(dock, name="invoice.render", args=[42], serializer="pickle")

    tasks = dock.works()

    (letter,) = dock.letters()
    assert (tasks, letter.reason) == ([], "decode")
    assert "application/x-python-serialize" in (letter.detail or "")
