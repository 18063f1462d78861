from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3.session
import pytest

from longshore import Longshore
from longshore.clock import SystemClock
from longshore.errors import (
    ClosedError,
    ConfigurationError,
    LongshoreError,
    UnavailableError,
    UnsupportedError,
)
from longshore.identity import TaskIds
from longshore.priority import URGENT
from longshore.queue import Outgoing, Rejection, SupportsDeadLetters, SupportsNativeRedrive
from longshore.registry import SupportsExamination, SupportsRehearsal, SupportsSyncSend
from longshore_adapters.sqs import ADAPTER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from types_boto3_sqs import SQSClient

    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend

pytestmark = pytest.mark.once

LEASE = timedelta(minutes=1)
WAIT = timedelta(seconds=2)
NOW = timedelta(0)


@pytest.fixture
def url(localstack_url: str, aws_environment: None) -> str:
    return f"sqs://?endpoint_url={localstack_url}"


@pytest.fixture
async def backend(url: str) -> AsyncIterator[Backend]:
    async with ADAPTER.open(url, SystemClock()) as backend:
        yield backend


@pytest.fixture
def raw(localstack_url: str, aws_environment: None) -> SQSClient:
    session: Any = boto3.session.Session()
    client: SQSClient = session.client("sqs", endpoint_url=localstack_url)
    return client


@pytest.fixture
def name() -> str:
    return f"server-{uuid4().hex[:12]}"


@pytest.fixture
async def queue(backend: Backend, name: str) -> AsyncIterator[Queue]:
    queue = queue_of(backend, name)
    await queue.declare()
    yield queue
    await queue.delete()


def queue_of(backend: Backend, name: str) -> Queue:
    assert backend.queue is not None
    return backend.queue(name)


def message(body: bytes = b"{}") -> Outgoing:
    return Outgoing(key=TaskIds()(), body=body)


async def take(queue: Queue, count: int = 1) -> list[Delivery]:
    taken: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(taken) < count:
            taken += await queue.receive(limit=count - len(taken), wait=WAIT, lease=LEASE)
    return taken


def calls_of(backend: Backend) -> Counter[str]:
    assert backend.calls is not None
    return Counter(backend.calls())


async def test_an_idle_queue_costs_one_call_for_a_wait_and_no_short_poll(
    backend: Backend, queue: Queue
) -> None:
    before = calls_of(backend)

    assert await queue.receive(limit=10, wait=WAIT, lease=LEASE) == []

    cost = calls_of(backend) - before
    assert cost == {"ReceiveMessage": 1, "ReceiveMessage.empty": 1}


async def test_a_receive_without_a_wait_asks_every_server_for_a_second(
    backend: Backend, queue: Queue
) -> None:
    started = asyncio.get_running_loop().time()

    assert await queue.receive(limit=10, wait=NOW, lease=LEASE) == []

    assert 0.5 < asyncio.get_running_loop().time() - started < 5
    assert calls_of(backend)["ReceiveMessage.short"] == 0


