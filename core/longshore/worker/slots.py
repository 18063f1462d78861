"""What a worker holds and how much more it may: the count that every part of it shares."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from longshore.worker.groups import Groups

if TYPE_CHECKING:
    from collections.abc import Callable

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

    `concurrency` is how many may run at once, and may be changed; `done` and `failed` count
    attempts.
    `coming` counts deliveries that are to be claimed. A last try runs with nothing else held,
    and while it is held nothing else is taken. Claimed beside others it goes back, since it would
    die with them unheard; then all is let end, and one message is taken into the empty worker.
    """

    def __init__(self, options: WorkerOptions, policy: Policy) -> None:
        """Start with everything free."""
        self._options = options
        self._policy = policy
        self._shares = _shares(options, policy)
        self._by_queue: Counter[str] = Counter()
        self._mean: float | None = None
        self._alone: Holding | None = None
        self._clearing = False
        self.groups = Groups()
        self.concurrency = options.concurrency
        self.held: dict[TaskId, Holding] = {}
        self.ready: deque[Holding] = deque()
        self.solo: deque[Holding] = deque()
        self.coming = 0
        self.running = 0
        self.started = 0
        self.ended = 0
        self.done = self.failed = 0
        self.changed = asyncio.Event()

    def expect(self, queue: str, count: int) -> None:
        """Count deliveries that are to be claimed; less again when they have been."""
        self.coming += count
        self._by_queue[queue] += count

    def add(self, held: Holding) -> None:
        """Hold a task; a last try waits apart until it is alone.

        Of two holdings of one task only the newer token's is valid, whichever answer came first.
        """
        older = self.held.get(held.spec.id)
        if older is not None:
            if older.token >= held.token:
                return
            self.drop(older)
            older.stop("lost")
        self._clearing = False
        self.held[held.spec.id] = held
        self._by_queue[held.spec.queue] += 1
        self.started += 1
        (self.solo if held.alone else self.ready).append(held)

    def drop(self, held: Holding) -> None:
        """Hold it no more."""
        if self.held.get(held.spec.id) is held:
            del self.held[held.spec.id]
            self._by_queue[held.spec.queue] -= 1
            self.ended += 1
        if held is self._alone:
            self._alone = None
        self.groups.end(held)
        self.changed.set()

    def took(self, seconds: float) -> None:
        """Learn how long handlers take: short ones may be fetched ahead."""
        mean = seconds if self._mean is None else self._mean
        self._mean = mean + (seconds - mean) / _SMOOTHING

    def next(self) -> Holding | None:
        """Take what may begin now, or None."""
        if self._alone is not None:
            return None
        if self.running < self.concurrency and (first := self.groups.take_first(self.ready)):
            return first
        if self.solo and not (self.coming or self.running) and len(self.held) == 1:
            self._alone = self.solo.popleft()
        return self._alone

    def take_waiting(self, fits: Callable[[Holding], bool] | None = None) -> list[Holding]:
        """Take what has not begun: everything, or all that fits."""
        waiting = [held for held in (*self.ready, *self.solo) if fits is None or fits(held)]
        if waiting:
            taken = set(waiting)
            self.ready = deque(held for held in self.ready if held not in taken)
            self.solo = deque(held for held in self.solo if held not in taken)
            self.started -= len(waiting)
        return waiting

    def take_blocked(self) -> list[Holding]:
        """Take what comes behind a task of its group that goes back."""
        blocked = self.groups.take_blocked()
        return self.take_waiting(lambda held: held.group in blocked) if blocked else []

    def take_crowd(self) -> list[Holding]:
        """Take the last tries that are not alone: held beside another, they would die with it."""
        if not self.solo:
            return []
        first = len(self.held) == len(self.solo) and not self.coming
        crowd = set(list(self.solo)[1 if first else 0 :])
        for held in () if first else crowd:
            self.groups.block(held.group)
        self._clearing = self._clearing or not first
        return self.take_waiting(crowd.__contains__) if crowd else []

    def take_stale(self, now: float) -> list[Holding]:
        """Take what was fetched ahead of tasks that turned out long; fetch no more for now."""
        if self._options.prefetch is not None or not self.ready:
            return []
        stale = self.take_waiting(lambda held: not held.alone and now - held.claimed_at > _STALE)
        if stale:
            self._mean = None
        return stale

    def room(self, queue: str) -> int:
        """How many more of a queue may be held, now that they are here."""
        if self.solo or self._alone is not None:
            return 0
        if self._clearing:
            return 0 if self.held or self.coming else 1
        taken = self.running + len(self.ready) + self.coming
        room = self.concurrency + self.ahead - taken
        if self._options.max_tasks is not None:
            room = min(room, self._options.max_tasks - self.started - self.coming)
        own = self._policy.of(queue).concurrency
        return room if own is None else min(room, own - self._by_queue[queue])

    @property
    def spent(self) -> bool:
        """Whether no more may ever be taken, and a slot is free that another process could fill."""
        limit = self._options.max_tasks
        over = limit is not None and self.started >= limit
        return over and not self.ready and not self.solo and self.running < self.concurrency

    def is_full(self, queue: str) -> bool:
        """Whether a queue has as many as its own limit lets it have, whatever is free."""
        own = self._policy.of(queue).concurrency
        return own is not None and self._by_queue[queue] >= own

    def free(self, queue: str) -> int:
        """How many more of a queue may be asked for: its share of the room, at least one of it.

        None while half of what may wait here does so: few large batches cost less than many small
        ones. Nor more than run at once: while one batch begins, the next is fetched.
        """
        if len(self.ready) > self.ahead // 2:
            return 0
        room = self.room(queue)
        if self._options.prefetch is None:
            room = min(room, self.concurrency)
        share = self._shares[queue]
        due = int(self.concurrency * share) - self._by_queue[queue]
        return min(room, max(due, int(room * share), 1))

    @property
    def ahead(self) -> int:
        """Claimed tasks that may wait here: as many again while tasks are short, else none."""
        if self._options.prefetch is not None:
            return self._options.prefetch
        short = self._mean is not None and self._mean < _SHORT_TASK
        return self.concurrency if short else 0


def _shares(options: WorkerOptions, policy: Policy) -> dict[str, float]:
    """Each queue's part of the free room, 0 to 1."""
    if options.selection == "strict":
        return dict.fromkeys(options.queues, 1.0)
    even = options.selection == "round-robin"
    weights = {name: 1 if even else policy.of(name).weight for name in options.queues}
    whole = sum(weights.values())
    return {name: weight / whole for name, weight in weights.items()}
