"""Tasks: what one is (`TaskSpec`), where it stands (`Task`), and what was tried (`Attempt`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from longshore.errors import ConfigurationError
from longshore.priority import NORMAL
from longshore.quick import quick, replace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from longshore.identity import TaskId


class TaskState(StrEnum):
    """The twelve stored states. `unknown` answers a query and is never stored."""

    CREATED = "created"
    BLOCKED = "blocked"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    PAUSED = "paused"
    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN = frozenset({TaskState.CREATED, TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RETRYING})
HELD = frozenset({TaskState.PAUSED, TaskState.BLOCKED, TaskState.WAITING})
FINAL = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.EXPIRED})
ALL = frozenset(TaskState)

_PENDING = OPEN | {TaskState.BLOCKED}
_PROGRESS = frozenset({TaskState.RUNNING, TaskState.WAITING})
STATE_ALIASES = {
    "all": ALL,
    "any": ALL,
    "open": OPEN,
    "held": HELD,
    "final": FINAL,
    "pending": _PENDING,
    "new": _PENDING,
    "enqueued": _PENDING,
    "processing": frozenset({TaskState.RUNNING}),
    "in_progress": _PROGRESS,
    "child_running": frozenset({TaskState.WAITING}),
    "dequeued": frozenset({TaskState.RUNNING}),
    "completed": frozenset({TaskState.SUCCEEDED}),
    "success": frozenset({TaskState.SUCCEEDED}),
    "failure": frozenset({TaskState.FAILED}),
    "canceled": frozenset({TaskState.CANCELLED}),
}
"""Words of the older systems, and groups. The unified word is what gets printed."""


def parse_states(words: Iterable[str]) -> frozenset[TaskState]:
    """Read states, groups and the originals' words, in any case; raise for any other word."""
    found: set[TaskState] = set()
    for word in words:
        name = word.strip().lower().replace("-", "_")
        if name in STATE_ALIASES:
            found |= STATE_ALIASES[name]
        elif name in ALL:
            found.add(TaskState(name))
        else:
            known = ", ".join([*ALL_WORDS])
            message = f"{word!r} is not a task state; use one of: {known}"
            raise ConfigurationError(message)
    return frozenset(found)


ALL_WORDS = (*(state.value for state in TaskState), *STATE_ALIASES)


class Reason(StrEnum):
    """Why a task failed."""

    ERROR = "error"
    PERMANENT = "permanent"
    TIMEOUT = "timeout"
    POISON = "poison"
    LOST = "lost"
    DEPENDENCY = "dependency"
    CHILD = "child"
    DECODE = "decode"
    UNKNOWN_TASK = "unknown_task"
    ARGUMENTS = "arguments"
    UNDELIVERABLE = "undeliverable"
    FORCED = "forced"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What a task is: fixed when it is enqueued or adopted, kept until its row is stripped.

    `id` is the task key of protocol.md §3. `body` is the encoded message, all that is needed
    to publish the task again. Times are aware UTC.
    """

    id: TaskId
    name: str
    queue: str
    body: bytes
    created_at: datetime
    priority: int = NORMAL
    max_attempts: int | None = None
    expires_at: datetime | None = None
    tags: tuple[str, ...] = ()
    category: str | None = None
    tenant: str | None = None
    owner: str | None = None
    label: str | None = None
    parent_id: TaskId | None = None
    key: str | None = None
    delete_on_complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """What a handler raised: the class name, its text, and the formatted traceback."""

    type: str
    message: str
    traceback: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A row of the log: the spec and where the task stands.

    `body` is None where the row does not hold the message (a lean log, or a stripped row).
    `result` and `report` are JSON text as bytes. `token` is the fencing token, `wake_no` the
    wake number, `run` the operator's retries (protocol.md §1).
    """

    spec: TaskSpec
    state: TaskState
    due_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    body: bytes | None = None
    reason: str | None = None
    token: int = 0
    claim_id: str | None = None
    worker: str | None = None
    lease_until: datetime | None = None
    attempts: int = 0
    rescues: int = 0
    run: int = 0
    wake_at: datetime | None = None
    wake_no: int = 0
    audits: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    archived_at: datetime | None = None
    deleted_at: datetime | None = None
    result: bytes | None = None
    report: bytes | None = None
    error: TaskError | None = None
    progress: float | None = None
    progress_note: str | None = None

    @property
    def id(self) -> TaskId:
        """The task key."""
        return self.spec.id

    @property
    def final(self) -> bool:
        """Whether only an operator can change the state."""
        return self.state in FINAL

    def with_body(self, body: bytes | None) -> Task:
        """The row with a body to publish: its own, or the given one where it has none."""
        if self.body is not None or body is None:
            return self
        return replace(self, body=body, spec=replace(self.spec, body=body))

    @property
    def duration(self) -> timedelta | None:
        """Time from the start of the newest attempt to its end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line a handler wrote, by `ctx.log` or to standard output."""

    at: datetime
    level: str
    text: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try that has ended: by itself, given back, or lost with its worker.

    `outcome` is `succeeded`, `retrying`, `failed`, `cancelled`, `given_back` or `lost`;
    `number` is the attempt inside run `run`, `token` the fencing token it held.
    """

    task_id: TaskId
    run: int
    number: int
    token: int
    worker: str
    outcome: str
    started_at: datetime
    ended_at: datetime
    error: TaskError | None = None
    lines: tuple[LogLine, ...] = ()

    @property
    def duration(self) -> timedelta:
        """Time from the claim to the end."""
        return self.ended_at - self.started_at
