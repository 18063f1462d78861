"""Signs of life of one worker process: each part says by when it will have come round again.

Written by the loop and the lease thread, read by any thread. Nobody waits for anybody here, and a
reader may see one part a moment older than another.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import timedelta

    from longshore.clock import Clock
    from longshore.ports import Ports
    from longshore.worker.holding import Holding

_TICK: Final = 1.0
_TICKS: Final = 4
"""The loop ticks so often within the time that it may stand still."""
ASK: Final = 5.0
"""Seconds between two questions to the log, only to hear that it answers."""


def interval(stall: timedelta) -> float:
    """Seconds between two ticks of what may stand still for `stall`."""
    return min(_TICK, stall.total_seconds() / _TICKS)


class Part:
    """One part of the worker. `by` is a monotonic time, or None while it waits without end.

    It is `apart` where it does not need the worker's loop. `problem` is what was wrong the last
    time; None where it was answered, "" before the first time.
    """

    __slots__ = ("_clock", "apart", "by", "came", "problem")

    def __init__(self, clock: Clock) -> None:
        """Promise nothing yet."""
        self._clock = clock
        self.apart = False
        self.by: float | None = None
        self.came: float | None = None
        self.problem: str | None = ""

    def expect(self, seconds: float) -> None:
        """Promise to come round within so many seconds."""
        self.by = self._clock.monotonic() + seconds

    def answered(self, problem: str | None = None) -> None:
        """It came round, with or without success; nothing is promised until the next time."""
        self.by, self.came, self.problem = None, self._clock.monotonic(), problem

    def overdue(self, now: float) -> float:
        """Seconds since the promise was broken; 0 where it was not."""
        by = self.by
        return 0.0 if by is None else max(now - by, 0.0)


class Pulse:
    """What a worker process shows of itself.

    `state`, `paused` and `held` are the worker's, once it has begun. `thread` runs the loop.
    """

    def __init__(self, clock: Clock) -> None:
        """Nothing has begun."""
        self.clock = clock
        self.loop, self.leases, self.log = Part(clock), Part(clock), Part(clock)
        self.polls: dict[str, Part] = {}
        self.thread: int | None = None
        self.state: Callable[[], str] = lambda: "starting"
        self.paused: Callable[[], Collection[str]] = tuple
        self.held: Callable[[], Collection[Holding]] = tuple

    def poll(self, queue: str) -> Part:
        """The part that receives from a queue."""
        return self.polls.setdefault(queue, Part(self.clock))

    @property
    def calls(self) -> dict[str, Part]:
        """What asks servers something: each poll, and the renewal of leases."""
        polls = {f"the poll of queue {name!r}": part for name, part in list(self.polls.items())}
        return {"the renewal of leases": self.leases, **polls}

    async def beat(self, stall: timedelta) -> None:
        """Tick on the loop that runs this, until cancelled; it may stand still for `stall`."""
        every = interval(stall)
        self.thread = threading.get_ident()
        while True:
            stood = self.loop.overdue(self.clock.monotonic())
            for part in self.calls.values():
                if part.by is not None and not part.apart:
                    part.by += stood  # they could not come round either
            self.loop.expect(every)
            self.loop.came = self.clock.monotonic()
            await self.clock.sleep(every)

    async def ask(self, ports: Ports) -> None:
        """Ask the log for nothing in particular, every few seconds, until cancelled.

        And each queue once for its depth, where its first poll has not ended yet: on an empty queue
        that takes as long as a poll may wait.
        """
        nobody = ports.ids()
        while True:
            self.log.expect(ASK)
            await self._meet(ports)
            try:
                await ports.task_log.get([nobody])
            except Exception as error:  # noqa: BLE001 - whatever it was, the log does not answer
                self.log.answered(f"{type(error).__name__}: {error}")
            else:
                self.log.answered()
            await self.clock.sleep(ASK)

    async def _meet(self, ports: Ports) -> None:
        for name, part in self.polls.items():
            if part.problem == "":
                with suppress(Exception):  # the poll will say it better
                    await ports.queue(name).depth()
                    part.problem = None
