"""Whole programs that export: a producer, and workers, to a real OTLP receiver, or to none."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from longshore.settings import Settings
from longshore.telemetry.instruments import MESSAGE_STATES
from longshore.wiring import open_ports
from tests.telemetry.collector import collector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from longshore.queue import Queue

pytestmark = [pytest.mark.once, pytest.mark.timeout(180)]

SHOP = """
import logging
import os

from opentelemetry import trace

from longshore import Longshore, Context

app = Longshore(url=os.environ.get("LONGSHORE_URL", "sqlite:///tasks.db"))
log = logging.getLogger("shop")


@app.task
async def render(ctx: Context, number: int) -> str:
    log.warning("rendering %d", number)
    with trace.get_tracer("shop").start_as_current_span("inner"):
        return f"{os.getpid()} {ctx.trace_id}"


def draw(number: int) -> None:
    log.warning("drawing %d", number)
    with trace.get_tracer("shop").start_as_current_span("in a child"):
        pass


app.task(draw, executor="process")
"""
PRODUCE = """
import sys
from shop import app, render
if "draw" in sys.argv:
    app.enqueue("draw", 1)
else:
    render.enqueue(1)
    app.enqueue_many(render.message(n) for n in range(2, 5))
"""

LATER = """
from datetime import timedelta
from longshore import EnqueueOptions
from shop import app
app.enqueue("render", 7, options=EnqueueOptions(delay=timedelta(milliseconds=1)))
"""
ONE = """
from shop import render
print(render.enqueue(7).id)
"""

OWN = """
import os
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

theirs = {"endpoint": os.environ["THEIRS"], "insecure": True}
resource = Resource.create({"service.name": "theirs"})
tracers = TracerProvider(resource=resource)
tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(**theirs)))
trace.set_tracer_provider(tracers)
meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(**theirs))], resource)
metrics.set_meter_provider(meters)
from shop import app, render
render.enqueue(1)
app.session.drain()
app.close()
assert trace.get_tracer_provider() is tracers
assert metrics.get_meter_provider() is meters
with tracers.get_tracer("theirs").start_as_current_span("afterwards"):
    meters.get_meter("theirs").create_counter("theirs").add(1)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "produce.py").write_text(PRODUCE)
    (tmp_path / "later.py").write_text(LATER)
    (tmp_path / "one.py").write_text(ONE)
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


@pytest.fixture
def rabbitmq(rabbitmq_url: str, shop: Path) -> Generator[dict[str, str]]:
    """A queue on a broker that delays nothing, so that a delay is the scheduler's to end."""
    told = {
        "LONGSHORE_URL": f"sqlite:///{shop}/tasks.db",
        "LONGSHORE_QUEUE_URL": f"{rabbitmq_url}?prefix=t{uuid4().hex[:12]}-",
    }

    async def each(verb: Callable[[Queue], Awaitable[object]]) -> None:
        urls = {name.removeprefix("LONGSHORE_").lower(): url for name, url in told.items()}
        async with open_ports(Settings.load(**urls)) as ports:
            await verb(ports.queue("default"))

    asyncio.run(each(lambda queue: queue.declare()))
    yield told
    asyncio.run(each(lambda queue: queue.delete()))


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
        "PYTHONPATH": str(folder),
        **more,
    }
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )


def work(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "longshore", "work", "--app", "shop:app", "--once", *words, **more)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_spans_metrics_and_logs_of_a_producer_and_a_worker_arrive(
    shop: Path, protocol: str
) -> None:
    with collector(protocol) as collected:
        run(shop, "produce.py", **collected.environment)
        ended = work(shop, **collected.environment)

    names = sorted(span.name for span in collected.spans)
    processed = [span for span in collected.spans if span.name == "process default"]
    assert names.count("create default") == 3
    assert names.count("send default") == 2
    assert len(processed) == 4, ended.stderr
    inner = {span.parent_span_id for span in collected.spans if span.name == "inner"}
    assert inner == {span.span_id for span in processed}
    sent = {span.span_id for span in collected.spans if span.kind == span.SPAN_KIND_PRODUCER}
    assert {span.parent_span_id for span in processed} == sent
    attempts = collected.metrics["longshore.task.attempts"][-1].sum.data_points
    assert sum(point.as_double or point.as_int for point in attempts) == 4
    took = collected.metrics["messaging.process.duration"][-1].histogram.data_points
    assert [point.count for point in took] == [4]
    written = [one for one in collected.logs if one.body.string_value.startswith("rendering")]
    assert {one.span_id for one in written} == {span.span_id for span in processed}
    said = {each.key for each in written[0].attributes}
    assert {"longshore.task_id", "longshore.task", "longshore.attempt"} <= said


