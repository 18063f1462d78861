"""Watching the clock for what is held: timeouts, local deadlines, progress to be written."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from longshore.protocol import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from longshore.ports import Ports
    from longshore.worker.holding import Holding

_log = logging.getLogger("longshore.worker")
TICK: Final = 1.0
_SHORTEST: Final = 0.005


class Watch:
    """One coroutine for all holdings: no timer per task."""

    def __init__(self, ports: Ports, held: Callable[[], Collection[Holding]]) -> None:
        """`held` answers what the worker holds now."""
        self._ports = ports
        self._held = held
        self._sooner = asyncio.Event()
        self._next = 0.0

    def expect(self, at: float) -> None:
        """Look again at `at` (monotonic) at the latest."""
        if at < self._next:
            self._sooner.set()

    async def run(self) -> None:
        """Look when something may be over, and at least once a second while anything is held.

        Nothing here waits for a port: a log that hangs must not keep a deadline from passing.
        """
        while True:
            self._sooner.clear()
            self._look()
            wait = max(self._next - self._ports.clock.monotonic(), _SHORTEST)
            await self._ports.clock.wait(self._sooner, wait)

    async def note(self) -> None:
        """Write once a second what handlers said of their progress."""
        while True:
            await self._ports.clock.sleep(TICK)
            await self._write_progress()

    def _look(self) -> None:
        now = self._ports.clock.monotonic()
        soonest = now + TICK
        for one in self._held():
            if one.ended:
                continue
            if now >= one.deadline:
                one.stop("lost")
            elif one.timeout_at is not None and now >= one.timeout_at:
                if one.stopped is None:
                    one.timeout_at = now  # later than planned where something blocked the loop
                one.stop("timeout")
            else:
                soonest = min(soonest, one.deadline, one.timeout_at or one.deadline)
        self._next = soonest

    async def _write_progress(self) -> None:
        notes: list[Note] = []
        for one in self._held():
            noted = one.ctx.take_progress()
            if noted is not None:
                notes.append(
                    Note(
                        task_id=one.spec.id,
                        token=one.token,
                        progress=noted[0],
                        text=noted[1],
                    )
                )
        if not notes:
            return
        try:
            await self._ports.task_log.note(notes)
        except Exception as error:  # noqa: BLE001 - no task suffers for want of its progress
            _log.warning("progress could not be written: %r", error)
