"""Ports that fail or dawdle on purpose, around any real one.

Each wrapper is itself a port, so that code under test cannot tell. A `FaultPlan` may be shared
by several wrappers, as one server that is away is away for all.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from longshore.errors import UnavailableError, UnsupportedError
from longshore.queue import ForwardingQueue, SupportsDeadLetters, SupportsPurge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, timedelta

    from longshore.clock import Clock
    from longshore.errors import LongshoreError
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
    from longshore.queue import (
        DeadLetter,
        Delivery,
        Depth,
        Outgoing,
        Queue,
        Rejection,
        Release,
    )
    from longshore.store import Add, Delete, Entry, Put, Store
    from longshore.task import Attempt, Task, TaskState
    from longshore.task_log import (
        Count,
        Page,
        QueueStats,
        TaskLog,
        TaskLogCapabilities,
        TaskQuery,
    )

T = TypeVar("T")


class Gate(Protocol):
    """What every call of a wrapped port goes through."""

    async def through(self, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call, or not, and answer, or not."""
        ...


class FaultPlan:
    """Says which calls fail, by the name of their verb. A healthy plan lets all through.

    Every failure is an `UnavailableError`, as of a server that does not answer.
    """

    def __init__(self) -> None:
        self._asleep = False
        self._failing: Counter[str] = Counter()
        self._losing: Counter[str] = Counter()

    def sleep(self) -> None:
        """Let every call fail, undone, until `wake`."""
        self._asleep = True

    def wake(self) -> None:
        """End the sleep; failures that were planned stay planned."""
        self._asleep = False

    def fail_next(self, verb: str, n: int = 1) -> None:
        """Let the next `n` calls of a verb fail, undone."""
        self._failing[verb] += n

    def lose_answer(self, verb: str, n: int = 1) -> None:
        """Let the next `n` calls of a verb be done and then fail, as if the answer was lost."""
        self._losing[verb] += n

    async def through(self, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        """Fail before the call, after it, or not at all."""
        if self._asleep or _due(self._failing, verb):
            message = f"{verb}: the server is away, as planned by the test"
            raise UnavailableError(message)
        lost = _due(self._losing, verb)
        answer = await call()
        if lost:
            message = f"{verb}: the answer was lost, as planned by the test"
            raise UnavailableError(message)
        return answer


def _due(planned: Counter[str], verb: str) -> bool:
    if planned[verb] <= 0:
        return False
    planned[verb] -= 1
    return True


class Delay:
    """Holds every call back for `duration` of the clock."""

    def __init__(self, duration: timedelta, clock: Clock) -> None:
        self._duration = duration
        self._clock = clock

    async def through(self, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        """Wait, then make the call; every verb alike."""
        del verb
        await self._clock.sleep(self._duration.total_seconds())
        return await call()


class GatedQueue(ForwardingQueue):
    """A queue whose calls go through a gate.

    Purge and dead letters are those of the queue inside: `UnsupportedError` where it has none.
    """

    def __init__(self, queue: Queue, gate: Gate) -> None:
        super().__init__(queue)
        self._gate = gate

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send through the gate."""
        return await self._gate.through("send", lambda: self._queue.send(messages))

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Receive through the gate; where the answer is lost, the leases run."""
        receive = self._queue.receive
        return await self._gate.through(
            "receive", lambda: receive(limit=limit, wait=wait, lease=lease)
        )

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Acknowledge through the gate."""
        return await self._gate.through("ack", lambda: self._queue.ack(deliveries))

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Release through the gate."""
        return await self._gate.through("release", lambda: self._queue.release(releases))

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Reject through the gate."""
        return await self._gate.through("reject", lambda: self._queue.reject(rejections))

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Extend through the gate."""
        return await self._gate.through(
            "extend", lambda: self._queue.extend(deliveries, lease=lease)
        )

    async def depth(self) -> Depth:
        """Count through the gate."""
        return await self._gate.through("depth", self._queue.depth)

    async def declare(self) -> bool:
        """Declare through the gate."""
        return await self._gate.through("declare", self._queue.declare)

    async def delete(self) -> None:
        """Delete through the gate."""
        await self._gate.through("delete", self._queue.delete)

    async def purge(self) -> int:
        """Purge through the gate."""
        queue = self._queue
        if not isinstance(queue, SupportsPurge):
            option = "purge"
            raise self._lacks(option)
        return await self._gate.through("purge", queue.purge)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters through the gate."""
        queue = self._with_dead_letters()
        return await self._gate.through(
            "dead_letters", lambda: queue.dead_letters(limit=limit, after=after)
        )

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Redrive through the gate."""
        queue = self._with_dead_letters()
        return await self._gate.through("redrive", lambda: queue.redrive(ids))

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Discard through the gate."""
        queue = self._with_dead_letters()
        return await self._gate.through("discard", lambda: queue.discard(ids))

    def _with_dead_letters(self) -> SupportsDeadLetters:
        if not isinstance(self._queue, SupportsDeadLetters):
            option = "dead letters"
            raise self._lacks(option)
        return self._queue

    def _lacks(self, option: str) -> UnsupportedError:
        instead = "wrap a queue that does"
        return UnsupportedError(self.capabilities.adapter, option, instead)


class GatedTaskLog:
    """A log whose calls go through a gate."""

    def __init__(self, log: TaskLog, gate: Gate) -> None:
        self._log = log
        self._gate = gate

    @property
    def capabilities(self) -> TaskLogCapabilities:
        """What the log inside can do."""
        return self._log.capabilities

    async def record(self, records: Sequence[Record]) -> list[Recorded]:
        """Record through the gate."""
        return await self._gate.through("record", lambda: self._log.record(records))

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Claim through the gate."""
        return await self._gate.through("claim", lambda: self._log.claim(claims))

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Renew through the gate."""
        return await self._gate.through("renew", lambda: self._log.renew(renewals))

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Finished]:
        """Finish through the gate."""
        return await self._gate.through("finish", lambda: self._log.finish(outcomes))

    async def transition(self, changes: Sequence[Change]) -> list[Changed]:
        """Change through the gate."""
        return await self._gate.through("transition", lambda: self._log.transition(changes))

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Note through the gate."""
        return await self._gate.through("note", lambda: self._log.note(notes))

    async def get(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """Read through the gate."""
        return await self._gate.through("get", lambda: self._log.get(ids))

    async def find(self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Find through the gate."""
        find = self._log.find
        return await self._gate.through("find", lambda: find(query, limit=limit, cursor=cursor))

    async def count(self, query: TaskQuery) -> Count:
        """Count through the gate."""
        return await self._gate.through("count", lambda: self._log.count(query))

    async def stats(self) -> list[QueueStats]:
        """Count by queue through the gate."""
        return await self._gate.through("stats", self._log.stats)

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        """List due rows through the gate."""
        due = self._log.due
        return await self._gate.through("due", lambda: due(before=before, limit=limit))

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """List attempts through the gate."""
        return await self._gate.through("attempts", lambda: self._log.attempts(task_id))

    async def prune(self, *, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Prune through the gate."""
        prune = self._log.prune
        return await self._gate.through(
            "prune", lambda: prune(states=states, before=before, limit=limit)
        )


class GatedStore:
    """A store whose calls go through a gate."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read through the gate."""
        return await self._gate.through("get", lambda: self._store.get(keys))

    async def put(self, puts: Sequence[Put]) -> list[Entry | None]:
        """Write through the gate."""
        return await self._gate.through("put", lambda: self._store.put(puts))

    async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
        """Remove through the gate."""
        return await self._gate.through("delete", lambda: self._store.delete(deletes))

    async def add(self, adds: Sequence[Add]) -> list[int]:
        """Add through the gate."""
        return await self._gate.through("add", lambda: self._store.add(adds))

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> list[Entry]:
        """Scan through the gate."""
        scan = self._store.scan
        return await self._gate.through("scan", lambda: scan(prefix, after=after, limit=limit))


class FlakyQueue(GatedQueue):
    """A queue that fails as planned."""

    def __init__(self, queue: Queue, plan: FaultPlan) -> None:
        super().__init__(queue, plan)


class FlakyTaskLog(GatedTaskLog):
    """A log that fails as planned."""

    def __init__(self, log: TaskLog, plan: FaultPlan) -> None:
        super().__init__(log, plan)


class FlakyStore(GatedStore):
    """A store that fails as planned."""

    def __init__(self, store: Store, plan: FaultPlan) -> None:
        super().__init__(store, plan)


class SlowQueue(GatedQueue):
    """A queue that takes `delay` of the clock longer for every call."""

    def __init__(self, queue: Queue, delay: timedelta, clock: Clock) -> None:
        super().__init__(queue, Delay(delay, clock))


class SlowTaskLog(GatedTaskLog):
    """A log that takes `delay` of the clock longer for every call."""

    def __init__(self, log: TaskLog, delay: timedelta, clock: Clock) -> None:
        super().__init__(log, Delay(delay, clock))


class SlowStore(GatedStore):
    """A store that takes `delay` of the clock longer for every call."""

    def __init__(self, store: Store, delay: timedelta, clock: Clock) -> None:
        super().__init__(store, Delay(delay, clock))
