"""The words of the task protocol: what goes into each verb of the log, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from longshore.quick import quick

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.identity import TaskId
    from longshore.task import LogLine, Task, TaskError, TaskSpec, TaskState

MARGIN = timedelta(seconds=2)
"""How long past its end a lease is honoured: covers clocks that differ."""

GRACE = MARGIN + timedelta(seconds=1)
"""How long past a lease's end the wake-up of a running row comes."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row to insert. `state` is created, queued, scheduled, blocked, cancelled or paused.

    `armed` sets the wake-up (at `due_at`, or at `wake_at` where given) with wake number 1.
    """

    spec: TaskSpec
    state: TaskState
    due_at: datetime
    armed: bool = False
    wake_at: datetime | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it holds nothing but what every record does: most are written by that alone."""
        spec = self.spec
        return not (
            self.armed
            or spec.tags
            or spec.delete_on_complete
            or spec.expires_at is not None
            or spec.category is not None
            or spec.tenant is not None
            or spec.owner is not None
            or spec.label is not None
            or spec.parent_id is not None
            or spec.key is not None
        )


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Whether the row is new, and its state; or the error why the log cannot hold it."""

    task_id: TaskId
    inserted: bool
    state: TaskState
    error: LongshoreError | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's bid for a task.

    `stamp` is the run written on a dead letter that was redriven. `early_ack` asks for the
    wake-up in the row because the message will be acknowledged before the end (§8).
    `lost_fails` ends a lost task as failed instead of running it again. `lean` adopts the message
    without its body, which then is stored only once the row has to be published. `receives` is how
    often the broker delivered the message: all there is to count attempts by without a log.
    `logged` says that the message was published from a row.
    """

    spec: TaskSpec
    claim_id: str
    worker: str
    lease: timedelta
    due_at: datetime
    stamp: int | None = None
    early_ack: bool = False
    max_rescues: int = 3
    lost_fails: bool = False
    lean: bool = False
    receives: int = 1
    logged: bool = False


class Answer(StrEnum):
    """What became of a claim (protocol.md §5)."""

    WON = "won"
    MINE = "mine"
    DONE = "done"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    POISON = "poison"
    BUSY = "busy"
    EARLY = "early"
    HELD = "held"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The answer to a claim. `until` goes with busy and early.

    `alone` says that this is the last try `max_rescues` allows and must run alone. `armed`
    says that this claim left a wake-up in the row, so that the message may be acknowledged.
    `has_body` says that the row can be published without its message.
    """

    answer: Answer
    state: TaskState
    token: int = 0
    attempt: int = 0
    run: int = 0
    rescues: int = 0
    until: datetime | None = None
    alone: bool = False
    armed: bool = False
    has_body: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Keep the lease of a running task."""

    task_id: TaskId
    token: int
    lease: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """`ok` is False where the lease was lost: cancel the handler."""

    task_id: TaskId
    ok: bool
    cancel_requested: bool = False


class End(StrEnum):
    """How an attempt ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    GIVE_BACK = "give_back"
    CANCEL = "cancel"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of an attempt.

    `retry_in` is the wait before the next attempt (failure) or before it may start again (give
    back); None means none is left, or now. `message_waits` says that a message is held which
    the broker itself can hold back for that long; otherwise the row takes the wake-up over.
    `started_at` is when the handler's first line ran; None leaves the time of the claim. `claim` is
    the bid that was won, for a log that wrote nothing then and may want a row now.
    """

    task_id: TaskId
    token: int
    end: End
    held: bool = True
    retry_in: timedelta | None = None
    message_waits: bool = True
    reason: str | None = None
    body: bytes | None = None
    result: bytes | None = None
    report: bytes | None = None
    error: TaskError | None = None
    started_at: datetime | None = None
    lines: tuple[LogLine, ...] = ()
    claim: Claim | None = None


class Settle(StrEnum):
    """What to do with the message after a finish."""

    ACK = "ack"
    RELEASE = "release"
    DEAD_LETTER = "dead_letter"
    LEAVE = "leave"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The answer to a finish: the state, the run it ended, and what becomes of the message."""

    task_id: TaskId
    accepted: bool
    settle: Settle
    state: TaskState | None = None
    run: int = 0
    delay: timedelta = timedelta(0)
    reason: str | None = None
    error: LongshoreError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Progress of a running task: a share from 0 to 1, and a text."""

    task_id: TaskId
    token: int
    progress: float | None = None
    text: str | None = None


class Verb(StrEnum):
    """The changes that `transition` makes; `VERBS` says where each starts from."""

    PARK = "park"
    KEEP_BODY = "keep_body"
    ARM = "arm"
    CONFIRM = "confirm"
    POSTPONE = "postpone"
    DEFER = "defer"
    EXPIRE = "expire"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    FORCE_FAIL = "force_fail"
    FORCE_SUCCEED = "force_succeed"
    UNBLOCK = "unblock"
    ABANDON = "abandon"
    DELETE = "delete"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A verb under a guard: a given `state`, `token` or `wake_no` must be the row's.

    `spec` lets cancel and pause leave a tombstone where the task has no row yet. `body` is stored
    where the verb needs one and the row has none: park, keep_body, arm, resume, retry, unblock.
    """

    task_id: TaskId
    verb: Verb
    state: TaskState | None = None
    token: int | None = None
    wake_no: int | None = None
    spec: TaskSpec | None = None
    body: bytes | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Whether the change was made, and the row as it stands now (None: there is none)."""

    task_id: TaskId
    applied: bool
    task: Task | None
