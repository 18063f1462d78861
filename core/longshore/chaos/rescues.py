"""How long it takes from a kill until somebody else has the task: pure.

A message that was delivered again and not claimed yet, when its new holder was killed or stopped
or could not go on because a handler blocked its loop, has to wait for another lease; and where all
workers are starting or stopped, nobody can be given it. Such a rescue is *disturbed*: it is no
measure of the first kill. Nobody can say in whose hands a message was, so
a rescue counts as disturbed where this may have happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.worker.options import BROKER_EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.chaos.journal import Line
    from longshore.chaos.monkey import Deed
    from longshore.identity import TaskId
    from longshore.task import Attempt

_CLOCKS_APART: Final = timedelta(seconds=2)
_BLOCKED: Final = 1.0
"""Seconds from which on a blocked loop disturbs."""
_GOING: Final = frozenset({"killed", "stopped", "terminated", "dismissed", "ended"})
_DISTURBING: Final = frozenset({"killed", "stopped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """One takeover of a task from a killed worker, so many seconds after the kill."""

    wait: float
    disturbed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """When workers were hindered, by the wall clock: from when until when."""

    spans: Sequence[tuple[datetime, datetime]]

    @classmethod
    def of(
        cls, deeds: Sequence[Deed], journal: Sequence[Line], blocking: frozenset[TaskId]
    ) -> Troubles:
        """Kills, stops, long handlers of the `blocking` tasks, and when nobody was there."""
        spans = [(deed.time, deed.time) for deed in deeds if deed.act in _DISTURBING]
        if deeds:
            zero = deeds[0].time - timedelta(seconds=deeds[0].at)
            hindered = (*_blocked(deeds, journal, blocking), *_deserted(deeds, journal))
            for began, ended in hindered:
                spans.append((zero + timedelta(seconds=began), zero + timedelta(seconds=ended)))
        return cls(spans=spans)

    def between(self, start: datetime, end: datetime) -> bool:
        """Whether somebody was hindered at some time between."""
        return any(began <= end and ended >= start for began, ended in self.spans)


def rescued(
    attempts: Sequence[Attempt], deeds: Sequence[Deed], troubles: Troubles, lease: float
) -> Iterator[Rescue]:
    """Find every takeover from a killed worker."""
    killed = {deed.worker: deed.time for deed in deeds if deed.act == "killed"}
    hidden = timedelta(seconds=lease) + BROKER_EXTRA - _CLOCKS_APART
    for one in attempts:
        at = killed.get(worker_number(one.worker))
        # What was taken over before the kill had been lost by a stop.
        if one.outcome == "lost" and at is not None and one.ended_at >= at:
            disturbed = troubles.between(one.started_at + hidden, one.ended_at)
            yield Rescue(wait=(one.ended_at - at).total_seconds(), disturbed=disturbed)


def worker_number(name: str) -> int:
    """The process of a worker, by its name `host:process`; -1 for another name."""
    number = name.rpartition(":")[2]
    return int(number) if number.isdigit() else -1


def _blocked(
    deeds: Sequence[Deed], journal: Sequence[Line], blocking: frozenset[TaskId]
) -> Iterator[tuple[float, float]]:
    """From when until when a loop was blocked: to the handler's end, or its worker's."""
    ends = {(line.task_id, line.token): line.at for line in journal if line.event == "ended"}
    deaths = {deed.worker: deed.at for deed in deeds if deed.act in {"killed", "ended"}}
    for line in journal:
        if line.event == "began" and line.task_id in blocking:
            ended = ends.get((line.task_id, line.token), deaths.get(line.worker, line.at))
            if ended - line.at >= _BLOCKED:
                yield line.at, ended


def _deserted(deeds: Sequence[Deed], journal: Sequence[Line]) -> Iterator[tuple[float, float]]:
    """From when until when no worker was there: all were starting, stopped, or had ended."""
    steps = sorted(_comings_and_goings(deeds, journal))
    there, since = 0, deeds[0].at
    for at, step in steps:
        if not there and at > since:
            yield since, at
        there += step
        since = at


def _comings_and_goings(
    deeds: Sequence[Deed], journal: Sequence[Line]
) -> Iterator[tuple[float, int]]:
    """When a worker came (+1) or went (-1); it comes with its first handler, or by CONT."""
    first: dict[int, float] = {}
    for line in journal:
        first.setdefault(line.worker, line.at)
    for at in first.values():
        yield at, 1
    here, stopped = set(first), set[int]()
    for deed in deeds:
        if deed.act == "continued" and deed.worker in stopped:
            stopped.discard(deed.worker)
            here.add(deed.worker)
            yield deed.at, 1
        elif deed.act in _GOING and deed.worker in here:
            here.discard(deed.worker)
            stopped |= {deed.worker} if deed.act == "stopped" else set()
            yield deed.at, -1
