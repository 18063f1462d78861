"""What is done to the workers, and when: decided by the seed before anything begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from longshore.worker.options import BROKER_EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

Means: TypeAlias = Literal["kill", "stop", "restart"]

KILL_EVERY: Final = 1.0
RESTART_EVERY: Final = 20.0
_FIRST_STOP: Final = 1.5
_PAST_REDELIVERY: Final = 2.0
_APART: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """Something to do, `at` so many seconds from the start, to the worker in a place.

    `kill` is KILL; `stop` is STOP, and CONT after `lasts` seconds; `restart` is TERM, for one
    worker after another, whatever its place.
    """

    at: float
    means: Means
    place: int = 0
    lasts: float = 0.0


def planned(seconds: float, places: int, lease: float, random: Random) -> tuple[Blow, ...]:
    """Plan so many seconds for a crew: a kill each second, stops, and rolling restarts.

    A stop lasts until the tasks have been delivered to others: a lease, what a broker's lasts
    beyond it, and 2 s. At most half of the crew is stopped at once, so that somebody works.
    """
    first_restart = min(RESTART_EVERY, seconds) / 2
    blows = [
        *_kills(seconds, places, random),
        *_stops(seconds, places, lease, random),
        *(Blow(at=at, means="restart") for at in _times(first_restart, RESTART_EVERY, seconds)),
    ]
    return tuple(sorted(blows, key=lambda blow: blow.at))


def _kills(seconds: float, places: int, random: Random) -> Iterator[Blow]:
    for at in _times(KILL_EVERY, KILL_EVERY, seconds):
        yield Blow(at=at, means="kill", place=random.randrange(places))


def _stops(seconds: float, places: int, lease: float, random: Random) -> Iterator[Blow]:
    lasts = lease + BROKER_EXTRA.total_seconds() + _PAST_REDELIVERY
    for first in _times(_FIRST_STOP, lasts + _APART, seconds):
        for number in range(places // 2):
            at = first + number * _APART / places
            yield Blow(at=at, means="stop", place=random.randrange(places), lasts=lasts)


def _times(first: float, every: float, end: float) -> Iterator[float]:
    at = first
    while at < end:
        yield at
        at += every
