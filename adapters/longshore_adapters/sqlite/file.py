"""An open file: a thread that writes, a thread that reads, and who waits for messages."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from longshore_adapters.sqlite.desks import Reader, Writer
from longshore_adapters.sqlite.lane import Lane
from longshore_adapters.sqlite.waiting import Waiting
from longshore_adapters.sqlite.watching import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from datetime import datetime

    from longshore.clock import Clock
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.options import Options

T = TypeVar("T")
_STEADY = timedelta(seconds=1)
"""A clock that is only being adjusted goes back by less."""


class File:
    """What the ports of one backend share."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; nothing is touched yet."""
        what = f"the SQLite database {options.path}"
        self.options = options
        self.clock = clock
        self.waiting = Waiting()
        self._seen: dict[str, datetime] = {}
        self._watch = Watch(f"{options.path}-wal", options.poll / 1000)
        self.writer = Lane(what, Writer(options, clock, self.waiting, self._watch))
        self.reader = Lane(what, Reader(options, clock))

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[File]:
        """Open the file; at the end, finish what was begun and close it."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.writer.close)
            await self.writer.open()
            stack.callback(self._watch.close)
            if self.options.watch:
                self._watch.begin(self.writer.nudge)
            stack.push_async_callback(self.reader.close)
            await self.reader.open()
            yield self

    def went_back(self, queue: str) -> bool:
        """Whether the clock went back since a queue was last received from here.

        The first time nobody knows, so it may have.
        """
        now, before = self.clock.now(), self._seen.get(queue)
        self._seen[queue] = now
        return before is None or now < before - _STEADY

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in a transaction, perhaps together with the work of other callers."""
        return await self.writer.run(work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` on the file as it is at one moment."""
        return await self.reader.run(work)
