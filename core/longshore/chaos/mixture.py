"""What is enqueued: tasks of every kind, from milliseconds to longer than a lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from longshore.chaos.tasks import (
    blocking_the_loop,
    failing_once,
    in_a_child,
    on_a_thread,
    on_the_loop,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from longshore.declare import TaskFunction
    from longshore.draft import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A kind of task: how many of a thousand it is, and how many seconds its handler takes."""

    task: TaskFunction[..., Any, Any]
    share: int
    shortest: float
    longest: float


PARTS: Final = (
    Part(task=on_the_loop, share=590, shortest=0.0, longest=0.05),
    Part(task=on_the_loop, share=150, shortest=0.1, longest=0.6),
    Part(task=on_a_thread, share=180, shortest=0.0, longest=0.4),
    Part(task=failing_once, share=30, shortest=0.0, longest=0.1),
    Part(task=in_a_child, share=20, shortest=0.05, longest=0.3),
    Part(task=blocking_the_loop, share=15, shortest=0.1, longest=0.5),
    Part(task=on_the_loop, share=10, shortest=2.0, longest=4.0),
    Part(task=on_a_thread, share=5, shortest=2.0, longest=4.0),
)
OUTLASTING: Final[tuple[TaskFunction[..., Any, Any], ...]] = (
    blocking_the_loop,
    on_a_thread,
    in_a_child,
)
"""The tasks that block for longer than a lease; there is one of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A task to enqueue, and how many attempts it takes when nothing is consumed wrongly."""

    draft: Draft
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Tasks of one run, known by its tenant. `lease` and `calm` are in seconds.

    A loop is blocked for longer than a lease only when all is `calm`: until its handler ends such
    a worker claims nothing of what it receives, and the rescues of others would be late for it.
    """

    lease: float
    calm: float
    tenant: str

    def tasks(self, count: int, random: Random) -> Iterator[Portion]:
        """Make `count` tasks, of them one of each kind that blocks for 2 s more than a lease."""
        outlasting = OUTLASTING[:count]
        places = dict(zip(random.sample(range(count), len(outlasting)), outlasting, strict=True))
        shares = [part.share for part in PARTS]
        owned = {part.task: part.task.using(tenant=self.tenant) for part in PARTS}
        for number in range(count):
            [part] = random.choices(PARTS, shares)
            seconds = round(random.uniform(part.shortest, part.longest), 3)
            if number in places:
                yield self._outlasting(places[number])
            else:
                attempts = 2 if part.task is failing_once else 1
                yield Portion(draft=owned[part.task].message(seconds), attempts=attempts)

    def _outlasting(self, task: TaskFunction[..., Any, Any]) -> Portion:
        owned = task.using(tenant=self.tenant)
        if task is blocking_the_loop:
            owned = owned.using(delay=self.calm)
        return Portion(draft=owned.message(self.lease + 2), attempts=1)
