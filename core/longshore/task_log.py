"""PORT: the log of tasks; the truth about state.

Every write is a compare-and-set decided by `longshore.protocol`, atomic per item; a batch is
not one transaction. Verbs take many items and answer per item, in order; losing a
compare-and-set is an answer, not an error. A verb *raises* only where no item can be answered:
`UnavailableError` (repeat it: every verb can be repeated) or `ClosedError`; of a batch with an
item the log cannot hold, `record` and `finish` answer the error for that item alone. All verbs
may be called concurrently, from several processes. Times are judged by the log's own clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from longshore.task import ALL, OPEN, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.protocol import (
        Change,
        Changed,
        Claim,
        Claimed,
        Finished,
        Note,
        Outcome,
        Record,
        Recorded,
        Renewal,
        Renewed,
    )
    from longshore.task import Attempt, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLogCapabilities:
    """What a log keeps and how long it survives. `clock` is `host` or `server`.

    `survives` says in words what an answered write outlives, as this log is set up. `indexed` says
    that rows are found and counted by state without reading all others.
    """

    adapter: str
    durable: bool = True
    shared: bool = True
    clock: str = "server"
    max_row: int = 16_777_216
    exact_counts: bool = True
    indexed: bool = True
    survives: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """A filter: every given part must hold; an empty part does not ask.

    `tags` must all be present. `error` is looked for in the error's type and text, in any
    case. `armed` asks whether there is a wake-up in the row. `created_after` is inclusive,
    `created_before` and `updated_before` are exclusive. Deleted (hidden) and archived rows come
    only when asked for.
    """

    states: frozenset[TaskState] = ALL
    ids: tuple[TaskId, ...] = ()
    names: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    category: str | None = None
    tenant: str | None = None
    owner: str | None = None
    parent_id: TaskId | None = None
    error: str | None = None
    reason: str | None = None
    armed: bool | None = None
    updated_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    include_deleted: bool = False
    include_archived: bool = False

    def matches(self, task: Task) -> bool:
        """Whether a row passes the filter; the definition that every adapter's own must meet."""
        spec = task.spec
        wanted = (
            (self.ids, task.id),
            (self.names, spec.name),
            (self.queues, spec.queue),
        )
        exact = (
            (self.category, spec.category),
            (self.tenant, spec.tenant),
            (self.owner, spec.owner),
            (self.parent_id, spec.parent_id),
            (self.reason, task.reason),
        )
        return (
            task.state in self.states
            and all(not among or value in among for among, value in wanted)
            and all(value is None or value == of for value, of in exact)
            and set(self.tags) <= set(spec.tags)
            and (self.include_deleted or task.deleted_at is None)
            and (self.include_archived or task.archived_at is None)
            and (self.armed is None or self.armed is (task.wake_at is not None))
            and (self.updated_before is None or task.updated_at < self.updated_before)
            and (self.created_after is None or spec.created_at >= self.created_after)
            and (self.created_before is None or spec.created_at < self.created_before)
            and (self.error is None or self._error_matches(task))
        )

    def _error_matches(self, task: Task) -> bool:
        if task.error is None or self.error is None:
            return False
        text = f"{task.error.type}: {task.error.message}"
        return self.error.casefold() in text.casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Tasks, newest row first, and the cursor of the next page (None: this was the last)."""

    tasks: tuple[Task, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many rows match, and whether the figure is exact."""

    value: int
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """Rows of one queue by state; `oldest_open` is when its oldest open task was created.

    `mean_duration` is that of the newest attempts of succeeded tasks; None without one.
    """

    queue: str
    by_state: Mapping[TaskState, int]
    oldest_open: datetime | None = None
    mean_duration: timedelta | None = None

    @property
    def total(self) -> int:
        """All rows, whatever their state."""
        return sum(self.by_state.values())


@dataclass(slots=True)
class QueueTally:
    """Counts rows of one queue as a log comes by them, and keeps none."""

    by_state: Counter[TaskState] = field(default_factory=Counter["TaskState"])
    oldest_open: datetime | None = None
    timed: int = 0
    took: timedelta = timedelta(0)

    def add(self, row: Task) -> None:
        """Count a row."""
        self.by_state[row.state] += 1
        created = row.spec.created_at
        if row.state in OPEN and (self.oldest_open is None or created < self.oldest_open):
            self.oldest_open = created
        if row.state is TaskState.SUCCEEDED and row.duration is not None:
            self.timed += 1
            self.took += row.duration

    def stats(self, queue: str) -> QueueStats:
        """Answer what was counted; the duration is the mean of all that succeeded."""
        return QueueStats(
            queue=queue,
            by_state=dict(self.by_state),
            oldest_open=self.oldest_open,
            mean_duration=self.took / self.timed if self.timed else None,
        )


class TaskLog(Protocol):
    """Rows of tasks, and the attempts made at each."""

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """What this log can do. Constant while it is open."""
        ...

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows that are absent; an existing row is answered and never changed."""
        ...

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Try to own tasks, by the table of protocol.md §5. A message without a row is adopted.

        Of concurrent claims of one task at most one wins. Repeating a claim under its claim id
        is answered like the first time and changes nothing.
        """
        ...

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Let leases end `lease` from now; guard (running, token). See protocol.md §6."""
        ...

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """End attempts; guard (running, token). See protocol.md §7 for each effect.

        The attempt's own record is kept in the same write. A refused finish changes nothing.
        """
        ...

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Apply changes, each under its guard; a refused one answers the row as it stands."""
        ...

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress of running tasks; guard (running, token). False where refused."""
        ...

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read rows, hidden ones included; None for an id without a row."""
        ...

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """List rows, newest first.

        Following cursors shows each row that stood at the start exactly once, whatever is
        inserted meanwhile.
        """
        ...

    async def count(self, query: TaskQuery) -> Count:
        """Count matching rows."""
        ...

    async def stats(self) -> list[QueueStats]:
        """Count rows by queue and state, in order of queue names. Hidden rows are left out."""
        ...

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List rows with `wake_at <= before`, earliest first."""
        ...

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List ended attempts of a task, oldest first; empty for an unknown task."""
        ...

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove final rows last written before `before`, with their attempts, oldest first.

        Removes at most `limit` and answers how many. The caller answers for `before` being
        past every message (protocol.md §12); where queue and log are one store (`Together`), the
        log itself keeps rows of which a message stands, and dead letters go with their rows.
        States that are not final are refused with `ConfigurationError`.
        """
        ...
