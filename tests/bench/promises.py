"""What the tests of every family hold its rows to."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tests.bench.figures import WRONG, Result

if TYPE_CHECKING:
    from tests.bench.figures import Measured, Row

P = TypeVar("P")


def kept(row: Row[P], place: P) -> Measured:
    """Measure a row in tiny size: it says every figure, loses nothing and doubles nothing."""
    measured = row.measure(place, row.quick)
    # A drain of so few may be over before its CPU was looked at, and memory need not grow.
    said = {figure.key for figure in row.figures if not figure.key.startswith("cpu_")}
    assert said <= set(measured.figures)
    assert all(measured.figures[key] > 0 for key in said if not key.startswith("growth"))
    wrong = {name: count for name, count in measured.counts.items() if name in WRONG and count}
    assert wrong == {}, wrong
    assert Result(row=row, runs=[measured]).correct
    return measured
