"""Measures every contender in turn, and sets Longshore against the floor and the neighbours."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final, Protocol

from tests.bench.figures import Figure, Measured
from tests.bench.processes import GRACE, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tests.bench.contender import Contender
    from tests.bench.journal import Run

_LOOK: Final = 0.05


class Queue(Protocol):
    """Where one contender's messages wait, seen from outside."""

    def settings(self) -> Mapping[str, str]:
        """What the contender's processes are told."""
        ...

    def left(self) -> int:
        """Messages that wait."""
        ...

    def look(self) -> Measured:
        """What is to be seen of messages that wait."""
        ...

    def succeeded(self) -> int | None:
        """Successes in the log; None for a contender without one."""
        ...


class Place(Protocol):
    """A server, and a folder for what processes write."""

    @property
    def folder(self) -> Path:
        """The folder."""
        ...

    def queue(self, one: Contender) -> AbstractContextManager[Queue]:
        """Make a queue; it is gone afterwards, with all that the contender makes of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Who is measured, in this order: the floor, ours, what else there is of ours, neighbours."""

    floor: Contender
    ours: Contender
    more: tuple[Contender, ...] = ()
    neighbours: tuple[Contender, ...]

    @property
    def everybody(self) -> tuple[Contender, ...]:
        """All of them."""
        return (self.floor, self.ours, *self.more, *self.neighbours)

    def measure(
        self,
        measure: Callable[[Contender], Measured],
        key: str,
        best: Callable[[list[float]], float],
    ) -> Measured:
        """Measure who is installed; `key` is compared, and `best` picks among neighbours."""
        of = {one.name: measure(one) for one in self.everybody if one.is_installed}
        figures = {
            f"{k}_{name}": value for name, one in of.items() for k, value in one.figures.items()
        }
        ours = of[self.ours.name].figures[key]
        figures["of_floor"] = ours / of[self.floor.name].figures[key]
        if others := [of[one.name].figures[key] for one in self.neighbours if one.name in of]:
            figures["of_best"] = ours / best(others)
        absent = [one for one in self.everybody if not one.is_installed]
        return Measured(
            figures=figures,
            counts=_added(one.counts for one in of.values()),
            missing=tuple(f"{one.text} is not installed" for one in absent),
        )

    def rates(
        self, of_floor: float | None, of_best: float | None, **goals: float
    ) -> tuple[Figure, ...]:
        """Tasks a second, and the CPU of each."""
        return (
            Figure("of_floor", f"{self.ours.text}: of {self.floor.text}", at_least=of_floor),
            Figure("of_best", f"{self.ours.text}: times the best neighbour", at_least=of_best),
            *(
                Figure(f"rate_{one.name}", one.text, "/s", at_least=goals.get(one.name))
                for one in self.everybody
            ),
            *self.each("cpu", "CPU a task", "µs"),
        )

    def times(self, **goals: float) -> tuple[Figure, ...]:
        """How long it takes, at the median and at worst."""
        return (
            Figure("of_floor", f"{self.ours.text}: p50, times {self.floor.text}"),
            Figure("of_best", f"{self.ours.text}: p50, times the best neighbour"),
            *(
                Figure(f"p50_{one.name}", f"{one.text}: p50", "µs", at_most=goals.get(one.name))
                for one in self.everybody
            ),
            *self.each("p99", "p99", "µs"),
        )

    def each(self, key: str, text: str, unit: str) -> tuple[Figure, ...]:
        """A figure of everybody."""
        return tuple(
            Figure(f"{key}_{one.name}", f"{one.text}: {text}", unit) for one in self.everybody
        )


def told_of(
    place: Place, queue: Queue, one: Contender, how: str = "many"
) -> tuple[dict[str, str], Path]:
    """What a contender's processes are told, and a folder for what they say."""
    folder = Path(mkdtemp(dir=place.folder, prefix=f"{one.name}-"))
    told = environment(folder) | dict(queue.settings()) | {"BENCH_HOW": how}
    return told, folder


def holds(queue: Queue, wanted: int) -> int:
    """Wait until a queue holds as many messages, for a while; how many there are."""
    end = time.monotonic() + GRACE
    while (left := queue.left()) != wanted and time.monotonic() < end:
        time.sleep(_LOOK)
    return left


def counted(runs: Sequence[Run], wanted: int, left: int) -> dict[str, int]:
    """Count what was lost, done twice, or left in the queue."""
    numbers = Counter(run.number for run in runs)
    doubled = numbers.total() - len(numbers)
    return {"tasks": wanted, "lost": wanted - len(numbers), "doubled": doubled, "left": left}


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        total |= {name: total.get(name, 0) + count for name, count in each.items()}
    return total