def test_worker_processes_each_export_what_they_did(shop: Path) -> None:
    with collector("grpc") as collected:
        run(shop, "produce.py")
        work(shop, "--processes", "2", **collected.environment)

    processed = [span for span in collected.spans if span.name == "process default"]
    instances = {
        each.value.string_value
        for request in collected.requests["traces"]
        for resource in request.resource_spans
        for each in resource.resource.attributes
        if each.key == "service.instance.id"
    }
    services = {
        each.value.string_value
        for request in collected.requests["traces"]
        for resource in request.resource_spans
        for each in resource.resource.attributes
        if each.key == "service.name"
    }
    assert services == {"longshore"}
    assert len(processed) == 4
    assert instances
    assert all(instance.rpartition(":")[2].isdigit() for instance in instances)


def test_what_a_handler_does_in_a_child_process_is_under_its_attempt(shop: Path) -> None:
    with collector("grpc") as collected:
        run(shop, "produce.py", "draw", **collected.environment)
        work(shop, **collected.environment)
        end = time.monotonic() + 20
        while not any(one.name == "in a child" for one in collected.spans):
            assert time.monotonic() < end, [one.name for one in collected.spans]
            time.sleep(0.05)  # the child's last spans may come behind the worker's

    (inner,) = (span for span in collected.spans if span.name == "in a child")
    (attempt,) = (span for span in collected.spans if span.name == "process default")
    assert (inner.trace_id, inner.parent_span_id) == (attempt.trace_id, attempt.span_id)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_never_answers_keeps_no_worker_from_ending(
    shop: Path, protocol: str
) -> None:
    run(shop, "produce.py")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never reads
        dead = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        began = time.monotonic()
        ended = work(shop, **dead)
        took = time.monotonic() - began

    assert "4 done" in ended.stderr
    assert took < 30


def test_nothing_of_opentelemetry_is_imported_unless_it_is_asked_for(shop: Path) -> None:
    program = "import sys, longshore; print([n for n in sys.modules if 'opentelemetry' in n])"

    said = run(shop, "-c", program)

    assert said.stdout.strip() == "[]"


def test_a_log_in_json_names_task_attempt_trace_and_span(shop: Path) -> None:
    run(shop, "produce.py")

    ended = work(shop, "--log-format", "json", OTEL_TRACES_EXPORTER="console")

    records = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    (one,) = (record for record in records if record["text"] == "rendering 1")
    assert {"task_id", "trace_id", "span_id"} <= one.keys()
    assert (one["task"], one["queue"], one["attempt"]) == ("render", "default", 1)
    begun = [record for record in records if record.get("kind") == "processing"]
    assert one["trace_id"] in {record["trace_id"] for record in begun}


def test_a_log_for_people_names_them_too(shop: Path) -> None:
    run(shop, "produce.py")

    ended = work(shop)

    (line,) = (line for line in ended.stderr.splitlines() if "rendering 1" in line)
    assert "task=render queue=default attempt=1" in line


def test_a_scheduler_alone_exports_its_lag_and_what_it_publishes(
    shop: Path, rabbitmq: dict[str, str]
) -> None:
    with collector("grpc") as collected:
        run(shop, "later.py", **rabbitmq, **collected.environment)
        run(shop, "-m", "longshore", "schedule", "--once", **rabbitmq, **collected.environment)

    (created,) = (span for span in collected.spans if span.kind == span.SPAN_KIND_PRODUCER)
    (published,) = (span for span in collected.spans if span.kind == span.SPAN_KIND_CLIENT)
    assert (created.name, published.name) == ("send default", "send default")
    assert published.parent_span_id == b""
    assert [link.span_id for link in published.links] == [created.span_id]
    (lag,) = collected.metrics["longshore.scheduler.lag"][-1].gauge.data_points
    assert lag.as_double == 0, "the last look found nothing that is due"
    sent = collected.metrics["messaging.client.sent.messages"][-1].sum.data_points
    assert [point.as_double or point.as_int for point in sent] == [1]
    depths = collected.metrics["longshore.queue.depth"][-1].gauge.data_points
    assert len(depths) == len(MESSAGE_STATES)


