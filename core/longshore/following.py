"""Rows that follow their messages into the log, those of a moment together.

A synchronous caller's message is sent in its own thread; a row written for each alone cost as much
processor time as the request did, in waking the loop and in calls of the log.
"""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from concurrent.futures import Future

    from longshore.protocol import Record

LINGER: Final = 0.01
"""Seconds that a row waits for others. By the loop's clock, as all that its thread does."""
MOST: Final = 1000
"""Rows that are written at once."""


class Following:
    """Takes rows from any thread, and writes them on one loop, in their order."""

    def __init__(self, write: Callable[[Sequence[Record]], Awaitable[None]]) -> None:
        """`write` is called on the loop, and once at a time."""
        self._write = write
        self._lock = Lock()
        self._rows: list[Record] = []
        self._begun: Future[None] | None = None
        self._writing = asyncio.Lock()

    @property
    def is_behind(self) -> bool:
        """Whether there are rows that the log may not have yet."""
        return bool(self._rows) or self._writing.locked()

    def add(self, rows: Sequence[Record], begin: Callable[[], Future[None]]) -> Future[None]:
        """Have rows written soon; `begin` starts `later` on the loop. Answer when they are."""
        with self._lock:
            self._rows += rows
            if self._begun is None:
                self._begun = begin()
            return self._begun

    async def later(self) -> None:
        """Wait for others, then write."""
        await asyncio.sleep(LINGER)
        await self.caught_up()

    async def caught_up(self) -> None:
        """Write now what there is, behind what is being written."""
        async with self._writing:
            with self._lock:
                rows, self._rows, self._begun = self._rows, [], None
            for at in range(0, len(rows), MOST):
                await self._write(rows[at : at + MOST])
