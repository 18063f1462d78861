"""One run: enqueue, break workers until everything is done, and collect what was seen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final

from longshore.app import Longshore
from longshore.bench.command import environment, running, work
from longshore.chaos import journal, jumps
from longshore.chaos.count import Evidence
from longshore.chaos.mixture import Mixture
from longshore.chaos.monkey import Monkey
from longshore.chaos.plan import planned
from longshore.clock import SystemClock
from longshore.errors import ConfigurationError, UnavailableError
from longshore.identity import TaskId, TaskIds
from longshore.protocol import Renewal
from longshore.task import ALL, FINAL
from longshore.task_log import TaskQuery
from longshore.worker.options import BROKER_EXTRA

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from longshore.bench.command import Running
    from longshore.session import Live
    from longshore.task import Attempt, Task

APP: Final = "longshore.chaos.tasks:app"
QUEUE: Final = "longshore-chaos"
LEASE: Final = 10.0
"""Seconds. A broker's lease is 5 s longer, so twice the lease is a promise from 6 s or so on."""
SLOTS: Final = 8
GRACE: Final = 2.0
MAX_RESCUES: Final = 1000
"""Whoever is killed each second is no poison; a task may be unlucky as often as it likes."""

_LOOK: Final = 0.02
_COUNT_EVERY: Final = 0.25
_PATIENCE: Final = 60.0
"""Seconds in which nothing ends though all servers answer, after which what is left is lost."""
_AWAY: Final = 180.0
"""Seconds in which nothing ends while one does not, after which it is given up."""
_LAST_WORDS: Final = 30.0
_WRITES: Final = 0.5
"""Seconds in which the log takes a write, unless a stopped worker holds it."""
_CALM: Final = 5.0
"""Seconds after the last rescue, on a machine that keeps up, until a loop is blocked for long."""
_PAGE: Final = 500


