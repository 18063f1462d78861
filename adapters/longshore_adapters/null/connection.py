"""What both ports of one opening share: the clock, and whether it is closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from longshore.errors import ClosedError

if TYPE_CHECKING:
    from longshore.clock import Clock


class Connection:
    """One opening; belongs to the event loop that opened it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._closed = asyncio.Event()

    def check(self) -> None:
        """Refuse use after closing."""
        if self._closed.is_set():
            what = "the null backend"
            raise ClosedError(what)

    async def idle(self, seconds: float) -> None:
        """Wait until the time has passed; `ClosedError` as soon as this is closed."""
        self.check()
        await self.clock.wait(self._closed, seconds)
        self.check()

    def close(self) -> None:
        """Refuse all use from now on, and wake who is idle."""
        self._closed.set()