async def test_at_full_load_a_task_costs_a_third_of_a_call(backend: Backend, queue: Queue) -> None:
    count = 300
    before = calls_of(backend)

    await asyncio.gather(*(queue.send([message()]) for _ in range(count)))
    taken = 0
    while taken < count:
        held = await queue.receive(limit=100, wait=WAIT, lease=LEASE)
        await asyncio.gather(*(queue.ack([each]) for each in held))
        taken += len(held)

    cost = calls_of(backend) - before
    assert cost["ReceiveMessage.short"] == 0
    calls = sum(cost[each] for each in ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"))
    assert calls / count <= 0.35


async def test_a_group_that_is_alone_does_not_pay_for_messages_that_must_wait(
    backend: Backend, name: str
) -> None:
    queue = queue_of(backend, f"{name}.fifo")
    await queue.declare()
    await queue.send([Outgoing(key=TaskIds()(), body=b"%d" % n, group="g") for n in range(20)])
    before = calls_of(backend)

    bodies: list[bytes] = []
    while len(bodies) < 20:
        [held] = await queue.receive(limit=10, wait=WAIT, lease=LEASE)
        bodies.append(held.body)
        await queue.ack([held])

    assert bodies == [b"%d" % n for n in range(20)]
    assert (calls_of(backend) - before)["ChangeMessageVisibilityBatch"] <= 8
    await queue.delete()


async def test_concurrent_extensions_share_requests(backend: Backend, queue: Queue) -> None:
    await queue.send([message() for _ in range(10)])
    held = await take(queue, 10)
    before = calls_of(backend)

    await asyncio.gather(*(queue.extend([each], lease=LEASE) for each in held))

    assert (calls_of(backend) - before)["ChangeMessageVisibilityBatch"] <= 2


async def test_what_a_cancelled_receive_brings_is_for_the_next(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.receive(limit=1, wait=WAIT * 10, lease=LEASE))
    await asyncio.wait({waiting}, timeout=0.2)
    waiting.cancel()
    await asyncio.wait({waiting})

    await queue.send([message(b"late")])
    [delivery] = await take(queue)

    assert (delivery.body, delivery.receives) == (b"late", 1)
    assert delivery.lease_until is not None
    left = delivery.lease_until - datetime.now(UTC)
    assert LEASE - timedelta(seconds=5) < left <= LEASE


async def test_what_nobody_comes_for_is_given_back_long_before_its_lease_ends(
    url: str, queue: Queue
) -> None:
    waiting = asyncio.create_task(queue.receive(limit=1, wait=WAIT * 10, lease=LEASE))
    await asyncio.wait({waiting}, timeout=0.2)
    waiting.cancel()
    await asyncio.wait({waiting})

    async with ADAPTER.open(url, SystemClock()) as other:
        await queue_of(other, queue.name).send([message(b"late")])
        async with asyncio.timeout(10):
            [delivery] = await take(queue_of(other, queue.name))

    assert delivery.body == b"late"


async def test_closing_gives_back_what_a_last_poll_brings(url: str, queue: Queue) -> None:
    async with ADAPTER.open(url, SystemClock()) as leaving:
        theirs = queue_of(leaving, queue.name)
        waiting = asyncio.create_task(theirs.receive(limit=1, wait=WAIT * 10, lease=LEASE))
        await asyncio.wait({waiting}, timeout=0.2)
        waiting.cancel()
        await asyncio.wait({waiting})
        await queue.send([message(b"left")])

    async with asyncio.timeout(10):
        assert [each.body for each in await take(queue)] == [b"left"]


async def test_what_a_lower_band_brought_is_given_back_where_it_is_not_wanted(
    url: str, name: str
) -> None:
    async with ADAPTER.open(f"{url}&bands=10", SystemClock()) as backend:
        queue = queue_of(backend, name)
        await queue.declare()
        await queue.send([message(b"low")])
        urgent = Outgoing(key=TaskIds()(), body=b"high", priority=URGENT)
        await queue.send([urgent])

        high = await queue.receive(limit=1, wait=WAIT, lease=LEASE)
        async with asyncio.timeout(10), ADAPTER.open(f"{url}&bands=10", SystemClock()) as other:
            low = await take(queue_of(other, name))

        assert [each.body for each in (*high, *low)] == [b"high", b"low"]
        assert await queue.ack([*high, *low]) == [None, None]
        await queue.delete()


async def test_a_foreign_message_comes_with_its_attributes_and_without_a_key(
    queue: Queue, raw: SQSClient
) -> None:
    sent = raw.send_message(
        QueueUrl=raw.get_queue_url(QueueName=queue.name)["QueueUrl"],
        MessageBody='{"order": 42}',
        MessageAttributes={
            "task": {"DataType": "String", "StringValue": "invoice.render"},
            "size": {"DataType": "Number", "StringValue": "3"},
        },
        MessageGroupId="tenant",
    )

    [delivery] = await take(queue)

    assert (delivery.body, delivery.key, delivery.group) == (b'{"order": 42}', None, "tenant")
    assert delivery.message_id == sent["MessageId"]
    assert delivery.attributes == {"task": "invoice.render", "size": "3"}


async def test_declared_queues_have_what_the_doctor_looks_for(
    queue: Queue, raw: SQSClient, url: str
) -> None:
    assert isinstance(ADAPTER, SupportsExamination)
    address = raw.get_queue_url(QueueName=queue.name)["QueueUrl"]

    attributes: Any = raw.get_queue_attributes(QueueUrl=address, AttributeNames=["All"])
    policy = json.loads(attributes["Attributes"]["RedrivePolicy"])

    assert policy["maxReceiveCount"] in {100, "100"}
    assert policy["deadLetterTargetArn"].endswith(f":{queue.name}-dlq")
    assert [each.verdict for each in ADAPTER.examine(url, [queue.name])] == ["ok"]


async def test_a_queue_that_somebody_else_made_is_used_and_its_faults_are_found(
    backend: Backend, raw: SQSClient, url: str, name: str
) -> None:
    raw.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "3600"})
    queue = queue_of(backend, name)

    made = await queue.declare()
    findings = ADAPTER.examine(url, [name, "not there", "absent"])

    assert made is False
    said = {(each.name, each.verdict) for each in findings if each.step}
    assert (f"SQS queue {name}", "fail") in said
    assert ("SQS queue not there", "fail") in said
    assert ("SQS queue absent", "fail") in said
    text = " ".join(each.text for each in findings)
    assert "no redrive policy" in text
    assert "does not exist" in text
    await queue.delete()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"VisibilityTimeout": "5"}, "its own visibility timeout is 5 s"),
        ({"MessageRetentionPeriod": "3600"}, "and the URL says 4 days"),
        ({"RedrivePolicy": ""}, "it has no redrive policy"),
        ({"RedrivePolicy": "-dlq 5"}, "gives messages up after 5 receives"),
        ({"RedrivePolicy": " 100"}, "where nobody looks"),
        ({"MaximumMessageSize": "1024"}, "messages of 1024 bytes only"),
        ({"DelaySeconds": "3"}, "every message waits 3 s"),
    ],
    ids=["visibility", "retention", "policy", "receives", "target", "size", "delay"],
)
async def test_what_somebody_changed_is_found_by_the_doctor_and_left_as_it_is(
    queue: Queue, raw: SQSClient, url: str, changed: Any, said: str
) -> None:
    address = raw.get_queue_url(QueueName=queue.name)["QueueUrl"]
    if policy := changed.get("RedrivePolicy"):
        suffix, receives = policy.split(" ")
        arn = f"arn:aws:sqs:us-east-1:000000000000:{queue.name}{suffix}"
        target = {"deadLetterTargetArn": arn, "maxReceiveCount": int(receives)}
        changed = {"RedrivePolicy": json.dumps(target)}
    raw.set_queue_attributes(QueueUrl=address, Attributes=changed)

    findings = ADAPTER.examine(url, [queue.name])
    made = await queue.declare()

    assert made is False
    assert any(said in each.text and each.step for each in findings), findings
    assert ADAPTER.examine(url, [queue.name]) == findings


