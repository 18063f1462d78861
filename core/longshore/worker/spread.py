"""One message that means several tasks: each is sent to the queue, then the message goes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from longshore.errors import ConfigurationError, LongshoreError, TooLargeError, UnavailableError
from longshore.priority import NORMAL
from longshore.protocol import Record
from longshore.queue import Outgoing, Rejection
from longshore.task import TaskState
from longshore.worker.messages import tell_refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.queue import Delivery, Queue
    from longshore.task import TaskSpec
    from longshore.task_log import TaskLog

_log = logging.getLogger("longshore.worker")
_NEVER = (ConfigurationError, TooLargeError)
"""Errors that sending again does not mend."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A delivery, and the tasks it means with the time that each is due; there may be none."""

    delivery: Delivery
    tasks: Sequence[tuple[TaskSpec, datetime]]


async def spread(
    port: Queue, log: TaskLog, spreads: Sequence[Spread], now: datetime
) -> list[Rejection]:
    """Send, confirmed, then acknowledge (protocol.md §4.5); answer what can never be sent.

    A crash in between sends again, under the same keys. What does not go now is left to its lease.
    """
    bad: list[Rejection] = []
    for one in spreads:
        try:
            error = await _send(port, [spec for spec, _ in one.tasks])
            if error is None:
                await _record(log, one.tasks, now)
                tell_refused(port.name, "ack", await port.ack([one.delivery]))
        except UnavailableError as away:
            error = away
        if isinstance(error, _NEVER):
            bad.append(Rejection(delivery=one.delivery, reason="decode", detail=str(error)))
        elif error is not None:
            _log.warning("a message that means several tasks is left to its lease: %s", error)
    return bad


async def _send(port: Queue, specs: Sequence[TaskSpec]) -> LongshoreError | None:
    """Send a message's tasks; answer the first error."""
    if not specs:
        return None
    keeps = port.capabilities.priorities
    messages = [
        Outgoing(
            key=spec.id,
            body=spec.body,
            priority=spec.priority if keeps else NORMAL,
            group=spec.tenant,
        )
        for spec in specs
    ]
    return next((error for error in await port.send(messages) if error is not None), None)


async def _record(log: TaskLog, tasks: Sequence[tuple[TaskSpec, datetime]], now: datetime) -> None:
    """Make the tasks seen before they run; those for later, and all without this, are adopted."""
    records = [
        Record(spec=spec, state=TaskState.QUEUED, due_at=due) for spec, due in tasks if due <= now
    ]
    if not records:
        return
    try:
        await log.record(records)
    except LongshoreError as error:
        _log.warning("%d sent tasks are not in the log yet: %s", len(records), error)
