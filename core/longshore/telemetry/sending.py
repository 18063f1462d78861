"""One enqueue under observation: each message is given the context it was created in."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from longshore.telemetry import contexts
from longshore.telemetry.carrier import BAGGAGE
from longshore.telemetry.tracing import now

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from opentelemetry.trace import Span, SpanContext

    from longshore.telemetry.tracing import Tracing


class Sending:
    """A context manager around making and sending the messages of one call."""

    def __init__(self, tracing: Tracing, count: int) -> None:
        """Of one message the sending is traced, of several the creation of each besides."""
        self._tracing = tracing
        self._lone = count == 1
        self._span: Span | None = None
        self._creations: defaultdict[str, list[SpanContext]] = defaultdict(list)
        self._baggage = contexts.current_baggage(tracing.options.baggage)
        self._began = 0

    def of(self, queue: str, task: str, task_id: str) -> dict[str, str] | None:
        """Make a span for a message, and answer the attributes that carry its context."""
        try:
            if self._lone:
                span = self._span = self._tracing.lone(queue, task, task_id)
            else:
                span = self._tracing.creation(queue, task, task_id)
            context = span.get_span_context()
            if not context.is_valid:
                return None
            if not self._lone:
                self._creations[queue].append(context)
                self._began = now()
            carrier = contexts.carried(context)
        except Exception:  # noqa: BLE001 - a task is sent, whatever its trace may come to
            return None
        more = {"traceparent": carrier.traceparent}
        if carrier.tracestate:
            more["tracestate"] = carrier.tracestate
        if self._baggage:
            more[BAGGAGE] = self._baggage
        return more

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the spans."""
        failed = None if kind is None else kind.__name__
        try:
            if self._span is not None:
                self._tracing.finish(self._span, failed)
            for queue, creations in self._creations.items():
                self._tracing.sent(queue, creations, self._began, failed)
        except Exception:  # noqa: BLE001 - as above
            return