async def test_deinit_spares_the_queues_of_an_application_whose_prefix_begins_alike(
    raw: SQSClient, url: str, name: str
) -> None:
    async with ADAPTER.open(f"{url}&prefix={name}-eu-", SystemClock()) as backend:
        theirs = queue_of(backend, "theirs")
        await theirs.declare()

        said = ADAPTER.deinit(f"{url}&prefix={name}-")

        left = raw.list_queues(QueueNamePrefix=name)["QueueUrls"]
        assert said == []
        assert len(left) == 2
        await theirs.delete()


async def test_a_message_that_sqs_moved_itself_is_listed_and_redriven(
    queue: Queue, raw: SQSClient
) -> None:
    address = raw.get_queue_url(QueueName=queue.name)["QueueUrl"]
    dead = raw.get_queue_url(QueueName=f"{queue.name}-dlq")["QueueUrl"]
    arn: Any = raw.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": "1"}
    raw.set_queue_attributes(QueueUrl=address, Attributes={"RedrivePolicy": json.dumps(policy)})
    await queue.send([message(b"poison")])
    assert isinstance(queue, SupportsDeadLetters)
    await queue.receive(limit=1, wait=WAIT, lease=timedelta(seconds=1))

    async with asyncio.timeout(15):
        while not (letters := await queue.dead_letters(limit=10)):
            await queue.receive(limit=1, wait=NOW, lease=LEASE)

    assert [(each.reason, each.body) for each in letters] == [("undeliverable", b"poison")]
    assert await queue.redrive([letters[0].id]) == [None]
    [back] = await take(queue)
    assert (back.body, back.key) == (b"poison", letters[0].key)


