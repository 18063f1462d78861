"""What the memory adapter's ports share: the contents, one lock, and who waits."""

from __future__ import annotations

import asyncio
import itertools
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from longshore.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from longshore.clock import Clock
    from longshore.identity import TaskId
    from longshore.queue import DeadLetter, Outgoing
    from longshore.store import Entry
    from longshore.task import Attempt, Task


@dataclass(slots=True, kw_only=True)
class Held:
    """A message and where it stands; `receipt` is None while nobody holds it."""

    number: int
    message: Outgoing
    sent_at: datetime
    visible_at: datetime
    receipt: str | None = None
    receives: int = 0


class MemoryServer:
    """Messages, rows and entries; whoever reads or writes them holds the lock, by `with`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.numbers = itertools.count(1)
        self.messages: dict[str, dict[int, Held]] = {}
        self.dead: dict[str, dict[int, tuple[DeadLetter, Outgoing]]] = {}
        self.rows: dict[TaskId, Task] = {}
        self.order: dict[TaskId, int] = {}
        self.attempts: dict[TaskId, list[Attempt]] = {}
        self.entries: dict[str, Entry] = {}
        self.counters: set[str] = set()
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def __enter__(self) -> Self:
        self.lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    @contextmanager
    def waiting(self) -> Generator[asyncio.Event]:
        """Give an event of the running loop that `wake` sets for as long as this lasts."""
        event = asyncio.Event()
        with self.lock:
            self._waiting[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            with self.lock:
                del self._waiting[event]

    def wake(self) -> None:
        """Tell whoever waits to look again, in any loop, from any thread."""
        with self.lock:
            for event, loop in self._waiting.items():
                with suppress(RuntimeError):  # a loop that was closed waits for nothing
                    loop.call_soon_threadsafe(event.set)


class Connection:
    """One opening of a server. Closing it drops the server, which ends with the last one."""

    def __init__(self, server: MemoryServer) -> None:
        self._server: MemoryServer | None = server

    def use(self) -> MemoryServer:
        """Give the server, to be held by `with`; `ClosedError` after closing."""
        if self._server is None:
            what = "the memory backend"
            raise ClosedError(what)
        return self._server

    def close(self) -> None:
        """Let go of the server, and wake who is blocked, to be told so."""
        with self.use() as server:
            self._server = None
            server.wake()
