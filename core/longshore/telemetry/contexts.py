"""Between contexts of OpenTelemetry and the text that they travel as."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, unquote_plus

from opentelemetry import baggage as otel_baggage
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from longshore.telemetry.carrier import MOST_BAGGAGE, Carrier

if TYPE_CHECKING:
    from collections.abc import Collection, Container

    from opentelemetry.context import Context

_LONGEST_STATE: Final = 512
_REMEMBERED: Final = 1024
_FLAGS: Final = {"00": TraceFlags(TraceFlags.DEFAULT), "01": TraceFlags(TraceFlags.SAMPLED)}
_ODD: Final = "13579bdf"


class _Any:
    """Contains every key."""

    def __contains__(self, key: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


ANY: Final = _Any()
"""For baggage that was chosen before."""


@lru_cache(maxsize=_REMEMBERED)
def read(traceparent: str, tracestate: str = "") -> SpanContext:
    """Read a traceparent that was found valid; a bad tracestate is none.

    What a poll links to is read again where the attempt begins, so the last ones are remembered.
    """
    state = DEFAULT_TRACE_STATE
    if 0 < len(tracestate) <= _LONGEST_STATE:
        state = TraceState.from_header([tracestate])
    return SpanContext(
        int(traceparent[3:35], 16),
        int(traceparent[36:52], 16),
        is_remote=True,
        trace_flags=_flags(traceparent[53:55]),
        trace_state=state,
    )


def is_sampled(traceparent: str) -> bool:
    """Whether it says so: the lowest bit of its flags."""
    return traceparent[54] in _ODD


def here(traceparent: str) -> SpanContext:
    """Read one as the context of a span of this process."""
    return SpanContext(
        int(traceparent[3:35], 16),
        int(traceparent[36:52], 16),
        is_remote=False,
        trace_flags=_flags(traceparent[53:55]),
    )


def _flags(text: str) -> TraceFlags:
    known = _FLAGS.get(text)
    return TraceFlags(int(text, 16)) if known is None else known


def written(context: SpanContext) -> str:
    """Write a traceparent."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def carried(context: SpanContext, baggage: str = "") -> Carrier:
    """Write a context and its baggage."""
    state = context.trace_state.to_header() if context.trace_state else ""
    return Carrier(written(context), state if len(state) <= _LONGEST_STATE else "", baggage)


def current_baggage(allowed: Collection[str], context: Context | None = None) -> str:
    """Write what of the current baggage may travel: listed keys, until a kilobyte is full."""
    if not allowed:
        return ""
    text = ""
    for key, value in otel_baggage.get_all(context).items():
        if key in allowed:
            more = f"{',' if text else ''}{quote_plus(key)}={quote_plus(str(value))}"
            if len(text) + len(more) <= MOST_BAGGAGE:
                text += more
    return text


def with_baggage(context: Context, text: str, allowed: Container[str]) -> Context:
    """Add to a context what came with a message and is listed."""
    for part in text.split(",") if text else ():
        key, equals, value = part.partition(";")[0].partition("=")
        name = unquote_plus(key.strip())
        if equals and name in allowed:
            context = otel_baggage.set_baggage(name, unquote_plus(value.strip()), context)
    return context


def under(parent: SpanContext, context: Context) -> Context:
    """Answer a context whose spans are children of a span elsewhere."""
    return set_span_in_context(NonRecordingSpan(parent), context)