async def test_sqs_itself_sends_dead_letters_back_with_their_stamps(queue: Queue) -> None:
    await queue.send([message(b"again")])
    [held] = await take(queue)
    await queue.reject([Rejection(delivery=held, reason="error", stamp=4)])
    assert isinstance(queue, SupportsNativeRedrive)

    said = await queue.redrive_all(rate=100)

    assert said.startswith("task ")
    [back] = await take(queue)
    assert (back.body, back.key, back.attributes) == (b"again", held.key, {"stamp": "4"})
    with pytest.raises(UnsupportedError, match="500"):
        await queue.redrive_all(rate=501)


async def test_a_sender_sends_from_any_thread_in_requests_of_ten(url: str, queue: Queue) -> None:
    assert isinstance(ADAPTER, SupportsSyncSend)
    answers: list[list[LongshoreError | None]] = []
    with ADAPTER.open_sender(url, SystemClock()) as sender:

        def send() -> None:
            bad = Outgoing(key=TaskIds()(), body=b"{}", priority=URGENT)
            answers.append(sender.send(queue.name, [*(message() for _ in range(12)), bad]))

        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)

    assert [answer[:12] for answer in answers] == [[None] * 12] * 3
    assert all(isinstance(answer[12], UnsupportedError) for answer in answers)
    assert len(await take(queue, 36)) == 36
    with pytest.raises(ClosedError):
        sender.send(queue.name, [message()])


async def test_no_thread_is_begun_for_rows_that_nobody_keeps(url: str, queue: Queue) -> None:
    app = Longshore(url=url, log_url="null://", queue=queue.name)
    task = app.task(name="job")(lambda: None)

    def enqueue() -> list[str]:
        try:
            task.enqueue()
            return [each.name for each in threading.enumerate()]
        finally:
            app.close()

    names = await asyncio.to_thread(enqueue)

    assert "longshore-client" not in names
    assert len(await take(queue)) == 1


FORKING = """
import os, sys, asyncio
from longshore.clock import SystemClock
from longshore.errors import ConfigurationError
from longshore.identity import TaskIds
from longshore.queue import Outgoing
from longshore_adapters.sqs import ADAPTER

url, name = sys.argv[1:]
with ADAPTER.open_sender(url, SystemClock()) as sender:
    sender.send(name, [Outgoing(key=TaskIds()(), body=b"parent")])
    child = os.fork()
    if not child:
        sender.send(name, [Outgoing(key=TaskIds()(), body=b"child")])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

async def refused():
    async with ADAPTER.open(url, SystemClock()) as backend:
        queue = backend.queue(name)
        await queue.depth()
        child = os.fork()
        if not child:
            try:
                await queue.depth()
            except ConfigurationError as error:
                os._exit(0 if "before a fork" in str(error) else 2)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0

asyncio.run(refused())
"""


