"""For an application's own tests: its tasks in memory, under a clock that the test moves.

```python
with sandbox(app) as box:
    send_email.using(delay="10m").enqueue("a@b.c")
    box.drain()                       # nothing is due yet
    box.advance(minutes=10)
    box.drain()
    assert box.one(send_email).state == "succeeded"
```
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.client import Client
from longshore.clock import ManualClock
from longshore.codec import decode
from longshore.identity import TaskIds
from longshore.session import Session
from longshore.task import FINAL, HELD
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from longshore.app import Longshore
    from longshore.declare import TaskFunction
    from longshore.identity import TaskId
    from longshore.session import Live
    from longshore.task import Task
    from longshore.worker import Stopped

_PAGE = 500
_LONGEST = timedelta(days=3650)
_STEPS = 1000


class _ImpatientClient(Client):
    """A client that does not wait for a clock that stands still."""

    async def wait(self, task_id: TaskId, *, timeout: timedelta | None = None) -> Task:  # noqa: ASYNC109 - the client's signature
        """Answer a final task; `WaitTimeoutError` for any other: only `drain` runs one."""
        del timeout
        return await super().wait(task_id, timeout=timedelta(0))


class Sandbox:
    """What the tasks of an application did, while it runs in memory."""

    def __init__(self, session: Session, clock: ManualClock) -> None:
        """Wrap a session of its own."""
        self._session = session
        self.clock = clock

    def drain(self) -> Stopped:
        """Run everything that is due, retries that are due meanwhile included."""
        return self._session.drain()

    def drain_all(self) -> Stopped:
        """Run until no task is open, moving the clock to each that waits for its time.

        `AssertionError` after a thousand waits: something is tried, or snoozed, without end.
        """
        stopped = self.drain()
        for _ in range(_STEPS):
            due = self._next_due()
            if due is None:
                return stopped
            self.advance(due - self.clock.now())
            stopped = self.drain()
        names = sorted({one.spec.name for one in self.tasks() if one.state not in FINAL | HELD})
        message = f"after {_STEPS:,} waits these are still open: {', '.join(names)}"
        raise AssertionError(message)

    def advance(self, by: timedelta | None = None, **parts: float) -> datetime:
        """Move the clock by a timedelta, or by its parts: `advance(minutes=10)`."""
        step = max(by or timedelta(**parts), timedelta(0))

        async def move(_live: Live) -> datetime:
            self.clock.advance(step)
            return self.clock.now()

        return self._session.call(move)

    def tasks(self, task: TaskFunction[..., Any, Any] | None = None) -> list[Task]:
        """List tasks, oldest first; of one definition where it is given."""
        names = () if task is None else (task.name,)
        return self._session.call(lambda live: _all(live, TaskQuery(names=names)))

    def one(self, task: TaskFunction[..., Any, Any]) -> Task:
        """The only task of a definition; `AssertionError` where there is none or several."""
        found = self.tasks(task)
        if len(found) != 1:
            message = f"{len(found)} tasks named {task.name!r} were enqueued, not one"
            raise AssertionError(message)
        return found[0]

    def arguments(self, task: Task) -> tuple[list[object], dict[str, object]]:
        """The positional and keyword arguments a task was enqueued with, as JSON has them."""
        return decode(task.spec.body).arguments()

    def assert_enqueued(self, task: TaskFunction[..., Any, Any], /, **kwargs: object) -> Task:
        """Find a task of a definition that was enqueued with at least these arguments."""
        seen = [(one, self.arguments(one)[1]) for one in self.tasks(task)]
        for one, given in seen:
            if kwargs.items() <= given.items():
                return one
        message = f"no {task.name!r} with {kwargs} was enqueued; there were {[g for _, g in seen]}"
        raise AssertionError(message)

    def _next_due(self) -> datetime | None:
        waiting = [
            one.due_at
            for one in self.tasks()
            if one.state not in FINAL | HELD and one.due_at > self.clock.now()
        ]
        soonest = min(waiting, default=None)
        within = soonest is not None and soonest - self.clock.now() < _LONGEST
        return soonest if within else None


@contextmanager
def sandbox(
    app: Longshore, *, at_once: bool = False, start: datetime | None = None
) -> Generator[Sandbox]:
    """Let an application's tasks go to memory while inside.

    `at_once` runs each task inside its enqueue. Whatever the application was connected to is
    put back, untouched, on leaving.
    """
    clock = ManualClock() if start is None else ManualClock(start)
    ids = TaskIds()
    settings = app.settings.model_copy(
        update={"url": f"memory://sandbox-{ids()}", "queue_url": None, "log_url": None}
        | {"store_url": None}
    )
    session = Session(settings, clock, ids, app.registry, eager=at_once, client=_ImpatientClient)
    before = app.use(session)
    try:
        yield Sandbox(session, clock)
    finally:
        app.use(before)
        session.close()


async def _all(live: Live, query: TaskQuery) -> list[Task]:
    tasks: list[Task] = []
    cursor: str | None = None
    while True:
        page = await live.ports.task_log.find(query, limit=_PAGE, cursor=cursor)
        tasks += page.tasks
        cursor = page.cursor
        if cursor is None:
            return tasks[::-1]
