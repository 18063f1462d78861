"""The admin server of `longshore work`: opened here, answered from the worker's signs of life."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from longshore.clock import SystemClock
from longshore.http import Beside, Server, answers_of, listen, url_of
from longshore.telemetry.prometheus import exposition
from longshore.worker.liveness import Bounds
from longshore.worker.pulse import Pulse

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Coroutine, Generator

    from longshore.ports import Ports
    from longshore.settings import Settings
    from longshore.telemetry import Telemetry

_log = logging.getLogger("longshore.worker")


def opened(settings: Settings) -> socket.socket | None:
    """Listen where the settings say, and say where that is; None where nobody is to ask.

    `ConfigurationError` where it cannot be, before anything else is begun.
    """
    if settings.admin is None:
        return None
    listener = listen(settings.admin)
    _log.info("probes and metrics at %s", url_of(listener))
    return listener


def beside(settings: Settings) -> Beside | None:
    """The process that answers for several; it listens from now on, and starts with the others."""
    listener = opened(settings)
    return None if listener is None else Beside(listener, _bounds(settings))


class Admin:
    """One worker process's part: does nothing where there is no listener."""

    def __init__(self, settings: Settings, listener: socket.socket | None) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._listener = listener
        self.pulse = Pulse(SystemClock())

    @property
    def on(self) -> bool:
        """Whether anybody may ask."""
        return self._listener is not None

    @contextmanager
    def answering(self, telemetry: Telemetry | None) -> Generator[None]:
        """Answer on a thread while inside."""
        if self._listener is None:
            yield
            return

        def expose() -> str:
            return "" if telemetry is None else exposition(telemetry.tallies)

        answers = answers_of(self.pulse, _bounds(self._settings), expose)
        with Server(self._listener, answers):
            yield

    @asynccontextmanager
    async def beating(self) -> AsyncGenerator[None]:
        """Show while inside that the loop goes round."""
        async with self._beside(self.pulse.beat(self._settings.stall_limit)):
            yield

    @asynccontextmanager
    async def asking(self, ports: Ports) -> AsyncGenerator[None]:
        """Find out while inside whether the log answers."""
        async with self._beside(self.pulse.ask(ports)):
            yield

    @asynccontextmanager
    async def _beside(self, work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
        if not self.on:
            work.close()
            yield
            return
        task = asyncio.ensure_future(work)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _bounds(settings: Settings) -> Bounds:
    return Bounds.of(stall=settings.stall_limit, block=settings.block_limit)
