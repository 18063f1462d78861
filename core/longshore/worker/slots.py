"""What a worker holds and how much more it may: the count that every part of it shares."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from longshore.identity import TaskId
    from longshore.policy import Policy
    from longshore.worker.holding import Holding
    from longshore.worker.options import WorkerOptions

_SHORT_TASK: Final = 0.5
_STALE: Final = 1.0
"""Seconds that a claimed task may wait here for a slot, where others might run it at once."""
_SMOOTHING: Final = 16


class Slots:
    """Holdings by task, those that are ready, and the free room. Lives on one loop.

    `coming` counts deliveries that are to be claimed. A last try waits in `solo` until nothing
    else is held, and while it is held nothing else is taken.
    """

    def __init__(self, options: WorkerOptions, policy: Policy) -> None:
        """Start with everything free."""
        self._options = options
        self._policy = policy
        self._weights = {name: policy.of(name).weight for name in options.queues}
        self._by_queue: Counter[str] = Counter()
        self._mean: float | None = None
        self._alone: Holding | None = None
        self.held: dict[TaskId, Holding] = {}
        self.ready: deque[Holding] = deque()
        self.solo: deque[Holding] = deque()
        self.coming = 0
        self.running = 0
        self.started = 0
        self.ended = 0
        self.changed = asyncio.Event()

    def expect(self, queue: str, count: int) -> None:
        """Count deliveries that are to be claimed; less again when they have been."""
        self.coming += count
        self._by_queue[queue] += count

    def add(self, held: Holding) -> None:
        """Hold a task; a last try waits apart until it is alone."""
        self.held[held.spec.id] = held
        self._by_queue[held.spec.queue] += 1
        self.started += 1
        (self.solo if held.alone else self.ready).append(held)

    def drop(self, held: Holding) -> None:
        """Hold it no more."""
        if self.held.pop(held.spec.id, None) is not None:
            self._by_queue[held.spec.queue] -= 1
            self.ended += 1
        if held is self._alone:
            self._alone = None
        self.changed.set()

    def took(self, seconds: float) -> None:
        """Learn how long handlers take: short ones may be fetched ahead."""
        mean = seconds if self._mean is None else self._mean
        self._mean = mean + (seconds - mean) / _SMOOTHING

    def next(self) -> Holding | None:
        """Take what may begin now, or None."""
        if self._alone is not None:
            return None
        if self.ready and self.running < self._options.concurrency:
            return self.ready.popleft()
        if self.solo and not self.coming and len(self.held) == len(self.solo):
            self._alone = self.solo.popleft()
        return self._alone

    def take_waiting(self) -> list[Holding]:
        """Take everything that has not begun."""
        waiting = [*self.ready, *self.solo]
        self.ready.clear()
        self.solo.clear()
        return waiting

    def take_stale(self, now: float) -> list[Holding]:
        """Take what was fetched ahead of tasks that turned out long; fetch no more for now."""
        if self._options.prefetch is not None:
            return []
        stale = [held for held in self.ready if now - held.claimed_at > _STALE]
        if stale:
            self._mean = None
            self.ready = deque(held for held in self.ready if now - held.claimed_at <= _STALE)
        return stale

    def room(self, queue: str) -> int:
        """How many more of a queue may be held, now that they are here."""
        if self.solo or self._alone is not None:
            return 0
        taken = self.running + len(self.ready) + self.coming
        room = self._options.concurrency + self.ahead - taken
        if self._options.max_tasks is not None:
            room = min(room, self._options.max_tasks - self.started - self.coming)
        own = self._policy.of(queue).concurrency
        return room if own is None else min(room, own - self._by_queue[queue])

    def free(self, queue: str) -> int:
        """How many more of a queue may be asked for: its share of the room, at least one of it.

        None while half of what may wait here does so: few large batches cost less than many small
        ones. Nor more than run at once: while one batch begins, the next is fetched.
        """
        if len(self.ready) > self.ahead // 2:
            return 0
        room = self.room(queue)
        if self._options.prefetch is None:
            room = min(room, self._options.concurrency)
        weight = self._weights[queue] / sum(self._weights.values())
        due = int(self._options.concurrency * weight) - self._by_queue[queue]
        return min(room, max(due, int(room * weight), 1))

    @property
    def ahead(self) -> int:
        """Claimed tasks that may wait here: as many again while tasks are short, else none."""
        if self._options.prefetch is not None:
            return self._options.prefetch
        short = self._mean is not None and self._mean < _SHORT_TASK
        return self._options.concurrency if short else 0
