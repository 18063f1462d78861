"""What holds for a queue unless a task says otherwise, and which queue a task goes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from longshore.codec import DEFAULT_FORMATS
from longshore.levels import Level
from longshore.priority import NORMAL
from longshore.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePolicy:
    """Defaults of one queue. `timeout` is per attempt; None means no limit.

    `concurrency` caps what one worker runs of this queue; `weight` is its share of the free
    slots of a worker that serves several queues. `task`, `formats`, `split` and `fetch_from` are
    for messages of other producers (see `longshore.codec`).
    """

    priority: int = NORMAL
    retry: Retry = field(default_factory=Retry)
    timeout: timedelta | None = None
    expires: timedelta | None = None
    lease: timedelta = LEASE
    concurrency: int | None = None
    weight: int = 1
    tags: tuple[str, ...] = ()
    delete_on_complete: bool = False
    task: str | None = None
    formats: tuple[str, ...] = DEFAULT_FORMATS
    split: bool = False
    fetch_from: tuple[str, ...] = ()
    log: Level = Level.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every queue's defaults, and the routes from task names (or patterns) to queues."""

    queue: str = "default"
    default: QueuePolicy = field(default_factory=QueuePolicy)
    queues: Mapping[str, QueuePolicy] = field(default_factory=dict[str, QueuePolicy])
    routes: Mapping[str, str] = field(default_factory=dict[str, str])
    max_rescues: int = 3

    def of(self, queue: str) -> QueuePolicy:
        """The defaults of a queue."""
        return self.queues.get(queue, self.default)

    def route(self, task: str) -> str:
        """The queue of a task: by its exact name, else by the longest pattern that fits.

        Of patterns equally long the first in alphabetical order decides.
        """
        if not self.routes:
            return self.queue
        if task in self.routes:
            return self.routes[task]
        fitting = [pattern for pattern in self.routes if fnmatchcase(task, pattern)]
        if not fitting:
            return self.queue
        return self.routes[min(fitting, key=lambda pattern: (-len(pattern), pattern))]
