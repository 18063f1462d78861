"""The open ports of one application, as client, worker and scheduler are given them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from longshore.clock import Clock, SystemClock
from longshore.identity import TaskIds

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.codec.fetch import Fetcher
    from longshore.queue import Queue
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.telemetry import Seam
    from longshore.together import Together


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """`together` is there only where queue and log are one store; `store` may be missing.

    So may `fetcher`, which reads what messages only point at, and `telemetry`, where nobody
    observes.

    `random` spreads load and retries, and guards nothing.
    """

    queue: Callable[[str], Queue]
    task_log: TaskLog
    store: Store | None = None
    together: Together | None = None
    fetcher: Fetcher | None = None
    telemetry: Seam | None = None
    clock: Clock = field(default_factory=SystemClock)
    ids: TaskIds = field(default_factory=TaskIds)
    random: Random = field(default_factory=Random)
