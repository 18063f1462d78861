"""How a context travels: across lost workers, samplers, systems and other producers' messages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.instrumentation import botocore as instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

from longshore.identity import TaskId
from longshore.message import Message
from longshore.protocol import Claim
from longshore.queue import Outgoing
from longshore.settings import Settings
from longshore.telemetry import TelemetryOptions
from longshore.telemetry.carrier import creation_of, of_body, to_xray
from tests.telemetry.observed import observed

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore.client import Enqueued

XRAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
W3C = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"


@pytest.fixture
def memory() -> Settings:
    return Settings.load(url=f"memory://{uuid4()}")


async def test_an_attempt_is_linked_to_the_one_that_another_worker_lost(memory: Settings) -> None:
    async with observed(memory) as app:

        async def job() -> None:
            return None

        app.task(job)
        (task,) = await app.enqueue("job")
        (row,) = await app.ports.task_log.get([task.id])
        assert row is not None
        claim = Claim(
            spec=row.spec,
            claim_id="lost",
            worker="lost",
            lease=timedelta(milliseconds=-5000),
            due_at=row.due_at,
        )
        await app.ports.task_log.claim([claim])
        await app.work(task)
        (send,) = app.spans("send default")
        (process,) = app.spans("process default")

    assert process.parent is None
    assert send.context is not None
    linked = {link.context.span_id: link.context.trace_id for link in process.links}
    assert len(linked) == 2
    assert linked[send.context.span_id] == send.context.trace_id
    # A first attempt is its creation's child, so the one that was lost is in that trace too.
    assert set(linked.values()) == {send.context.trace_id}


async def test_every_attempt_is_sampled_with_its_creation_or_not_at_all(memory: Settings) -> None:
    options = TelemetryOptions(children=False)
    async with observed(memory, sampler=ParentBasedTraceIdRatio(0.5), options=options) as app:

        async def job() -> None:
            return None

        app.task(job)
        for _ in range(40):
            await app.enqueue("job")
        await app.work(concurrency=10)
        sent = {one.context.span_id for one in app.spans("send default") if one.context}
        processed = app.spans("process default")

    linked = {link.context.span_id for one in processed for link in one.links}
    assert 0 < len(sent) < 40
    assert linked == sent


async def test_what_is_not_sampled_goes_on_with_its_trace_and_is_exported_nowhere(
    memory: Settings,
) -> None:
    async with observed(memory, sampler=ParentBasedTraceIdRatio(0)) as app:
        seen: list[tuple[int, bool]] = []
        inner: list[Enqueued] = []

        def note() -> None:
            current = trace.get_current_span()
            context = current.get_span_context()
            seen.append((context.trace_id, context.trace_flags.sampled))
            with app.tracer.start_as_current_span("inside") as inside:
                assert not inside.is_recording()

        async def outer() -> None:
            note()
            inner.extend(await app.enqueue("leaf"))

        async def leaf() -> None:
            note()

        app.task(outer)
        app.task(leaf)
        (task,) = await app.enqueue("outer")
        (row,) = await app.ports.task_log.get([task.id])
        await app.work(task)
        await app.work(*inner)
        exported = app.spans()

    assert row is not None
    created = of_body(row.body or b"")
    assert created is not None
    assert seen == [(int(created[3:35], 16), False)] * 2
    assert exported == []


async def test_listed_baggage_reaches_the_handler_and_no_other(memory: Settings) -> None:
    async with observed(memory, options=TelemetryOptions(baggage=("tenant",))) as app:
        seen: list[object] = []

        async def job() -> None:
            seen.append(dict(baggage.get_all()))

        app.task(job)
        context = baggage.set_baggage("tenant", "acme & sons")
        token = otel_context.attach(baggage.set_baggage("secret", "no", context))
        (task,) = await app.enqueue("job")
        otel_context.detach(token)
        await app.work(task)

    assert seen == [{"tenant": "acme & sons"}]


def test_the_header_of_xray_is_read_where_there_is_no_other_and_written_alike() -> None:
    message = Message(id="1", type="job")

    carrier = creation_of(message, {"awstraceheader": XRAY})
    own = creation_of(Message(id="1", type="job", traceparent=W3C), {"awstraceheader": "nonsense"})

    assert carrier is not None
    assert own is not None
    assert (carrier.traceparent, own.traceparent) == (W3C, W3C)
    assert to_xray(W3C) == XRAY
    assert creation_of(message, {"awstraceheader": "nonsense"}) is None


@pytest.mark.parametrize("wanted", [True, False])
async def test_sqs_carries_the_header_of_xray_where_it_is_asked_for(
    localstack_url: str, aws_environment: None, *, wanted: bool
) -> None:
    name = f"t{uuid4().hex[:12]}"
    url = f"sqs://?endpoint_url={localstack_url}&prefix={name}-"
    settings = Settings.load(url=f"memory://{name}", queue_url=url)
    async with observed(settings, options=TelemetryOptions(xray=wanted)) as app:
        body = b'{"id":"1","traceparent":"%b","data":{}}' % W3C.encode()
        await app.ports.queue("default").send([Outgoing(key=TaskId("k"), body=body)])
        (came,) = await app.ports.queue("default").receive(
            limit=1, wait=timedelta(seconds=10), lease=timedelta(seconds=30)
        )

    found = {name.lower(): value for name, value in came.attributes.items()}
    assert (found.get("awstraceheader") == XRAY) is wanted


@pytest.fixture
def others() -> Generator[InMemorySpanExporter]:
    """What botocore's own instrumentation makes, while it is there."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    made: Any = instrumentation
    instrumentors = (made.BotocoreInstrumentor(), made.AiobotocoreInstrumentor())
    for each in instrumentors:
        each.instrument(tracer_provider=provider)
    yield exporter
    for each in instrumentors:
        each.uninstrument()


async def test_our_own_requests_have_no_spans_of_botocore_and_a_handlers_have(
    localstack_url: str, aws_environment: None, others: InMemorySpanExporter
) -> None:
    name = f"t{uuid4().hex[:12]}"
    url = f"sqs://?endpoint_url={localstack_url}&prefix={name}-"
    settings = Settings.load(url=f"memory://{name}", queue_url=url)
    async with observed(settings) as app:
        sdk: Any = boto3  # so many overloads are no help

        def job() -> None:
            sdk.client("sqs", endpoint_url=localstack_url).list_queues(QueueNamePrefix=name)

        app.task(job)
        others.clear()
        (task,) = await app.enqueue("job")
        await app.work(task)
        made = others.get_finished_spans()
        (process,) = app.spans("process default")

    assert [span.name for span in made] == ["SQS.ListQueues"]
    (listed,) = made
    assert listed.parent is not None
    assert process.context is not None
    assert listed.parent.span_id == process.context.span_id