def test_a_waiting_task_that_is_run_by_its_id_is_traced_and_counted(shop: Path) -> None:
    with collector("grpc") as collected:
        task_id = run(shop, "one.py", **collected.environment).stdout.strip()
        run(
            shop,
            *("-m", "longshore", "run", "--app", "shop:app", "--id", task_id),
            **collected.environment,
        )

    (created,) = (span for span in collected.spans if span.kind == span.SPAN_KIND_PRODUCER)
    (attempt,) = (span for span in collected.spans if span.name == "process default")
    (inner,) = (span for span in collected.spans if span.name == "inner")
    assert attempt.parent_span_id == created.span_id
    assert inner.parent_span_id == attempt.span_id
    attempts = collected.metrics["longshore.task.attempts"][-1].sum.data_points
    assert [point.as_double or point.as_int for point in attempts] == [1]
    assert "rendering 7" in {one.body.string_value for one in collected.logs}


def test_a_task_that_is_run_by_its_name_is_traced_too(shop: Path) -> None:
    with collector("grpc") as collected:
        words = ("run", "render", "--app", "shop:app", "--arg", "number=7")
        run(shop, "-m", "longshore", *words, **collected.environment)

    (attempt,) = (span for span in collected.spans if span.name == "process default")
    (inner,) = (span for span in collected.spans if span.name == "inner")
    assert inner.parent_span_id == attempt.span_id


def services(requests: Sequence[Any], resources: str) -> set[str]:
    """Who says of itself that it exported."""
    return {
        each.value.string_value
        for request in requests
        for resource in getattr(request, resources)
        for each in resource.resource.attributes
        if each.key == "service.name"
    }


@pytest.mark.parametrize("asked", [True, False])
def test_providers_that_a_program_has_set_are_used_and_stay_its_own(
    shop: Path, *, asked: bool
) -> None:
    with collector("grpc") as collected:
        also = collected.environment if asked else {}
        run(shop, "own.py", THEIRS=collected.endpoint, **also)

    names = sorted(span.name for span in collected.spans)
    assert names == sorted(
        ["send default", "receive default", "process default", "inner", "afterwards"]
    )
    assert services(collected.requests["traces"], "resource_spans") == {"theirs"}
    assert services(collected.requests["metrics"], "resource_metrics") == {"theirs"}
    (attempts,) = collected.metrics["longshore.task.attempts"][-1].sum.data_points
    assert (attempts.as_double or attempts.as_int) == 1
    (took,) = collected.metrics["messaging.process.duration"][-1].histogram.data_points
    assert took.count == 1
    (own,) = collected.metrics["theirs"][-1].sum.data_points
    assert own.as_int == 1


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_is_exported_as_deltas_adds_up(shop: Path, protocol: str) -> None:
    with collector(protocol) as collected:
        run(shop, "produce.py")
        work(
            shop,
            **collected.environment,
            OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta",
            OTEL_METRIC_EXPORT_INTERVAL="50",
        )

    attempts = [one.sum for one in collected.metrics["longshore.task.attempts"]]
    took = [one.histogram for one in collected.metrics["messaging.process.duration"]]
    deltas = {one.aggregation_temporality for one in (*attempts, *took)}
    assert deltas == {metrics_pb2.AGGREGATION_TEMPORALITY_DELTA}
    assert sum(point.as_double for one in attempts for point in one.data_points) == 4
    points = [point for one in took for point in one.data_points]
    assert sum(point.count for point in points) == 4
    assert sum(sum(point.bucket_counts) for point in points) == 4
    ends = [point.time_unix_nano for point in points]
    assert all(
        end <= point.start_time_unix_nano for end, point in zip(ends, points[1:], strict=False)
    )


def test_a_metric_is_exported_once_beside_an_endpoint_for_prometheus(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with collector("grpc") as collected:
        run(shop, "produce.py")
        exporters = {"OTEL_METRICS_EXPORTER": "otlp,prometheus"}
        where = {
            "OTEL_EXPORTER_PROMETHEUS_PORT": port,
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        }
        work(shop, **collected.environment, **exporters, **where)

    last = collected.requests["metrics"][-1].resource_metrics
    names = [one.name for each in last for scope in each.scope_metrics for one in scope.metrics]
    assert "messaging.process.duration" in names
    assert len(names) == len(set(names))
