"""What is measured, what it should reach, and what several runs of it come to: pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore.bench.site import Site

Unit: TypeAlias = Literal["/s", "s", "B", "%", "x", "n"]
Counts: TypeAlias = Mapping[str, int]


_WRONG: Final = ("lost", "duplicated", "workers that did not end")


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that a row measures: seconds, bytes, a share of one (`%`), a number (`n`)."""

    key: str
    text: str
    unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of a row measured.

    `counts` are the counters that say whether the work was done at all: `lost` and `duplicated`
    must be zero. `missing` says what could not be measured beside it, and why.
    """

    figures: Mapping[str, float]
    counts: Counts
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit on the median of a figure."""

    figure: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value is within the limit."""
        low, high = self.at_least, self.at_most
        return (low is None or value >= low) and (high is None or value <= high)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row is to reach: one of its bounds is enough."""

    bounds: tuple[Bound, ...]

    def reached(self, medians: Mapping[str, float]) -> bool | None:
        """Whether a bound holds; None where nothing that it asks for was measured."""
        known = [bound for bound in self.bounds if bound.figure in medians]
        return any(bound.holds(medians[bound.figure]) for bound in known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table: what is done, what is measured, what it should reach.

    `measure` makes one run. `tasks` is how many tasks that run handles, `quick` how many of
    them with `--quick`. Figures stand in the order in which they are shown, ratios first.
    """

    number: int
    name: str
    title: str
    method: str
    figures: tuple[Figure, ...]
    goals: tuple[Goal, ...]
    measure: Callable[[Site], Measured]
    tasks: int
    quick: int

    def figure(self, key: str) -> Figure:
        """Find a figure by its key."""
        return next(figure for figure in self.figures if figure.key == key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over several runs."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All runs of one row."""

    row: Row
    tasks: int
    runs: tuple[Measured, ...] = field(default=())

    @property
    def spreads(self) -> dict[str, Spread]:
        """The least, the median and the greatest of each figure that was measured."""
        spreads: dict[str, Spread] = {}
        for figure in self.row.figures:
            values = [run.figures[figure.key] for run in self.runs if figure.key in run.figures]
            if values:
                spreads[figure.key] = Spread(
                    low=min(values), middle=median(values), high=max(values)
                )
        return spreads

    @property
    def reached(self) -> tuple[bool | None, ...]:
        """Whether each goal was reached, by the medians."""
        medians = {key: spread.middle for key, spread in self.spreads.items()}
        return tuple(goal.reached(medians) for goal in self.row.goals)

    @property
    def counts(self) -> dict[str, int]:
        """The counters of all runs together."""
        total: dict[str, int] = {}
        for run in self.runs:
            for name, count in run.counts.items():
                total[name] = total.get(name, 0) + count
        return total

    @property
    def correct(self) -> bool:
        """Whether no run lost a task, did one twice, or left a worker behind that did not end."""
        return not any(self.counts.get(name) for name in _WRONG)

    @property
    def missing(self) -> tuple[str, ...]:
        """What could not be measured, said once."""
        return tuple(dict.fromkeys(said for run in self.runs for said in run.missing))


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the least value that `share` of the values do not exceed."""
    ranked = sorted(values)
    return ranked[max(ceil(share * len(ranked)), 1) - 1]
