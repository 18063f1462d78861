"""Who waits for messages, in whatever loop, and what wakes them."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Generator


@dataclass(slots=True, eq=False)
class Waiter:
    """One receive that waits. `soonest` is when it will look again by itself, or None."""

    queue: str
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event = field(default_factory=asyncio.Event)
    soonest: int | None = None

    def wake(self) -> None:
        """Make it look now; for any thread. A loop that has ended needs no waking."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.event.set)


class Waiting:
    """The receives that wait. Safe for use by several threads."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._waiters: set[Waiter] = set()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiters)

    @contextmanager
    def one(self, queue: str) -> Generator[Waiter]:
        """Wait for messages of a queue, in the running loop."""
        waiter = Waiter(queue, asyncio.get_running_loop())
        with self._lock:
            self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def of(self, queues: Collection[str]) -> list[Waiter]:
        """Who waits for one of these queues."""
        with self._lock:
            return [waiter for waiter in self._waiters if waiter.queue in queues]

    def all(self) -> list[Waiter]:
        """Everybody."""
        with self._lock:
            return list(self._waiters)
