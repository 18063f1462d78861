"""What every contract shares: how the adapter under test is reached, and how time passes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import pytest

from longshore.clock import ManualClock, SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from longshore.clock import Clock
    from longshore.queue import Queue
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.together import Together

T = TypeVar("T")

SHORT = timedelta(seconds=1)
"""A lease, delay or time to live that a test lets pass."""
LONG = timedelta(seconds=60)
"""One that outlasts every test."""
DEADLINE = timedelta(seconds=20)
"""How long a test waits for what is promised before it fails."""

_TURN = 0.005
_STEP = 0.05


class Opened(Protocol):
    """What an open URL serves: a `longshore.registry.Backend`, or anything of that shape."""

    @property
    def queue(self) -> Callable[[str], Queue] | None:
        """Give the queue of a name."""
        ...

    @property
    def task_log(self) -> TaskLog | None:
        """The log, if there is one."""
        ...

    @property
    def store(self) -> Store | None:
        """The store, if there is one."""
        ...

    @property
    def together(self) -> Together | None:
        """Queue and log as one, if they are."""
        ...


Connect: TypeAlias = "Callable[[], AbstractAsyncContextManager[Opened]]"
"""Opens one more connection to the server under test."""


@dataclass(frozen=True, slots=True)
class Time:
    """Lets time pass: at once where the adapter runs on a ManualClock, else by waiting."""

    clock: Clock

    async def passes(self, duration: timedelta) -> None:
        """Let `duration` go by, for the adapter and for whoever waits on the clock."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(duration)
            await asyncio.sleep(0)
        else:
            await self.clock.sleep(duration.total_seconds())

    async def within(self, limit: timedelta, work: Awaitable[T]) -> T:
        """Await `work` while time passes; fail where it takes longer than `limit`.

        A ManualClock is moved only while somebody sleeps on it, so that a slow machine does
        not end leases.
        """
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        real_end = loop.time() + DEADLINE.total_seconds()
        end = self.clock.monotonic() + limit.total_seconds()
        while not task.done():
            if self.clock.monotonic() > end or loop.time() > real_end:
                task.cancel()
                pytest.fail(f"not done within {limit}")
            if isinstance(self.clock, ManualClock) and self.clock.sleepers:
                self.clock.advance(_STEP)
            await asyncio.wait({task}, timeout=_TURN)
        return await task

    async def blocks(self, task: asyncio.Task[T]) -> None:
        """Give a task the time to begin its wait, as far as that can be seen from outside."""
        for _ in range(20):
            await asyncio.wait({task}, timeout=_TURN)
            if task.done() or (isinstance(self.clock, ManualClock) and self.clock.sleepers):
                return


class Contract:
    """The fixtures of every contract.

    An adapter's test gives `connect`, each call of which opens one more connection to one and
    the same server, empty at the start of the test: a fresh file, schema, prefix or name. It
    may give `clock`: the ManualClock it opens the adapter with, and then nothing really waits.
    """

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock the adapter was opened with."""
        return SystemClock()

    @pytest.fixture
    def time(self, clock: Clock) -> Time:
        """Give the means to let time pass."""
        return Time(clock)

    @pytest.fixture
    async def backend(self, connect: Connect) -> AsyncIterator[Opened]:
        """Open the connection that most tests use."""
        async with connect() as opened:
            yield opened

    @pytest.fixture
    async def other(self, connect: Connect, backend: Opened) -> AsyncIterator[Opened]:
        """Open a second connection, for promises that hold across connections."""
        assert backend is not None
        async with connect() as opened:
            yield opened


def need(has: object, lacking: str) -> None:
    """Skip the test where the adapter does not declare what it needs."""
    if not has:
        pytest.skip(f"capability: {lacking}")
