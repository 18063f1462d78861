"""The clocks of simulated processes and servers, on the virtual loop's time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

from longshore.clock import SystemClock

if TYPE_CHECKING:
    from tests.simulation.loop import Process, VirtualLoop

START = datetime(2026, 1, 1, tzinfo=UTC)


class SimulatedClock(SystemClock):
    """A wall clock ahead by its process's skew, and a monotonic one that is right."""

    def __init__(self, loop: VirtualLoop, process: Process) -> None:
        self._loop = loop
        self._process = process

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time() + self._process.skew)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        if seconds == inf:
            await self._loop.create_future()
        await super().sleep(seconds)

    async def wait(
        self,
        event: asyncio.Event,
        timeout: float | None,  # noqa: ASYNC109 - the port's signature
    ) -> bool:
        return await super().wait(event, None if timeout == inf else timeout)


class ServerClock(SimulatedClock):
    """The clock a log judges by: its own, or, where `of_caller`, that of who calls it."""

    def __init__(self, loop: VirtualLoop, process: Process, *, of_caller: bool) -> None:
        super().__init__(loop, process)
        self._of_caller = of_caller
        self.caller: Process | None = None

    def now(self) -> datetime:
        if self._of_caller and self.caller is not None:
            return START + timedelta(seconds=self._loop.time() + self.caller.skew)
        return super().now()
