"""What is measured, and what several runs of it come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.bench.aws.place import Place

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that a row measures; a goal, where it has one, is for the median."""

    key: str
    text: str
    unit: str = ""
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: figures, and counts of which `lost`, `doubled` and `left` must be zero."""

    figures: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`measure` makes one run with `tasks` tasks, `quick` of them where a run is only to work."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    measure: Callable[[Place, int], Measured]
    tasks: int
    quick: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All runs of a row."""

    row: Row
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
        return not any(self.counts[name] for name in ("lost", "doubled", "left"))

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


def written(value: float, unit: str) -> str:
    """Write a value; seconds are written as microseconds, and called µs."""
    if unit == "µs":
        return f"{value * _US:,.0f} µs"
    if unit == "/s":
        return f"{value:,.0f}/s"
    return f"{value:.3g}{f' {unit}' if unit else ''}"


def _verdict(figure: Figure, value: float) -> str:
    if figure.at_most is None:
        return ""
    reached = "reached" if value <= figure.at_most else "NOT reached"
    return f"   goal ≤ {figure.at_most:g}: {reached}"
