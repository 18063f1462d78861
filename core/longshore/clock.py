"""Time as the core sees it: every reading and every wait goes through a Clock it is given.

The wall clock (`now`) is for records and due dates, and may jump. The monotonic clock is for
leases, timeouts and sleeps, and never goes back.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from math import isinf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Clock(Protocol):
    """A source of time. `sleep` and `wait` are cancellable and leave nothing behind."""

    def now(self) -> datetime:
        """Read the wall clock: aware, in UTC. Two readings may go either way."""
        ...

    def monotonic(self) -> float:
        """Read seconds from an arbitrary start. Never decreases; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return no sooner than `seconds` from now by the monotonic clock.

        Zero or less lets other tasks run once and returns; infinity sleeps until cancelled.
        """
        ...

    async def wait(
        self,
        event: asyncio.Event,
        timeout: float | None,  # noqa: ASYNC109 - a caller's timeout() would bypass this clock
    ) -> bool:
        """Wait for `event`; True when it is set, False when `timeout` seconds passed first.

        The timeout is measured by the monotonic clock; None waits without end, zero or less
        lets other tasks run once. An event that is set when the time ends counts as set.
        """
        ...


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, object]) -> bool:
    """Let `work` go on for `seconds` at most, then cancel it; whether it ended in time.

    Raises what it raises, and leaves nothing of it behind where the caller is cancelled.
    """
    over = asyncio.Event()
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda _: over.set())
    try:
        in_time = await clock.wait(over, seconds)
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return in_time


class SystemClock:
    """The machine's clocks and the running asyncio loop. Has no state; share it freely."""

    __slots__ = ()

    def now(self) -> datetime:
        """Read the wall clock: aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Read the machine's monotonic clock, in seconds."""
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running loop; zero or less lets other tasks run once."""
        await asyncio.sleep(seconds)

    async def wait(
        self,
        event: asyncio.Event,
        timeout: float | None,  # noqa: ASYNC109 - the port's signature
    ) -> bool:
        """Wait for `event` at most `timeout` seconds; see `Clock.wait`."""
        if timeout is not None and timeout <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        try:
            async with asyncio.timeout(timeout):
                return await event.wait()
        except TimeoutError:
            return event.is_set()


class ManualClock:
    """A clock that stands still until it is told to move: for tests and simulations.

    Belongs to one asyncio loop: call `advance` in the thread that runs it. It is not thread-safe.
    Time is counted in whole microseconds, so ten advances of 0.1 s are one second exactly.
    """

    __slots__ = ("_elapsed", "_order", "_sleepers", "_wall")

    def __init__(self, start: datetime = _START) -> None:
        """Set the wall clock to `start` (aware) and the monotonic clock to zero."""
        self._wall = _aware(start)
        self._elapsed = 0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Timeout]] = []

    @property
    def sleepers(self) -> int:
        """How many tasks sleep or wait with a timeout now; tests wait on it before advancing."""
        return len(self._sleepers)

    def now(self) -> datetime:
        """Read the wall clock, in UTC."""
        return self._wall

    def monotonic(self) -> float:
        """Read the seconds advanced so far."""
        return self._elapsed / 1_000_000

    def advance(self, step: timedelta | float) -> None:
        """Move both clocks forward by `step` (a number is seconds) and wake who is due.

        Sleepers wake in the order of their deadlines, those with the same one in the order they
        began, and run when the loop next turns. All of them read the time at the end of the step:
        a task that sleeps again counts from there, so step through periodic work.
        """
        step = step if isinstance(step, timedelta) else timedelta(seconds=step)
        if step < timedelta(0):
            message = f"a clock cannot advance by {step}; move the wall clock back with set()"
            raise ConfigurationError(message)
        self._wall += step
        self._elapsed += step // _MICROSECOND
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            *_, limit = self._sleepers.pop(0)
            limit.reschedule(asyncio.get_running_loop().time())

    def set(self, moment: datetime) -> None:
        """Move the wall clock to `moment` (aware), either way; the monotonic clock stands still."""
        self._wall = _aware(moment)

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock has advanced by `seconds`."""
        await self.wait(asyncio.Event(), seconds)

    async def wait(
        self,
        event: asyncio.Event,
        timeout: float | None,  # noqa: ASYNC109 - the port's signature
    ) -> bool:
        """Wait for `event` until the clock has advanced by `timeout`; see `Clock.wait`."""
        if timeout is None or event.is_set():
            return await event.wait()
        if timeout <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        try:
            async with asyncio.timeout(None) as limit:
                with self._sleeper(timeout, limit):
                    return await event.wait()
        except TimeoutError:
            return event.is_set()

    @contextmanager
    def _sleeper(self, seconds: float, limit: asyncio.Timeout) -> Generator[None]:
        duration = seconds if isinf(seconds) else round(seconds * 1_000_000)
        entry = (self._elapsed + duration, next(self._order), limit)
        insort(self._sleepers, entry)
        try:
            yield
        finally:
            with suppress(ValueError):  # advance() has taken it out already when it was due
                self._sleepers.remove(entry)


def _aware(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        message = f"the clock needs an aware datetime, not {moment!r}; add tzinfo=UTC"
        raise ConfigurationError(message)
    return moment.astimezone(UTC)
