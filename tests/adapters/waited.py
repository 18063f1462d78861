"""A clock that says when somebody waits by it."""

from __future__ import annotations

import asyncio

from longshore.clock import SystemClock

DEADLINE = 20.0


class Waited(SystemClock):
    """A receive that waits has said so before, and looked, and found nothing."""

    def __init__(self) -> None:
        self.times = 0
        self._news = asyncio.Event()

    async def wait(
        self,
        event: asyncio.Event,
        timeout: float | None,  # noqa: ASYNC109 - the port's signature
    ) -> bool:
        self.times += 1
        self._news.set()
        return await super().wait(event, timeout)

    async def until(self, times: int) -> None:
        """Return once it was waited so often."""
        async with asyncio.timeout(DEADLINE):
            while self.times < times:
                self._news.clear()
                await self._news.wait()
