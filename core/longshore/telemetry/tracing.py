"""Spans by the messaging conventions. The only module that starts any; loaded when wanted.

`create` and `send` are the producer's, and what waited in the log is sent in a `send` of its own.
`receive` is one per poll that brought something, `process` one per attempt, and `settle` where it
was asked for.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from longshore.codec.trace import valid_traceparent
from longshore.telemetry import contexts
from longshore.telemetry.carrier import creation_of, of_body, of_delivery
from longshore.telemetry.ids import Derived, derived
from longshore.telemetry.naming import destination, extras

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextvars import Context as Variables

    from opentelemetry.trace import Span, Tracer

    from longshore.context import Context as TaskContext
    from longshore.message import Message
    from longshore.protocol import Outcome
    from longshore.queue import Delivery, Outgoing
    from longshore.telemetry.carrier import Carrier
    from longshore.telemetry.options import TelemetryOptions

FRESH: Final = timedelta(hours=1)
"""A task that is to wait longer than this begins a trace of its own: none is days long."""
_NONE: Final = Context()
_NOTHING: Final[Mapping[str, str]] = {}
_FOLLOWS: Final = "remoteParentNotSampled:AlwaysOffSampler"
"""How a sampler says of itself that nothing is recorded below what was not."""
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_LONGEST: Final = 500
_MOST_NAMES: Final = 1000


class ProcessSpan:
    """The span of one attempt, and the context its handler runs in."""

    __slots__ = ("_always", "_baggage", "_context", "_span")

    def __init__(self, span: Span, context: Context, baggage: str, *, always: bool) -> None:
        """The span has begun."""
        self._always = always
        self._span = span
        self._context = context
        self._baggage = baggage

    @property
    def carrier(self) -> Carrier:
        """The span's context as text."""
        carrier = contexts.carried(self._span.get_span_context(), self._baggage)
        return replace(carrier, exported=self._always)

    def enter(self, variables: Variables) -> None:
        """Make the span the current one in variables that a handler will have to itself."""
        variables.run(otel_context.attach, self._context)

    def end(self, word: str, error: str | None, outcome: Outcome | None) -> None:
        """End it, and say how the attempt went."""
        span = self._span
        if span.is_recording():
            span.set_attribute("longshore.task.outcome", word)
            if error is not None:
                span.set_attribute("error.type", error)
                said = None if outcome is None or outcome.error is None else outcome.error.message
                text = None if said is None else said[:_LONGEST]
                span.set_status(Status(StatusCode.ERROR, text))
        span.end()


