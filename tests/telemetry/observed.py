"""An application on open ports, with its spans at hand; and spans as data, to be compared."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from longshore.client import Client, Preparer
from longshore.clock import SystemClock
from longshore.definition import TaskOptions, TaskRegistry, define
from longshore.draft import Draft, EnqueueOptions
from longshore.policy import Policy
from longshore.registry import find_adapter
from longshore.telemetry import Tallies, Telemetry, TelemetryOptions
from longshore.wiring import open_ports
from longshore.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from datetime import datetime

    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Tracer

    from longshore.client import Enqueued
    from longshore.ports import Ports
    from longshore.settings import Settings

DEADLINE = 40.0
Shape: TypeAlias = tuple[str, str, str | None, list[str]]
Row: TypeAlias = tuple[str, str, str | None, list[str], dict[str, object], str]


class Shifted(SystemClock):
    """The machine's clock, with a wall clock that a test sets forward."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass(kw_only=True)
class Observed:
    """Ports under observation, tasks, and what was exported."""

    ports: Ports
    tallies: Tallies
    tracer: Tracer
    exporter: InMemorySpanExporter
    clock: Shifted
    registry: TaskRegistry = field(default_factory=TaskRegistry)

    def task(self, function: Callable[..., Any], **options: Any) -> None:
        """Register a task."""
        self.registry.add(define(function, options=TaskOptions(**options)))

    async def enqueue(self, *names: str, **options: Any) -> list[Enqueued]:
        """Enqueue tasks without arguments, in one call."""
        client = Client(self.ports, Preparer(self.ports.ids))
        chosen = EnqueueOptions(**options)
        return await client.enqueue(
            [Draft(self.registry.get(name), None, options=chosen) for name in names]
        )

    async def work(self, *tasks: Enqueued, run: int = 0, **options: Any) -> None:
        """Let workers empty the queue, until the tasks have ended, in this run of theirs."""
        end = time.monotonic() + DEADLINE
        while True:
            chosen = WorkerOptions(burst=True, publish=True, **options)
            await Worker(self.ports, self.registry, Policy(), chosen).run()
            rows = await self.ports.task_log.get([one.id for one in tasks])
            if all(row is not None and row.final and row.run >= run for row in rows):
                return
            assert time.monotonic() < end, f"these have not ended: {rows}"
            await asyncio.sleep(0.02)

    def spans(self, *names: str) -> list[ReadableSpan]:
        """What was exported so far, in the order it began; of these names where any are given."""
        found = sorted(self.exporter.get_finished_spans(), key=lambda one: one.start_time or 0)
        return [one for one in found if not names or one.name in names]


@asynccontextmanager
async def observed(
    settings: Settings,
    *,
    sampler: Sampler | None = None,
    options: TelemetryOptions | None = None,
    queue: str = "default",
    processor: SpanProcessor | None = None,
) -> AsyncGenerator[Observed]:
    """Open a place under observation, with providers of its own, and remove it afterwards."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    if processor is not None:
        provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    chosen = options or TelemetryOptions()
    tallies = Tallies()
    telemetry = Telemetry(tallies, chosen, provider.get_tracer("longshore"), None, None)
    own_log = settings.url.startswith("dynamodb:")
    if own_log:
        await asyncio.to_thread(find_adapter(settings.url).init, settings.url)
    clock = Shifted()
    async with open_ports(settings, clock, telemetry=telemetry) as ports:
        await ports.queue(queue).declare()
        exporter.clear()
        yield Observed(ports=ports, tallies=tallies, tracer=tracer, exporter=exporter, clock=clock)
        await ports.queue(queue).delete()
    if own_log:
        await asyncio.to_thread(find_adapter(settings.url).deinit, settings.url)


def tree(spans: Sequence[ReadableSpan], replaced: Mapping[str, str]) -> list[Row]:
    """Spans as data, in the order they began: ids are names, one that comes again has a number.

    Of each span: name, kind, parent, links, attributes and status. `replaced` says what stands for
    values that differ in each run.
    """
    names: dict[int, str] = {}
    seen: dict[str, int] = {}
    for span in spans:
        assert span.context is not None
        seen[span.name] = number = seen.get(span.name, 0) + 1
        names[span.context.span_id] = span.name if number == 1 else f"{span.name} #{number}"

    def named(span_id: int) -> str:
        return names.get(span_id, "unknown")

    rows: list[Row] = []
    for span in spans:
        assert span.context is not None
        links = sorted(named(link.context.span_id) for link in span.links)
        parent = None if span.parent is None else named(span.parent.span_id)
        attributes: dict[str, object] = {
            name: replaced.get(value, value) if isinstance(value, str) else value
            for name, value in (span.attributes or {}).items()
        }
        rows.append(
            (
                named(span.context.span_id),
                span.kind.name,
                parent,
                links,
                attributes,
                span.status.status_code.name,
            )
        )
    return rows


def shape(spans: Sequence[ReadableSpan]) -> list[Shape]:
    """Only how spans hang together: name, kind, parent and links, in an order of their own."""
    return sorted(row[:4] for row in tree(spans, {}))


SOON = timedelta(milliseconds=1)