class QueueInUseError(ConfigurationError):
    """The queue that is to be used has tasks or messages in it."""

    def __init__(self, found: int) -> None:
        """`found` is how many."""
        super().__init__(
            f"queue {QUEUE!r} is not empty ({found:,} waiting or running): another run may be "
            f"going on; if none is, longshore purge --queue {QUEUE} --waiting empties it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is made of; `seed` decides the tasks and what is done to the workers.

    `url` is where log and store are, and the queue too unless `queue_url` says otherwise.
    """

    url: str
    queue_url: str | None = None
    seed: int
    tasks: int = 10_000
    seconds: float = 90.0
    workers: int = 4
    slots: int = SLOTS
    lease: float = LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run that has ended. `stuck` workers did not end by TERM."""

    settings: Settings
    evidence: Evidence
    seconds: float
    restarts: int
    undone: int
    stuck: int


@dataclass(slots=True, kw_only=True)
class Chaos:
    """One run on a broker, with its files in `folder`: the journal, and what workers said.

    `done` is called with how many more tasks have ended.
    """

    settings: Settings
    folder: Path
    done: Callable[[int], object]
    _clock: SystemClock = field(default_factory=SystemClock)
    _tenant: str = field(default_factory=TaskIds())

    def run(self) -> Ran:
        """Make the run; `QueueInUseError` where the queue is not this run's alone."""
        settings = self.settings
        random = Random(settings.seed)  # noqa: S311 - repeats what was done, guards nothing
        blows = planned(settings.seconds, settings.workers, settings.lease, random)
        began = self._clock.monotonic()
        with self._app() as app:
            app.session.call(_refuse_used)
            enqueued = self._enqueue(app, random)
            with self._monkey(app) as monkey:
                self._await_work(monkey)
                monkey.begin(blows)
                self._watch(app, monkey)
                stuck = monkey.dismiss(_LAST_WORDS)
            rows, attempts = app.session.call(self._log)
        evidence = Evidence(
            enqueued=enqueued,
            rows=rows,
            attempts=attempts,
            journal=list(journal.read(self.journal)),
            deeds=monkey.deeds,
            lease=settings.lease,
        )
        return Ran(
            settings=settings,
            evidence=evidence,
            seconds=self._clock.monotonic() - began,
            restarts=monkey.restarts,
            undone=monkey.undone,
            stuck=stuck,
        )

    @property
    def journal(self) -> Path:
        """Where the handlers write."""
        return self.folder / journal.NAME

    def _app(self) -> Longshore:
        """Open the broker; the caller's own settings are for the caller's tasks."""
        return Longshore(
            url=self.settings.url,
            queue_url=self.settings.queue_url,
            log_url=None,
            store_url=None,
            queue=QUEUE,
            attempts=3,
            timeout=None,
        )

    def _enqueue(self, app: Longshore, random: Random) -> dict[TaskId, int]:
        settings = self.settings
        calm = settings.seconds + settings.lease + BROKER_EXTRA.total_seconds() + _CALM
        mixture = Mixture(lease=settings.lease, calm=calm, tenant=self._tenant)
        portions = list(mixture.tasks(settings.tasks, random))
        handles = app.enqueue_many(portion.draft for portion in portions)
        return {
            handle.id: portion.attempts for handle, portion in zip(handles, portions, strict=True)
        }

    def _monkey(self, app: Longshore) -> Monkey:
        settings = self.settings
        variables = environment(
            settings.url,
            app=APP,
            concurrency=settings.slots,
            grace=f"{GRACE}s",
            lease=f"{settings.lease}s",
            max_rescues=MAX_RESCUES,
            queue=QUEUE,
            **({} if settings.queue_url is None else {"queue_url": settings.queue_url}),
        )
        numbers = count()

        def start() -> AbstractContextManager[Running]:
            own = variables | jumps.variables(next(numbers))
            return running("a worker", [*work(), QUEUE], self.folder, own)

        return Monkey(
            start=start,
            size=settings.workers,
            clock=self._clock,
            begun=journal.Begun(self.journal),
            holds_all=lambda: app.session.call(_is_held),
        )

    def _await_work(self, monkey: Monkey) -> None:
        """Wait for the first handler: who has not begun holds nothing that could be lost."""
        end = self._clock.monotonic() + _PATIENCE
        while not self.journal.exists() and self._clock.monotonic() < end:
            monkey.look()
            time.sleep(_LOOK)

    def _watch(self, app: Longshore, monkey: Monkey) -> None:
        """Let the monkey work until everything is done, or nothing has ended for a long time."""
        left, asked = self.settings.tasks, 0.0
        changed, patience = self._clock.monotonic(), _PATIENCE
        while not (left == 0 and monkey.at_peace):
            monkey.look()
            now = self._clock.monotonic()
            if now - asked >= _COUNT_EVERY:
                asked, before = now, left
                answer = app.session.call(self._left)
                left = before if answer is None else answer
                self.done(before - left)
                came_back = answer is not None and patience == _AWAY
                changed = now if came_back or left != before else changed
                patience = _AWAY if answer is None else _PATIENCE
            if not left:
                monkey.rest()
            elif now - changed > patience:
                return
            time.sleep(_LOOK)

    async def _left(self, live: Live) -> int | None:
        """Count what has not ended; None where log or queue does not answer."""
        query = TaskQuery(queues=(QUEUE,), tenant=self._tenant, states=FINAL)
        try:
            await live.ports.queue(QUEUE).depth()
            ended = await live.ports.task_log.count(query)
        except UnavailableError:
            return None
        return self.settings.tasks - ended.value

    async def _log(self, live: Live) -> tuple[list[Task], list[Attempt]]:
        """Read the rows of this run, and the attempts of each."""
        log = live.ports.task_log
        query = TaskQuery(queues=(QUEUE,), tenant=self._tenant)
        rows: list[Task] = []
        attempts: list[Attempt] = []
        cursor: str | None = None
        while True:
            page = await log.find(query, limit=_PAGE, cursor=cursor)
            rows += page.tasks
            for found in await asyncio.gather(*(log.attempts(row.id) for row in page.tasks)):
                attempts += found
            cursor = page.cursor
            if cursor is None:
                return rows, attempts


async def _refuse_used(live: Live) -> None:
    """Refuse a queue that anybody else uses: their tasks would be stopped and killed too."""
    queue = live.ports.queue(QUEUE)
    await queue.declare()
    depth = await queue.depth()
    rows = await live.ports.task_log.count(TaskQuery(queues=(QUEUE,), states=ALL - FINAL))
    found = max(rows.value, depth.ready + depth.in_flight + depth.delayed)
    if found:
        raise QueueInUseError(found)


async def _is_held(live: Live) -> bool:
    """Whether the log takes no write."""
    nothing = Renewal(task_id=TaskId("nobody"), token=0, lease=timedelta(seconds=1))
    try:
        async with asyncio.timeout(_WRITES):
            await live.ports.task_log.renew([nothing])
    except (TimeoutError, UnavailableError):
        return True
    return False
