"""Threads for handlers that block; results come back to the loop in bursts."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Threads:
    """Up to `size` daemon threads, made as they are needed.

    A job runs on a thread and answers what is to be called on the loop; many answers cost one
    wake-up. Threads are daemons: one that hangs does not keep the process from leaving.
    """

    def __init__(self, size: int, loop: asyncio.AbstractEventLoop) -> None:
        """Serve one loop."""
        self._size = size
        self._loop = loop
        self._jobs: SimpleQueue[Callable[[], Callable[[], None]] | None] = SimpleQueue()
        self._answers: deque[Callable[[], None]] = deque()
        self._woken = False
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def submit(self, job: Callable[[], Callable[[], None]]) -> None:
        """Run a job as soon as a thread is free. Call from the loop."""
        self._busy += 1
        if self._busy > len(self._threads) < self._size:
            thread = threading.Thread(
                target=self._work, name=f"longshore-task-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def resize(self, size: int) -> None:
        """Let there be so many from now on; threads above that stay, and find nothing to do."""
        self._size = size

    def close(self) -> None:
        """Let idle threads end; a busy one ends with its job."""
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the threads, at most so long each; for orderly ends and tests."""
        for thread in self._threads:
            thread.join(seconds)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._answers.append(job())
            if not self._woken:
                # Set before the wake-up, cleared before the answers are read: a burst of
                # answers shares one call, and none is left unread.
                self._woken = True
                try:
                    self._loop.call_soon_threadsafe(self._collect)
                except RuntimeError:  # the loop is closed: nobody waits for the answer
                    return

    def _collect(self) -> None:
        self._woken = False
        while self._answers:
            self._busy -= 1
            self._answers.popleft()()
