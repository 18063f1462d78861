"""Every metric that Longshore has, as data: nothing else may be recorded.

Cardinality is bounded by what each attribute may be: a word of a list, a queue that the worker
serves, a task that the application has registered. Ids, keys and tenants are never attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from longshore.task import Reason


class Kind(StrEnum):
    """How values of an instrument are summed up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Attribute:
    """What tells series of one instrument apart.

    `values` are all there are; where it is empty, `bound` says in words what limits them.
    """

    name: str
    values: tuple[str, ...] = ()
    bound: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A metric: its name, kind, unit (UCUM) and meaning, and what its series differ in."""

    name: str
    kind: Kind
    unit: str
    text: str
    attributes: tuple[Attribute, ...] = ()

    @property
    def prometheus(self) -> str:
        """Its name in Prometheus, without the `_bucket`, `_sum` and `_count` of a histogram."""
        name = self.name.replace(".", "_")
        suffix = _UNITS.get(self.unit, "")
        if self.unit == "1" and self.kind is Kind.GAUGE:
            suffix = "_ratio"
        return name + suffix + ("_total" if self.kind is Kind.COUNTER else "")


_UNITS: Final = {"s": "_seconds"}
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds of histograms in seconds, as the messaging conventions advise them."""
LONG_BUCKETS: Final = (*BUCKETS, 30.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0)
"""Bounds for what may take days: waiting."""

LOST: Final = "lost"
UNKNOWN: Final = "_other"
"""Stands for a task name that is not registered, and for anything else that is not bounded."""

OPERATIONS: Final = ("send", "receive", "ack", "release", "reject", "extend")
OUTCOMES: Final = ("succeeded", "retrying", "failed", "cancelled", "given_back", LOST)
MESSAGE_STATES: Final = ("ready", "in_flight", "delayed", "dead")
REASONS: Final = (*(reason.value for reason in Reason), UNKNOWN)

OPERATION: Final = Attribute("messaging.operation.name", OPERATIONS)
SYSTEM: Final = Attribute("messaging.system", bound="the adapters in use")
DESTINATION: Final = Attribute("messaging.destination.name", bound="the queues in use")
ERROR: Final = Attribute(
    "error.type", bound="classes of Longshore's errors, and of exceptions raised by handlers"
)
TASK: Final = Attribute("longshore.task.name", bound=f"registered tasks, else `{UNKNOWN}`")
OUTCOME: Final = Attribute("longshore.task.outcome", OUTCOMES)
STATE: Final = Attribute("longshore.message.state", MESSAGE_STATES)
HOLDING: Final = Attribute("longshore.holding", ("running", "waiting"))
REASON: Final = Attribute("longshore.reason", REASONS)
CALL: Final = Attribute("longshore.call", bound="requests that the adapter knows")

_QUEUE: Final = (SYSTEM, DESTINATION)

