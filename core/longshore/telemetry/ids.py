"""Ids of process spans, derived: so each attempt knows its predecessor's without being told.

An attempt's span is named by the task, the number of its claim and the context it was created in.
All three are at hand wherever the task is claimed next, on any log: nothing has to be stored,
no port carries it, and a worker that died has left its id all the same. Where a sampler decides by
the trace id it reads the lower half, so that half is the creation's: a task is sampled whole.
"""

from __future__ import annotations

import threading
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.id_generator import IdGenerator

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

_LOWER: Final = 2**64 - 1
_KEY: Final = b"longshore.process"


def derived(task: str, number: int, creation: SpanContext | None) -> tuple[int, int]:
    """Answer trace id and span id of the attempt that claim `number` began, as a root."""
    span = 0 if creation is None else creation.span_id
    text = b"%b %d %d" % (task.encode(), number, span)
    digest = blake2b(text, digest_size=16, key=_KEY).digest()
    upper = int.from_bytes(digest[:8], "big") or 1
    if creation is None:
        lower = int.from_bytes(blake2b(task.encode(), digest_size=8, key=_KEY).digest(), "big")
    else:
        lower = creation.trace_id & _LOWER
    return upper << 64 | lower, int.from_bytes(digest[8:], "big") or 1


class Derived(IdGenerator):
    """Gives out ids that were prepared in the same thread, once; else those of another."""

    def __init__(self, inner: IdGenerator) -> None:
        """`inner` makes all other ids."""
        self.inner = inner
        self._next = threading.local()

    def prepare(self, trace_id: int, span_id: int) -> None:
        """Have the next span of this thread named so; a child takes its parent's trace."""
        self._next.trace, self._next.span = trace_id, span_id

    def generate_trace_id(self) -> int:
        """Answer the prepared id, or a new one."""
        found: int = getattr(self._next, "trace", 0)
        self._next.trace = 0
        return found or self.inner.generate_trace_id()

    def generate_span_id(self) -> int:
        """Answer the prepared id, or a new one."""
        found: int = getattr(self._next, "span", 0)
        self._next.span = self._next.trace = 0
        return found or self.inner.generate_span_id()

    def is_trace_id_random(self) -> bool:
        """Whether ids look random to whoever samples by them: derived ones do."""
        asks = getattr(self.inner, "is_trace_id_random", None)
        return bool(asks()) if callable(asks) else False
