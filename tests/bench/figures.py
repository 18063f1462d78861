"""What is measured, and what several runs of it come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

P = TypeVar("P")
_US = 1_000_000
_MEGABYTE = 1024 * 1024
WRONG = ("lost", "doubled", "left", "not durable", "not in the log")


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that a row measures; a goal, where it has one, is for the median."""

    key: str
    text: str
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: figures, and counts of which those that `WRONG` names must be zero.

    `missing` says what could not be measured beside it, and why.
    """

    figures: Mapping[str, float]
    counts: Mapping[str, int]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Generic[P]):
    """`measure` makes one run in a place with `tasks` tasks, `quick` of them to see it work."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    measure: Callable[[P, int], Measured]
    tasks: int
    quick: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[P]):
    """All runs of a row."""

    row: Row[P]
    runs: Sequence[Measured]

    def values(self, figure: Figure) -> list[float]:
        """What the runs say of a figure; nothing where none could measure it."""
        return sorted(run.figures[figure.key] for run in self.runs if figure.key in run.figures)

    @property
    def counts(self) -> Counter[str]:
        """The counts of all runs together."""
        total: Counter[str] = Counter()
        for run in self.runs:
            total.update(run.counts)
        return total

    @property
    def correct(self) -> bool:
        """Whether every task was run, once, and none is left."""
        return not any(self.counts[name] for name in WRONG)

    def lines(self) -> Iterator[str]:
        """Write the row: each figure with its least, median and greatest value, and its goal."""
        yield f"\n{self.row.name}: {self.row.title}"
        for figure in self.row.figures:
            values = self.values(figure)
            if not values:
                yield f"  {figure.text:<58}  not measured"
                continue
            spread = (values[0], median(values), values[-1])
            numbers = "".join(f"{written(value, figure.unit):>13}" for value in spread)
            yield f"  {figure.text:<58}{numbers}{_verdict(figure, spread[1])}"
        yield "  " + ", ".join(f"{name} {count:,}" for name, count in self.counts.items())
        yield from (
            f"  {said}" for said in dict.fromkeys(one for run in self.runs for one in run.missing)
        )


def written(value: float, unit: str) -> str:
    """Write a value; what is in µs or MB is given in seconds or bytes."""
    if unit == "µs":
        return f"{value * _US:,.0f} µs"
    if unit == "MB":
        return f"{value / _MEGABYTE:.1f} MB"
    if unit == "/s":
        return f"{value:,.0f}/s"
    return f"{value:.3g}{f' {unit}' if unit else ''}"


def _verdict(figure: Figure, value: float) -> str:
    for sign, goal in (("≤", figure.at_most), ("≥", figure.at_least)):
        if goal is not None:
            reached = value <= goal if sign == "≤" else value >= goal
            verdict = "reached" if reached else "NOT reached"
            return f"   goal {sign} {written(goal, figure.unit)}: {verdict}"
    return ""