class Tracing:
    """Makes spans for one system, with an application's tracer. Safe for use by several threads."""

    def __init__(
        self, tracer: Tracer, options: TelemetryOptions, system: str, prefix: str = ""
    ) -> None:
        """Have the tracer name process spans as they are derived, where it can."""
        self.tracer = tracer
        self.options = options
        self.system = system
        self._prefix = prefix
        self._ids: Derived | None = None
        generator = getattr(tracer, "id_generator", None)
        if isinstance(generator, Derived):
            self._ids = generator
        elif generator is not None:
            own: Any = tracer  # one of the SDK's, whose generator is its own to choose
            own.id_generator = self._ids = Derived(generator)
        sampler = getattr(tracer, "sampler", None)
        told = "" if sampler is None else str(sampler.get_description())
        self._follows = self._ids is not None and _FOLLOWS in told
        self._common: dict[tuple[str, str, str], tuple[str, dict[str, str]]] = {}

    def named(
        self, operation: str, kind: str, queue: str, task: str = ""
    ) -> tuple[str, dict[str, str]]:
        """Answer the name and the attributes that all spans of an operation on a queue share.

        Do not change them: they are made once.
        """
        known = (operation, queue, task)
        found = self._common.get(known)
        if found is None:
            place = destination(self.system, queue)
            attributes = {
                "messaging.operation.name": operation,
                "messaging.operation.type": kind,
                "messaging.system": self.system,
                "messaging.destination.name": place,
                **extras(self.system, self._prefix, queue),
            }
            if task:
                attributes["longshore.task.name"] = task
            found = (f"{operation} {place}", attributes)
            if len(self._common) < _MOST_NAMES:
                self._common[known] = found
        return found

    # ------------------------------------------------------------------ consumers

    def process(self, ctx: TaskContext, message: Message, delivery: Delivery | None) -> ProcessSpan:
        """Begin the span of an attempt, linked to its creation and to the attempt before."""
        carrier = creation_of(message, _NOTHING if delivery is None else delivery.attributes)
        if carrier is not None and self._is_followed(ctx, message, carrier):
            # What the sampler would say is known, and most tasks of a busy worker come here.
            span: Span = NonRecordingSpan(contexts.here(carrier.traceparent))
        else:
            span = self._attempt(ctx, message, delivery, carrier)
        own = span.get_span_context()
        ctx.trace = (own.trace_id, own.span_id)
        inside = set_span_in_context(span, _NONE)
        baggage = ""
        if carrier is not None and carrier.baggage and self.options.baggage:
            inside = contexts.with_baggage(inside, carrier.baggage, self.options.baggage)
            baggage = contexts.current_baggage(self.options.baggage, inside)
        return ProcessSpan(span, inside, baggage, always=self.options.always)

    def _is_followed(self, ctx: TaskContext, message: Message, carrier: Carrier) -> bool:
        """Whether an attempt is its creation's child, which was not sampled, and so is not either.

        It goes by the ids of its creation then: no span of it will be looked for.
        """
        return (
            self._follows
            and (ctx.fence or ctx.attempt) == 1
            and not contexts.is_sampled(carrier.traceparent)
            and not carrier.tracestate
            and self._is_child(message)
        )

    def _attempt(
        self,
        ctx: TaskContext,
        message: Message,
        delivery: Delivery | None,
        carrier: Carrier | None,
    ) -> Span:
        creation = (
            None if carrier is None else contexts.read(carrier.traceparent, carrier.tracestate)
        )
        number = ctx.fence or ctx.attempt
        fresh = creation is not None and self._is_child(message)
        context = _NONE
        if fresh and number == 1 and creation is not None:
            context = contexts.under(creation, _NONE)
        if self._ids is not None:
            self._ids.prepare(*derived(ctx.task_id, number, creation))
        links = [] if creation is None else [Link(creation)]
        if number > 1 and self._ids is not None:
            links.append(Link(_before(ctx, number, creation, fresh=fresh)))
        origin = message.extensions.get("traceorigin")
        if isinstance(origin, str) and valid_traceparent(origin) is not None:
            links.append(Link(contexts.read(origin)))
        name, common = self.named("process", "process", ctx.queue, ctx.task_name)
        return self.tracer.start_span(
            name,
            context,
            kind=SpanKind.CONSUMER,
            attributes=self._described(common, ctx, message, delivery),
            links=links,
        )

    def _is_child(self, message: Message) -> bool:
        """Whether a task's first attempt is its creation's child: by what its message says alone.

        So that the next attempt, on whatever worker, knows in which trace the first one was.
        """
        if not self.options.children:
            return False
        due, made = message.notbefore, message.time
        return due is None or made is None or due - made <= FRESH

    @staticmethod
    def _described(
        common: Mapping[str, str], ctx: TaskContext, message: Message, delivery: Delivery | None
    ) -> dict[str, str | int]:
        own = None if delivery is None else delivery.message_id
        said: dict[str, str | int] = {
            **common,
            "messaging.message.id": own or ctx.task_id,
            "longshore.task.id": ctx.task_id,
            "longshore.task.attempt": ctx.attempt,
            "longshore.task.run": ctx.run,
        }
        if message.correlationid:
            said["messaging.message.conversation_id"] = message.correlationid
        return said

    def received(self, queue: str, deliveries: Sequence[Delivery], began: int) -> None:
        """Make the span of a poll that brought something, linked to what created each message."""
        span = self._call("receive", "receive", queue, began)
        if span.is_recording():
            _linked(span, map(of_delivery, deliveries))
        _ended(span, len(deliveries), None)

    def settled(self, verb: str, queue: str, count: int, began: int, error: str | None) -> None:
        """Make the span of messages that were settled together, where such are wanted."""
        if self.options.settling:
            _ended(self._call(verb, "settle", queue, began), count, error)

    def _call(
        self, operation: str, kind: str, queue: str, began: int, context: Context | None = _NONE
    ) -> Span:
        """Begin the span of a call for several messages, which was made before."""
        name, attributes = self.named(operation, kind, queue)
        return self.tracer.start_span(
            name, context, kind=SpanKind.CLIENT, attributes=attributes, start_time=began
        )

    # ------------------------------------------------------------------ producers

    def creation(self, queue: str, task: str, task_id: str) -> Span:
        """Make the span of one message of several."""
        name, attributes = self.named("create", "create", queue, task)
        span = self.tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
        if span.is_recording():
            span.set_attribute("messaging.message.id", task_id)
        span.end()
        return span

    def lone(self, queue: str, task: str, task_id: str) -> Span:
        """Begin the span of sending one message, whose context goes with it."""
        name, attributes = self.named("send", "send", queue, task)
        span = self.tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
        if span.is_recording():
            span.set_attribute("messaging.message.id", task_id)
        return span

    def sent(
        self, queue: str, creations: Sequence[SpanContext], began: int, error: str | None
    ) -> None:
        """Make the span of sending several messages, linked to the creation of each."""
        span = self._call("send", "send", queue, began, None)
        if span.is_recording():
            for one in creations:
                span.add_link(one)
        _ended(span, len(creations), error)

    def published(
        self, queue: str, messages: Sequence[Outgoing], began: int, error: str | None
    ) -> None:
        """Make the span of sending what waited in the log, linked to the creation of each."""
        span = self._call("send", "send", queue, began, None)
        if span.is_recording():
            _linked(span, (of_body(one.body) for one in messages))
        _ended(span, len(messages), error)

    def finish(self, span: Span, error: str | None) -> None:
        """End the span of a lone message."""
        if span.is_recording():
            _failed(span, error)
        span.end()


def _before(
    ctx: TaskContext, number: int, creation: SpanContext | None, *, fresh: bool
) -> SpanContext:
    """Name the attempt before. By an id of its creation's half it was sampled as this one is."""
    trace, span = derived(ctx.task_id, number - 1, creation)
    if number - 1 == 1 and fresh and creation is not None:
        trace = creation.trace_id
    return SpanContext(trace, span, is_remote=True, trace_flags=_SAMPLED)


def _linked(span: Span, parents: Iterable[str | None]) -> None:
    for parent in dict.fromkeys(parents):
        if parent is not None:
            span.add_link(contexts.read(parent, ""))


def _ended(span: Span, count: int, error: str | None) -> None:
    """End the span of a call for so many messages."""
    if span.is_recording():
        span.set_attribute("messaging.batch.message_count", count)
        _failed(span, error)
    span.end()


def _failed(span: Span, error: str | None) -> None:
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))


def now() -> int:
    """Answer the time as spans have it."""
    return time.time_ns()