OPERATION_DURATION: Final = Instrument(
    name="messaging.client.operation.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    text="How long each call of a queue took, by any client or worker.",
    attributes=(OPERATION, *_QUEUE, ERROR),
)
SENT_MESSAGES: Final = Instrument(
    name="messaging.client.sent.messages",
    kind=Kind.COUNTER,
    unit="{message}",
    text="Messages that were to be sent.",
    attributes=(OPERATION, *_QUEUE, ERROR),
)
CONSUMED_MESSAGES: Final = Instrument(
    name="messaging.client.consumed.messages",
    kind=Kind.COUNTER,
    unit="{message}",
    text="Messages that came to a worker.",
    attributes=(OPERATION, *_QUEUE),
)
PROCESS_DURATION: Final = Instrument(
    name="messaging.process.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    text="How long each attempt ran.",
    attributes=(*_QUEUE, TASK, ERROR),
)
QUEUE_DEPTH: Final = Instrument(
    name="longshore.queue.depth",
    kind=Kind.GAUGE,
    unit="{message}",
    text="Messages of a queue, as its broker counts them; told by the leading scheduler alone.",
    attributes=(*_QUEUE, STATE),
)
QUEUE_OLDEST_AGE: Final = Instrument(
    name="longshore.queue.oldest.age",
    kind=Kind.GAUGE,
    unit="s",
    text="Age of the oldest message that is ready, where the broker says; by the leader alone.",
    attributes=_QUEUE,
)
TASK_WAIT: Final = Instrument(
    name="longshore.task.wait",
    kind=Kind.HISTOGRAM,
    unit="s",
    text="From when a task could have begun (created, or due) to the start of its first attempt.",
    attributes=(*_QUEUE, TASK),
)
TASK_ATTEMPTS: Final = Instrument(
    name="longshore.task.attempts",
    kind=Kind.COUNTER,
    unit="{attempt}",
    text="Attempts that ended, by what the log made of them.",
    attributes=(*_QUEUE, TASK, OUTCOME),
)
TASK_RETRIES: Final = Instrument(
    name="longshore.task.retries",
    kind=Kind.COUNTER,
    unit="{attempt}",
    text="Attempts begun that are not the first of their run.",
    attributes=(*_QUEUE, TASK),
)
TASK_RESCUES: Final = Instrument(
    name="longshore.task.rescues",
    kind=Kind.COUNTER,
    unit="{task}",
    text="Claims of tasks whose last worker was lost with them.",
    attributes=(*_QUEUE, TASK),
)
LEASES_LOST: Final = Instrument(
    name="longshore.leases.lost",
    kind=Kind.COUNTER,
    unit="{lease}",
    text="Attempts of this worker whose lease was lost, so that their outcome was not recorded.",
    attributes=(*_QUEUE, TASK),
)
DEAD_LETTERS: Final = Instrument(
    name="longshore.dead.letters",
    kind=Kind.COUNTER,
    unit="{message}",
    text="Messages moved to the dead-letter queue by this worker.",
    attributes=(*_QUEUE, REASON),
)
DUPLICATES_DROPPED: Final = Instrument(
    name="longshore.duplicates.dropped",
    kind=Kind.COUNTER,
    unit="{message}",
    text="Messages acknowledged without a run, because their task had ended before.",
    attributes=_QUEUE,
)
MESSAGES_REFUSED: Final = Instrument(
    name="longshore.messages.refused",
    kind=Kind.COUNTER,
    unit="{message}",
    text="Messages that their queue did not acknowledge, give back or move, and so come again.",
    attributes=(OPERATION, *_QUEUE, ERROR),
)
BACKEND_CALLS: Final = Instrument(
    name="longshore.backend.calls",
    kind=Kind.COUNTER,
    unit="{call}",
    text="Requests made to servers where each has its price, by the server's own names.",
    attributes=(SYSTEM, CALL),
)
IN_FLIGHT: Final = Instrument(
    name="longshore.worker.tasks",
    kind=Kind.GAUGE,
    unit="{task}",
    text="Tasks that the worker holds: they run, or wait in it for a slot or for their end.",
    attributes=(HOLDING,),
)
SLOTS: Final = Instrument(
    name="longshore.worker.slots",
    kind=Kind.GAUGE,
    unit="{slot}",
    text="Tasks that the worker may run at once.",
)
SATURATION: Final = Instrument(
    name="longshore.worker.saturation",
    kind=Kind.GAUGE,
    unit="1",
    text="The share of slots in use, 0 to 1.",
)
SCHEDULER_LAG: Final = Instrument(
    name="longshore.scheduler.lag",
    kind=Kind.GAUGE,
    unit="s",
    text="How late the latest of the due rows was when last looked at; by the leader alone.",
)

INSTRUMENTS: Final = (
    OPERATION_DURATION,
    SENT_MESSAGES,
    CONSUMED_MESSAGES,
    PROCESS_DURATION,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    TASK_WAIT,
    TASK_ATTEMPTS,
    TASK_RETRIES,
    TASK_RESCUES,
    LEASES_LOST,
    DEAD_LETTERS,
    DUPLICATES_DROPPED,
    MESSAGES_REFUSED,
    BACKEND_CALLS,
    IN_FLIGHT,
    SLOTS,
    SATURATION,
    SCHEDULER_LAG,
)
"""All of them, in the order of the documentation."""


def buckets(instrument: Instrument) -> tuple[float, ...]:
    """Answer the bounds of a histogram."""
    return LONG_BUCKETS if instrument is TASK_WAIT else BUCKETS
