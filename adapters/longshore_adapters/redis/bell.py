"""Who waits for messages of a queue, and the connection that waits for them on the server.

Whoever makes something visible leaves a token in the queue's list, unless one lies there; one
connection for each queue takes it and wakes one receiver, which leaves another where it leaves
messages. A token is a hint: a receiver that was never woken looks by itself after a while.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from longshore.errors import ClosedError, LongshoreError

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore_adapters.redis.connection import Connection

PERIOD: Final = 1
"""Seconds that one wait on the server lasts; so long after its last receiver the listener ends."""
_PAUSE: Final = 0.25
"""Seconds between two tries to reach a server that is away. Real ones, whatever the clock."""


class Bell:
    """Wakes the receivers of one queue. `line` is a connection beside those for commands."""

    def __init__(self, line: Connection, wake: bytes) -> None:
        """Listen on nothing yet."""
        self._line = line
        self._wake = wake
        self._waiting: dict[asyncio.Event, None] = {}
        self._listener: asyncio.Task[None] | None = None

    @contextmanager
    def waiting(self) -> Generator[asyncio.Event]:
        """Give an event that is set when there may be something to take."""
        event = asyncio.Event()
        self._waiting[event] = None
        if self._listener is None or self._listener.done():
            self._listener = asyncio.ensure_future(self._listen())
        try:
            yield event
        finally:
            del self._waiting[event]
            if event.is_set() and not self._ring():  # it did not look, so another must
                self._line.behind(self._pass_on())

    async def close(self) -> None:
        """Wake everybody, to be told; listen no more."""
        self._ring_all()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    async def _listen(self) -> None:
        while self._waiting:
            try:
                token = await self._line.command(b"BLPOP", self._wake, PERIOD, patience=PERIOD)
                if token is not None and not self._ring():
                    await self._pass_on()
            except ClosedError:
                return
            except LongshoreError:
                self._ring_all()  # they look, and say what is the matter
                await asyncio.sleep(_PAUSE)

    async def _pass_on(self) -> None:
        """Leave the token to another process; without it that one looks by itself."""
        with suppress(LongshoreError):
            await self._line.command(b"RPUSH", self._wake, b"1")

    def _ring(self) -> bool:
        """Wake the one who has waited longest; False where nobody is left to."""
        event = next((each for each in self._waiting if not each.is_set()), None)
        if event is not None:
            event.set()
        return event is not None

    def _ring_all(self) -> None:
        for event in self._waiting:
            event.set()
