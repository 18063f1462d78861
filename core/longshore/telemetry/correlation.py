"""Which task a log record belongs to: by the attempt in whose midst it is written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from longshore.context import current

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT: Final = "longshore_task"


class TaskFilter(logging.Filter):
    """Lets every record pass, and marks those of an attempt with what it is.

    Put it on a handler: a record is looked at where it is written, in the attempt's own thread.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark a record; one that is marked already keeps its mark."""
        facts_of(record)
        return True


def facts_of(record: logging.LogRecord) -> Mapping[str, str | int]:
    """Answer task id, name, queue, attempt, trace and span of a record; nothing outside a task."""
    known: Mapping[str, str | int] | None = getattr(record, _KEPT, None)
    if known is not None:
        return known
    ctx = current.get()
    if ctx is None:
        return {}
    facts: dict[str, str | int] = {
        "task_id": ctx.task_id,
        "task": ctx.task_name,
        "queue": ctx.queue,
        "attempt": ctx.attempt,
    }
    if ctx.trace_id is not None and ctx.span_id is not None:
        facts |= {"trace_id": ctx.trace_id, "span_id": ctx.span_id}
    setattr(record, _KEPT, facts)
    return facts
