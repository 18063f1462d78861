"""What one attempt's telemetry takes by itself, beside the bare SDK: no worker, no database.

In one process and in turns, so that both meet the same machine. Of the bare SDK the same span is
asked for: as many attributes, the same link and parent, one attribute at its end.
"""

from __future__ import annotations

import contextvars
import time
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from longshore.clock import SystemClock
from longshore.context import Context
from longshore.identity import TaskIds
from longshore.message import Message
from longshore.protocol import End, Outcome
from longshore.queue import Delivery
from longshore.task import TaskSpec
from longshore.telemetry import Seam, Tallies, TelemetryOptions
from longshore.telemetry.tallies import Uncounted
from longshore.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer

BATCH: Final = 100
"""Tasks of one receive, as a worker with so many slots has them."""
OPTIONS: Final = TelemetryOptions()


class Nowhere(SpanExporter):
    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def tracer(share: float) -> tuple[Tracer, TracerProvider]:
    """A tracer of the SDK, which samples such a share of all traces."""
    provider = TracerProvider(ParentBasedTraceIdRatio(share), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=16_384))
    return provider.get_tracer("longshore"), provider


class Ours:
    """The calls that a worker makes for its tasks, batch by batch."""

    def __init__(self, tracer: Tracer | None, each: int, *, counting: bool = False) -> None:
        """Of one in `each` messages the creation was sampled; 0: of none."""
        clock, ids = SystemClock(), TaskIds()
        tracing = None if tracer is None else Tracing(tracer, OPTIONS, "sqlite")
        self._seam = Seam(Tallies() if counting else Uncounted(), OPTIONS, "sqlite", tracing)
        self._seam.knows(lambda _: True)
        self._variables = contextvars.copy_context()
        self._now = clock.now()
        self._tasks: list[tuple[TaskSpec, Message, Delivery]] = []
        for number in range(1, BATCH + 1):
            flag = "01" if each and number % each == 0 else "00"
            parent = f"00-{number:032x}-{number:016x}-{flag}"
            key = ids()
            body = b'{"specversion":"1.0","id":"%b","traceparent":"%b","data":{"number":7}}'
            spec = TaskSpec(id=key, name="noop", queue="default", body=b"", created_at=self._now)
            message = Message(id=key, type="noop", time=self._now, traceparent=parent)
            delivery = Delivery(
                receipt=key,
                queue="default",
                body=body % (key.encode(), parent.encode()),
                message_id=str(number),
            )
            self._tasks.append((spec, message, delivery))
        self._clock = clock

    def batch(self) -> None:
        """Receive, begin and end one batch."""
        self._seam.received("default", [each for _, _, each in self._tasks], time.time_ns())
        outcome = Outcome(task_id=self._tasks[0][0].id, token=1, end=End.SUCCESS)
        for spec, message, delivery in self._tasks:
            ctx = Context(
                task_id=spec.id,
                task_name=spec.name,
                queue=spec.queue,
                attempt=1,
                fence=1,
                clock=self._clock,
            )
            observed = self._seam.begin(spec, ctx, message, delivery, self._now)
            observed.context(self._variables)
            observed.end(outcome, 0.001)


class Nothing(Ours):
    """What a worker does anyhow, without telemetry: a context and a copy of the variables."""

    def batch(self) -> None:
        """Begin and end one batch."""
        for spec, _, _ in self._tasks:
            Context(
                task_id=spec.id,
                task_name=spec.name,
                queue=spec.queue,
                attempt=1,
                fence=1,
                clock=self._clock,
            )
            self._variables.copy()


class Bare:
    """The same spans, by the SDK alone."""

    def __init__(self, tracer: Tracer, each: int) -> None:
        """As above."""
        self._tracer = tracer
        self._parents = [
            SpanContext(
                number,
                number,
                is_remote=True,
                trace_flags=TraceFlags(1 if each and number % each == 0 else 0),
            )
            for number in range(1, BATCH + 1)
        ]

    def batch(self) -> None:
        """Make the spans of one batch."""
        receive = self._tracer.start_span(
            "receive default",
            OtelContext(),
            kind=SpanKind.CLIENT,
            attributes={f"messaging.{n}": "value" for n in range(5)},
        )
        if receive.is_recording():
            for parent in self._parents:
                receive.add_link(parent)
        receive.end()
        for parent in self._parents:
            attributes: dict[str, str | int] = {
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.system": "sqlite",
                "messaging.destination.name": "default",
                "longshore.task.name": "noop",
                "messaging.message.id": "1",
                "longshore.task.id": "1",
                "longshore.task.attempt": 1,
                "longshore.task.run": 0,
            }
            span = self._tracer.start_span(
                "process default",
                set_span_in_context(NonRecordingSpan(parent), OtelContext()),
                kind=SpanKind.CONSUMER,
                attributes=attributes,
                links=[Link(parent)],
            )
            if span.is_recording():
                span.set_attribute("longshore.task.outcome", "succeeded")
            span.end()


def measured(batches: int, rounds: int) -> dict[str, float]:
    """The least processor seconds of a task, of each contender, by rounds in turns."""
    contenders: dict[str, Callable[[], None]] = {"nothing": Nothing(None, 0).batch}
    contenders["metrics"] = Ours(None, 0, counting=True).batch
    providers: list[TracerProvider] = []
    for name, share, each in (("none", 0.0, 0), ("sampled", 0.01, 100), ("every", 1.0, 1)):
        for kind in (Ours, Bare):
            made, provider = tracer(share)
            providers.append(provider)
            word = name if kind is Ours else f"{name}, bare"
            contenders[word] = kind(made, each).batch
    least = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for word, batch in contenders.items():
            began = time.process_time()
            for _ in range(batches):
                batch()
            for provider in providers:
                provider.force_flush()
            took = time.process_time() - began
            least[word] = min(least[word], took / batches / BATCH)
    for provider in providers:
        provider.shutdown()
    return least
