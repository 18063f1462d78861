"""Making a span of another process the current one here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import context as otel_context
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from longshore.telemetry import contexts

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.context import Context
    from longshore.telemetry.carrier import Carrier


def enter(carrier: Carrier, ctx: Context) -> Callable[[], None]:
    """Enter, and answer how to leave. What came as baggage was chosen by the parent."""
    parent = contexts.read(carrier.traceparent, carrier.tracestate)
    inside = set_span_in_context(NonRecordingSpan(parent), otel_context.Context())
    inside = contexts.with_baggage(inside, carrier.baggage, contexts.ANY)
    ctx.trace = (parent.trace_id, parent.span_id)
    return partial(otel_context.detach, otel_context.attach(inside))