async def test_a_fork_gets_a_client_of_its_own_or_is_told_to(url: str, queue: Queue) -> None:
    words = [sys.executable, "-c", FORKING, url, queue.name]

    ran = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, check=False, text=True, timeout=50
    )

    assert ran.returncode == 0, ran.stderr
    assert {each.body for each in await take(queue, 2)} == {b"parent", b"child"}


async def test_credentials_that_end_are_renewed(
    moto_url: str, asked_for_credentials: Callable[[], int], name: str
) -> None:
    url = f"sqs://?endpoint_url={moto_url}&profile=short"
    async with ADAPTER.open(url, SystemClock()) as backend:
        queue = queue_of(backend, name)
        await queue.declare()
        asked = asked_for_credentials()

        assert await queue.send([message()]) == [None]

        assert asked_for_credentials() > asked >= 1
        await queue.delete()


async def test_credentials_that_cannot_be_had_are_asked_for_again(
    localstack_url: str,
    aws_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    script = tmp_path / "credentials.py"
    script.write_text("raise SystemExit('the vault is sealed')\n")
    config = tmp_path / "config"
    config.write_text(f"[profile sealed]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    url = f"sqs://?endpoint_url={localstack_url}&profile=sealed"

    async with ADAPTER.open(url, SystemClock()) as backend:
        queue = queue_of(backend, name)
        with pytest.raises(UnavailableError, match="the vault is sealed"):
            await queue.depth()
        said = json.dumps({"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test"})
        script.write_text(f"print({said!r})\n")

        assert await queue.declare() is True
        await queue.delete()


async def test_a_role_is_assumed_for_every_call(
    moto_url: str, aws_environment: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_url)
    role = "arn:aws:iam::210987654321:role/worker"
    url = f"sqs://?endpoint_url={moto_url}&role_arn={role}&external_id=theirs"

    async with ADAPTER.open(url, SystemClock()) as backend:
        queue = queue_of(backend, name)
        await queue.declare()
        with ADAPTER.open_sender(url, SystemClock()) as sender:
            answers = await asyncio.to_thread(sender.send, name, [message(b"assumed")])
        assert answers == [None]
        assert [each.body for each in await take(queue)] == [b"assumed"]
        # moto keeps the queues of each account apart, so they are the role's.
        async with ADAPTER.open(f"sqs://?endpoint_url={moto_url}", SystemClock()) as ours:
            with pytest.raises(LongshoreError, match="does not exist"):
                await queue_of(ours, name).depth()
        await queue.delete()


async def test_without_a_region_or_a_profile_opening_says_what_to_set(
    aws_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="profile"):
        async with ADAPTER.open("sqs://?profile=absent", SystemClock()):
            pass
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(ConfigurationError, match="no AWS region is set"):
        async with ADAPTER.open("sqs://", SystemClock()):
            pass


async def test_without_the_sdk_opening_says_what_to_install(
    aws_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore.session", None)
    monkeypatch.setitem(sys.modules, "boto3.session", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'longshore\[sqs\]'"):
        async with ADAPTER.open("sqs://?region=us-east-1", SystemClock()):
            pass
    with (
        pytest.raises(ConfigurationError, match=r"pip install 'longshore\[sqs\]'"),
        ADAPTER.open_sender("sqs://?region=us-east-1", SystemClock()),
    ):
        pass


def test_importing_the_adapter_does_not_import_the_sdk() -> None:
    code = (
        "import sys, longshore_adapters.sqs;"
        "sys.exit(bool({'boto3', 'botocore', 'aiobotocore', 'aiohttp'} & set(sys.modules)))"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)

    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_rehearsal_needs_no_server_and_no_credentials(
    aws_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert isinstance(ADAPTER, SupportsRehearsal)

    with ADAPTER.rehearsal() as url:
        assert url == "memory://"
