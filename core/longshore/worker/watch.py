"""Watching the clock for what is held: timeouts, local deadlines, progress to be written."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
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
        """Look when something may be over, and at least once a second while anything is held."""
        while True:
            self._look()
            await self._write_progress()
            now = self._ports.clock.monotonic()
            self._sooner.clear()
            wait = max(self._next - now, _SHORTEST)
            await self._ports.clock.wait(self._sooner, wait)

    def _look(self) -> None:
        now = self._ports.clock.monotonic()
        soonest = now + TICK
        for one in self._held():
            if one.ended:
                continue
            if now >= one.deadline:
                one.stop("lost")
            elif one.timeout_at is not None:
                if now >= one.timeout_at:
                    one.stop("timeout")
                else:
                    soonest = min(soonest, one.timeout_at)
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
        except LongshoreError as error:
            _log.warning("progress could not be written: %s", error)
