"""The application that is measured: tasks that do next to nothing, and count their calls."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from longshore.app import Longshore
from longshore.worker.limits import resident

if TYPE_CHECKING:
    from longshore.declare import TaskFunction

SLEEP: Final = 0.01
"""Seconds that a sleeping task sleeps."""


class Calls:
    """Counts the calls of handlers, from the loop and from threads."""

    def __init__(self) -> None:
        """Start at none."""
        self._lock = threading.Lock()
        self.made = 0

    def count(self) -> int:
        """Count one call; answer how many there have been."""
        with self._lock:
            self.made += 1
            return self.made


class Bench:
    """An application with its tasks. Each is a closure, so that no module holds the counter."""

    def __init__(self, url: str | None = None, marks: tuple[int, ...] = ()) -> None:
        """Use `url`, or what the settings say; note the memory at the `marks`-th calls."""
        self.app = Longshore() if url is None else Longshore(url=url)
        self.calls = Calls()
        self.memory: dict[int, int] = {}
        calls, memory, wanted = self.calls, self.memory, frozenset(marks)

        @self.app.task(name="noop")
        async def noop(number: int) -> None:
            del number
            made = calls.count()
            if made in wanted:
                memory[made] = resident()

        @self.app.task(name="thread")
        def thread(number: int) -> None:
            del number
            calls.count()

        @self.app.task(name="sleep")
        async def sleep(number: int) -> None:
            del number
            calls.count()
            await asyncio.sleep(SLEEP)

        @self.app.task(name="clock")
        async def clock(number: int) -> int:
            del number
            return time.monotonic_ns()

        self.noop = noop
        self.clock = clock
        self._tasks: dict[str, TaskFunction[..., Any, Any]] = {
            one.name: one for one in (noop, thread, sleep, clock)
        }

    def fill(self, name: str, tasks: int) -> None:
        """Enqueue so many tasks of one name, in batches."""
        task = self._tasks[name]
        self.app.enqueue_many(task.message(number) for number in range(tasks))


app = Bench().app
"""For the commands that take an application by its name; its tasks are where LONGSHORE_URL says."""
