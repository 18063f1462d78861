"""Results in words and numbers: for people, and as the raw document for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.bench.figures import Bound, Goal, Result, Row, Unit
    from longshore.bench.host import Host

_MEGABYTE: Final = 1024 * 1024
_WHOLE_PERCENT: Final = 0.1
VERDICTS: Final = {True: "reached", False: "not reached", None: "not measured"}


def written(value: float, unit: Unit) -> str:
    """Write a value with its unit."""
    if unit == "s":
        return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3f} ms"
    if unit == "B":
        return f"{value / _MEGABYTE:.2f} MB"
    if unit == "%":
        return f"{value * 100:.0f} %" if value >= _WHOLE_PERCENT else f"{value * 100:.2f} %"
    if unit == "x":
        return f"{value:.1f} x"
    return f"{value:,.0f}{unit.removeprefix('n')}"


def goal_text(row: Row, goal: Goal) -> str:
    """Write what is to be reached: `of the floor ≥ 50 %, or enqueued ≥ 50,000/s`."""
    return ", or ".join(_bound_text(row, bound) for bound in goal.bounds)


def verdicts(result: Result) -> Iterator[tuple[str, str]]:
    """Write each goal beside what was measured, with the verdict."""
    spreads = result.spreads
    for goal, reached in zip(result.row.goals, result.reached, strict=True):
        found = [
            written(spreads[bound.figure].middle, result.row.figure(bound.figure).unit)
            for bound in goal.bounds
            if bound.figure in spreads
        ]
        measured = f" (median {'; '.join(found)})" if found else ""
        yield VERDICTS[reached], f"{goal_text(result.row, goal)}{measured}"


def table(result: Result) -> Iterator[tuple[str, str, str, str]]:
    """Write each figure: what it is, the least, the median and the greatest of the runs."""
    spreads = result.spreads
    for figure in result.row.figures:
        spread = spreads.get(figure.key)
        if spread is None:
            yield figure.text, "–", "–", "–"
        else:
            low, middle, high = (
                written(value, figure.unit) for value in (spread.low, spread.middle, spread.high)
            )
            yield figure.text, low, middle, high


def document(host: Host, results: Sequence[Result]) -> dict[str, object]:
    """Everything that was measured, raw: seconds, bytes, shares of one."""
    return {
        "host": asdict(host),
        "correct": all(result.correct for result in results),
        "rows": [_row(result) for result in results],
    }


def _row(result: Result) -> dict[str, object]:
    row = result.row
    return {
        "number": row.number,
        "name": row.name,
        "title": row.title,
        "method": row.method,
        "tasks": result.tasks,
        "figures": {
            figure.key: {
                "text": figure.text,
                "unit": figure.unit,
                "min": spread.low,
                "median": spread.middle,
                "max": spread.high,
            }
            for figure in row.figures
            if (spread := result.spreads.get(figure.key)) is not None
        },
        "goals": [
            {"text": goal_text(row, goal), "reached": reached}
            for goal, reached in zip(row.goals, result.reached, strict=True)
        ],
        "counts": result.counts,
        "missing": list(result.missing),
        "runs": [dict(run.figures) for run in result.runs],
    }


def _bound_text(row: Row, bound: Bound) -> str:
    figure = row.figure(bound.figure)
    parts = [
        f"{sign} {written(limit, figure.unit)}"
        for sign, limit in (("≥", bound.at_least), ("≤", bound.at_most))
        if limit is not None
    ]
    return f"{figure.text} {' and '.join(parts)}"
