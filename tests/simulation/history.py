"""What happened in a run: events in order, recorded at the servers and around handlers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.task import Attempt, Task


@dataclass(slots=True, kw_only=True)
class Event:
    """`at` is true time in seconds, `who` a process (or the servers), `call` the application.

    Events of one `call` are one step of a server: nobody sees the state between them.
    """

    at: float = 0.0
    who: str = ""
    call: int = 0


@dataclass(slots=True, kw_only=True)
class Wrote(Event):
    """A row was written by a verb; `now` is the log's own clock then."""

    verb: str
    before: Task | None
    after: Task
    now: datetime


@dataclass(slots=True, kw_only=True)
class Removed(Event):
    """A row is gone."""

    row: Task


@dataclass(slots=True, kw_only=True)
class Sent(Event):
    """A message is in the broker; `stamp` where it is a redriven dead letter."""

    number: int
    key: TaskId
    verb: str
    stamp: str | None = None


@dataclass(slots=True, kw_only=True)
class Gone(Event):
    """A message has left the broker, acknowledged, buried or purged."""

    number: int
    key: TaskId
    verb: str


@dataclass(slots=True, kw_only=True)
class Buried(Event):
    """A message is a dead letter."""

    key: TaskId | None
    reason: str
    stamp: int | None


@dataclass(slots=True, kw_only=True)
class Extended(Event):
    """A broker's lease was prolonged by its holder."""

    key: TaskId


@dataclass(slots=True, kw_only=True)
class Began(Event):
    """A handler's first line ran. `n` is the logical task, `stubborn` one that stops late."""

    n: int
    key: TaskId
    token: int
    attempt: int
    stubborn: bool = False


@dataclass(slots=True, kw_only=True)
class Ended(Event):
    """A handler ended: ok, error, snooze, cancel, or stopped by its worker."""

    n: int
    key: TaskId
    token: int
    how: str


@dataclass(slots=True, kw_only=True)
class Enqueued(Event):
    """A caller was answered that its task exists."""

    n: int
    key: TaskId


@dataclass(slots=True, kw_only=True)
class Operated(Event):
    """An operator was answered."""

    verb: str
    key: TaskId
    applied: bool
    has_row: bool
    tombstone: bool = False


@dataclass(slots=True, kw_only=True)
class Fault(Event):
    """Something went wrong by plan: crash, stop, cont, cut, skew, lost, dropped, repeated, …"""

    what: str
    detail: str = ""


@dataclass(slots=True)
class Ending:
    """How a run ended: what was not over long after the faults, what failed, what was logged."""

    restless: list[str] = field(default_factory=list[str])
    unresumed: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    attempts: Mapping[TaskId, Sequence[Attempt]] = field(
        default_factory=dict["TaskId", "Sequence[Attempt]"]
    )


R = TypeVar("R", bound=Event)


@dataclass(slots=True)
class History:
    """Events of one run, in order. `time` says when; `who` and `call` hold for what comes."""

    time: Callable[[], float]
    events: list[Event] = field(default_factory=list[Event])
    who: str = "servers"
    verb: str = ""
    call: int = 0
    closed: bool = False

    def add(self, event: R) -> R:
        if not self.closed:
            event.at = self.time()
            event.call = self.call
            event.who = event.who or self.who
            self.events.append(event)
        return event

    def lines(self) -> list[str]:
        return [line(event) for event in self.events]


def line(event: Event) -> str:
    """One event as a line; of a row what changed."""
    head = f"{event.at:9.3f} {event.call:5} {event.who:10} {type(event).__name__:9}"
    if isinstance(event, Wrote):
        return f"{head} {event.after.id[-4:]} {event.verb}: {_change(event.before, event.after)}"
    if isinstance(event, Removed):
        return f"{head} {event.row.id[-4:]}"
    facts = [
        f"{one.name}={_short(getattr(event, one.name))}"
        for one in fields(event)
        if one.name not in {"at", "who", "call"}
    ]
    return f"{head} {' '.join(facts)}"


_TOLD = (
    "state",
    "reason",
    "token",
    "attempts",
    "rescues",
    "run",
    "wake_no",
    "wake_at",
    "due_at",
    "lease_until",
    "worker",
    "cancel_requested_at",
)


def _change(before: Task | None, after: Task) -> str:
    changed: list[str] = []
    for name in _TOLD:
        old = None if before is None else getattr(before, name)
        new = getattr(after, name)
        if old != new and (before is not None or new):
            changed.append(f"{name}={_short(old)}->{_short(new)}" if before else _is(name, new))
    if (before is None or before.body is None) != (after.body is None):
        changed.append("body" if after.body is not None else "no body")
    return ", ".join(changed)


def _is(name: str, value: object) -> str:
    return f"{name}={_short(value)}"


def _short(value: object) -> str:
    if hasattr(value, "strftime"):
        return f"{value:%M:%S.%f}"[:-3]
    text = str(value)
    return text[-4:] if len(text) == len("00000000-0000-0000-0000-000000000000") else text
