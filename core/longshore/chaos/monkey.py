"""The one who breaks things: keeps a crew of workers, and does to them what was planned."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from longshore.chaos.plan import KILL_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from typing import Self

    from longshore.bench.command import Running
    from longshore.chaos.plan import Blow
    from longshore.clock import Clock

Act: TypeAlias = Literal[
    "started", "killed", "stopped", "continued", "terminated", "dismissed", "ended"
]
_DIES: Final = 1.0
_KILLS_APART: Final = 0.9 * KILL_EVERY
_AGAIN: Final = 0.2
"""Seconds until something is tried again that could not be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done to a worker's process, or that it ended.

    `at` is by the monotonic clock that the journal's times are by too, `time` by the wall clock.
    """

    act: Act
    worker: int
    at: float
    time: datetime


@dataclass(slots=True, eq=False)
class _Place:
    """A worker, and how to leave it."""

    worker: Running
    leave: ExitStack
    stopped_until: float | None = None
    """When it is to continue; None while it runs."""
    asked: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Monkey:
    """A crew of `size` workers, each started by `start`; whoever ends is replaced.

    Nobody is killed or stopped before it has `begun` to work, and kills come no faster than a
    second apart: on a slow machine nobody would ever work. What has to wait is done later.
    `holds_all` is asked after each stop: whether the stopped worker holds the store itself, as
    one does that was stopped inside a write to a file. That is no worker's failure but the
    store's, so it continues at once, and the stop is tried again. A context manager: leaving it
    kills who is left.
    """

    start: Callable[[], AbstractContextManager[Running]]
    size: int
    clock: Clock
    begun: Callable[[int], bool]
    holds_all: Callable[[], bool]
    deeds: list[Deed] = field(default_factory=list[Deed])
    undone: int = 0
    """Stops that were undone, because they held the store."""
    restarts: int = 0
    """Rolling restarts that were begun."""
    _crew: list[_Place] = field(default_factory=list[_Place])
    _coming: list[Blow] = field(default_factory=list["Blow"])
    _leaving: list[_Place] = field(default_factory=list[_Place])
    _began: float = 0.0
    _killed: float = float("-inf")
    _replaces: bool = True

    def __enter__(self) -> Self:
        """Start the crew."""
        self._began = self.clock.monotonic()
        try:
            for _ in range(self.size):
                self._crew.append(self._started())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Kill who is left, stopped ones too."""
        for place in self._crew:
            place.leave.close()

    def begin(self, blows: Sequence[Blow]) -> None:
        """Take over a plan; its times count from now."""
        self._began = self.clock.monotonic()
        self._coming = list(blows)

    def rest(self) -> None:
        """Begin nothing more; whoever is stopped or leaving comes to its end."""
        self._coming.clear()

    @property
    def at_peace(self) -> bool:
        """Whether everything planned was done, and nobody is stopped or on the way out."""
        busy = any(place.stopped_until is not None for place in self._crew)
        return not (self._coming or self._leaving or busy)

    def look(self) -> None:
        """Replace who has ended, and do what is due. Call it often."""
        self._replace()
        self._continue()
        while self._coming and self._coming[0].at <= self._passed():
            self._do(self._coming.pop(0))
        self._restart()

    def dismiss(self, seconds: float) -> int:
        """Tell all to stop, by TERM; answer how many did not end in so many seconds."""
        self._replaces = False
        for place in self._crew:
            self._send(place, signal.SIGTERM, "dismissed")
        end = self.clock.monotonic() + seconds
        return sum(
            not place.worker.ended(max(end - self.clock.monotonic(), 0.0)) for place in self._crew
        )

    def _passed(self) -> float:
        return self.clock.monotonic() - self._began

    def _started(self) -> _Place:
        leave = ExitStack()
        place = _Place(leave.enter_context(self.start()), leave)
        self._note(place, "started")
        return place

    def _replace(self) -> None:
        for number, place in enumerate(self._crew):
            if place.worker.ended(0) and self._replaces:
                self._note(place, "ended")
                place.leave.close()
                self._crew[number] = self._started()

    def _continue(self) -> None:
        for place in self._crew:
            if place.stopped_until is not None and place.stopped_until <= self._passed():
                place.stopped_until = None
                self._send(place, signal.SIGCONT, "continued")

    def _do(self, blow: Blow) -> None:
        if blow.means == "restart":
            self.restarts += 1
            self._leaving = list(self._crew)
            return
        place = self._victim(blow.place)
        too_soon = blow.means == "kill" and self._passed() - self._killed < _KILLS_APART
        if place is None or too_soon:
            self._later(blow)
        elif blow.means == "kill":
            self._killed = self._passed()
            self._send(place, signal.SIGKILL, "killed")
            place.worker.ended(_DIES)
        else:
            self._stop(place, blow)

    def _victim(self, number: int) -> _Place | None:
        """The worker in a place, or the next, that is at work and not stopped."""
        for place in self._crew[number:] + self._crew[:number]:
            if place.stopped_until is None and self.begun(place.worker.pid):
                return place
        return None

    def _stop(self, place: _Place, blow: Blow) -> None:
        place.worker.signal(signal.SIGSTOP)
        stopped = self._deed(place, "stopped")
        if self.holds_all():
            place.worker.signal(signal.SIGCONT)
            self.undone += 1
            self._later(blow)
            return
        self.deeds.append(stopped)
        place.stopped_until = self._passed() + blow.lasts

    def _later(self, blow: Blow) -> None:
        again = replace(blow, at=self._passed() + _AGAIN)
        self._coming = sorted([*self._coming, again], key=lambda each: each.at)

    def _restart(self) -> None:
        """Tell one after another to stop, the next when the one before has ended."""
        self._leaving = [place for place in self._leaving if place in self._crew]
        awake = [place for place in self._leaving if place.stopped_until is None]
        if awake and not any(place.asked for place in self._leaving):
            awake[0].asked = True
            self._send(awake[0], signal.SIGTERM, "terminated")

    def _send(self, place: _Place, number: int, act: Act) -> None:
        place.worker.signal(number)
        self._note(place, act)

    def _note(self, place: _Place, act: Act) -> None:
        self.deeds.append(self._deed(place, act))

    def _deed(self, place: _Place, act: Act) -> Deed:
        now, time = self.clock.monotonic(), self.clock.now()
        return Deed(act=act, worker=place.worker.pid, at=now, time=time)
