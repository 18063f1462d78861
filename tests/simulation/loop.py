"""An event loop on which time is a number: it jumps to the next timer when nothing is ready.

Every step belongs to a simulated process, found through its context. The steps of a stopped
process wait for it; those of a dead one are never run, so that a crash leaves nothing behind
that could clean up: what SIGSTOP and SIGKILL do to a real one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from traceback import format_exception
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

ROUNDS = 4
"""How often what is left at the end is cancelled: some code goes on after the first time."""


@dataclass(slots=True, eq=False)
class Process:
    """What can be stopped and killed; `skew` is how far its wall clock is ahead, in seconds."""

    name: str
    skew: float = 0.0
    dead: bool = False
    stopped: bool = False
    waiting: list[Step] = field(default_factory=list["Step"])


PROCESS: ContextVar[Process | None] = ContextVar("simulated_process", default=None)
"""The process whose code runs; None for the servers and the simulation itself."""


class StuckError(RuntimeError):
    """Nothing is ready and no timer is set: what is waited for never comes."""


class Step:
    """One callback, in its context: as much of a handle as anybody asks for.

    A run makes thousands of them, so each is no more than it must be; `call` is None once dropped.
    """

    __slots__ = ("arguments", "call", "where")

    def __init__(
        self, call: Callable[..., object], arguments: tuple[Any, ...], where: Context
    ) -> None:
        self.call: Callable[..., object] | None = call
        self.arguments = arguments
        self.where = where

    def cancel(self) -> None:
        self.call = None


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as code needs that does its I/O through ports."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self._now = 0.0
        self._ready: deque[Step] = deque()
        self._timers: list[tuple[float, int, Step]] = []
        self._order = count()

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]  # a Step is all that anybody asks of a Handle # pyright: ignore[reportIncompatibleMethodOverride]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Step:
        step = Step(callback, args, copy_context() if context is None else context)
        self._ready.append(step)
        return step

    def call_soon_threadsafe(  # type: ignore[override]  # as call_soon # pyright: ignore[reportIncompatibleMethodOverride]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Step:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]  # a Step is all that anybody asks of a TimerHandle # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Step:
        step = Step(callback, args, copy_context() if context is None else context)
        heappush(self._timers, (self._now + delay, next(self._order), step))
        return step

    def call_at(  # type: ignore[override]  # as call_later # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Step:
        step = Step(callback, args, copy_context() if context is None else context)
        heappush(self._timers, (when, next(self._order), step))
        return step

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # no generators # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        self.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def resume(self, process: Process) -> None:
        """Let a stopped process go on with what came meanwhile."""
        process.stopped = False
        self._ready.extend(process.waiting)
        process.waiting.clear()

    def end(self) -> None:
        """Cancel what is left and run it out, in no time: nothing is left to the collector."""
        for _ in range(ROUNDS):
            for task in self.tasks:
                task.cancel()
            self._turn_until(lambda: not self._ready)

    def run(self, future: asyncio.Future[Any]) -> None:
        """Run until a future is done; `StuckError` where it never will be."""
        self._turn_until(future.done)

    def _turn_until(self, over: Callable[[], bool]) -> None:
        """Run one step after the other; where none is ready, go to the moment of the next timer."""
        ready, timers = self._ready, self._timers
        before = asyncio._get_running_loop()  # noqa: SLF001 - documented for who implements a loop
        asyncio._set_running_loop(self)  # noqa: SLF001 - as above
        try:
            while not over():
                if not ready:
                    if not timers:
                        raise StuckError
                    self._now = now = timers[0][0]
                    while timers and timers[0][0] <= now:
                        ready.append(heappop(timers)[2])
                step = ready.popleft()
                call, where = step.call, step.where
                if call is None:
                    continue
                process = where.get(PROCESS)
                if process is not None and (process.dead or process.stopped):
                    process.waiting.append(step)
                    continue
                try:
                    where.run(call, *step.arguments)
                except Exception as error:  # noqa: BLE001 - told with the history, as a failure of its own
                    self.failures.append("".join(format_exception(error, limit=-3)))
        finally:
            asyncio._set_running_loop(before)  # noqa: SLF001 - as above
