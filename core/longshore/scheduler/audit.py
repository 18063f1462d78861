"""Rows whose message the broker dropped (protocol.md §9.2): they get a new one.

To be wrong here is harmless, because the log makes two messages one task.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
from longshore.protocol import MARGIN, Change, Verb
from longshore.scheduler.sightings import Sightings
from longshore.task import OPEN, TaskState
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from longshore.ports import Ports
    from longshore.scheduler.earliest import EarliestNow
    from longshore.scheduler.options import SchedulerOptions
    from longshore.scheduler.tally import Tally
    from longshore.task import Task

_log = logging.getLogger("longshore.scheduler")
PAGE: Final = 200
LONG_DEAD: Final = timedelta(minutes=2)
"""How long ago a lease must have ended: by then its message has come back, if there is one."""
RARELY: Final = timedelta(days=1)
"""Between two looks at least, where each reads the whole log, and may be paid for by the row.

Unless somebody has the last one forgotten, because a broker may have lost what it held: `longshore
init`, or a worker whose queue was away. So whether there was one is asked as often as others look.
"""
_OLD: Final = 0.8
"""The share of a queue's retention after which its messages count as dropped."""
_LIVE: Final = OPEN | {TaskState.RUNNING}


@dataclass(slots=True, kw_only=True)
class Walk:
    """A way through the rows of a queue that were last written before `before`."""

    queue: str
    before: datetime
    cursor: str | None = None


class Audit:
    """Looks at each queue that has open tasks, then goes through their rows page by page."""

    def __init__(
        self, ports: Ports, options: SchedulerOptions, earliest: EarliestNow, tally: Tally
    ) -> None:
        """The first look is at once; what it finds empty is looked at again after the gap."""
        self._ports = ports
        self._options = options
        self._earliest = earliest
        self._tally = tally
        self._sightings = Sightings(ports.store)
        self._look_at = ports.clock.monotonic()
        self._indexed = ports.task_log.capabilities.indexed
        self._every = options.audit_every if self._indexed else max(options.audit_every, RARELY)
        self._again = False
        self._walks: deque[Walk] = deque()

    async def step(self) -> bool:
        """Look if it is time, or go through one page; answer whether there is another."""
        if self._walks:
            await self._page(self._walks[0])
        elif self._ports.clock.monotonic() >= self._look_at:
            await self._look()
        return bool(self._walks)

    async def _look(self) -> None:
        now = self._ports.clock.now()
        self._look_in(self._options.audit_gap)  # where this raises
        if not (self._indexed or self._again) and await self._was_looked_at(now):
            return
        found = await self._ports.task_log.stats()
        queues = [one.queue for one in found if not _LIVE.isdisjoint(one.by_state)]
        before = await self._sightings.read()
        empty = {name: before.get(name, now) for name in queues if await self._is_empty(name)}
        twice = {n: at for n, at in empty.items() if now - at >= self._options.audit_gap}
        self._again = len(twice) < len(empty)
        self._look_in(self._options.audit_gap if self._again else self._options.audit_every)
        # The sighting of a clock that has since jumped back would be in the future.
        seen = {name: now if name in twice else min(at, now) for name, at in empty.items()}
        await self._sightings.write(seen)
        self._walks.extend(self._begun(queues, twice))

    async def _was_looked_at(self, now: datetime) -> bool:
        """Whether a leader before this one has looked, where each look reads the whole log."""
        looked = await self._sightings.looked()
        if looked is not None and timedelta(0) <= now - looked < self._every:
            self._look_in(min(self._every - (now - looked), self._options.audit_every))
            return True
        await self._sightings.look(now)
        return False

    def _look_in(self, wait: timedelta) -> None:
        self._look_at = self._ports.clock.monotonic() + wait.total_seconds()

    def _begun(self, queues: Iterable[str], twice: dict[str, datetime]) -> Iterable[Walk]:
        """Say which rows may have lost their messages: the queue was empty, or they are old."""
        for name in queues:
            ends = [twice[name] - MARGIN] if name in twice else []
            retention = self._retention(name)
            if retention is not None:
                ends.append(self._earliest() - _OLD * retention)
            if ends:
                yield Walk(queue=name, before=max(ends))

    def _retention(self, name: str) -> timedelta | None:
        """How long its messages are kept; a queue that no broker of ours can have has none."""
        try:
            return self._ports.queue(name).capabilities.retention
        except LongshoreError:  # was said when its depth was asked
            return None

    async def _is_empty(self, name: str) -> bool:
        try:
            depth = await self._ports.queue(name).depth()
        except LongshoreError as error:
            _log.warning("queue %s cannot be looked at for lost messages: %s", name, error)
            return False
        return not (depth.ready or depth.in_flight or depth.delayed)

    async def _page(self, walk: Walk) -> None:
        query = TaskQuery(
            states=_LIVE, queues=(walk.queue,), armed=False, updated_before=walk.before
        )
        page = await self._ports.task_log.find(query, limit=PAGE, cursor=walk.cursor)
        now = self._ports.clock.now()
        await self._judge([row for row in page.tasks if _is_lost(row, now)])
        walk.cursor = page.cursor
        if page.cursor is None:
            self._walks.popleft()

    async def _judge(self, rows: Sequence[Task]) -> None:
        """Publish rows again, or give them up where that was done in vain often enough."""
        bare = [row for row in rows if row.body is None]
        if bare:
            self._tally.bodiless += len(bare)
            _log.warning(
                "%d tasks have lost their messages, and their rows cannot replace them, such as %s"
                "; see: longshore show %s",
                *(len(bare), bare[0].id, bare[0].id),
            )
        most = max(self._options.max_rescues, 1)
        whole = [row for row in rows if row.body is not None]
        self._tally.armed += await self._change(
            [row for row in whole if row.audits < most], Verb.ARM
        )
        self._tally.undeliverable += await self._change(
            [row for row in whole if row.audits >= most], Verb.ABANDON
        )

    async def _change(self, rows: Sequence[Task], verb: Verb) -> int:
        if not rows:
            return 0
        changes = [
            Change(task_id=row.id, verb=verb, state=row.state, token=row.token, wake_no=row.wake_no)
            for row in rows
        ]
        answers = await self._ports.task_log.transition(changes)
        changed = sum(answer.applied for answer in answers)
        if changed:
            _log.warning(_WORDS[verb], changed)
        return changed


_WORDS: Final = {
    Verb.ARM: "%d tasks had lost their messages, and get new ones",
    Verb.ABANDON: "%d tasks failed as undeliverable: their messages were lost again and again",
}


def _is_lost(row: Task, now: datetime) -> bool:
    """Whether the row ought to have a message by now, or to be run by somebody."""
    if row.state is TaskState.RUNNING:
        return row.lease_until is None or row.lease_until + LONG_DEAD < now
    return row.due_at <= now
