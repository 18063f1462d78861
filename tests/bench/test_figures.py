"""Several runs come to a median; a goal is judged by it."""

from __future__ import annotations

import pytest

from longshore.bench.figures import Bound, Figure, Goal, Measured, Result, Row, percentile
from longshore.bench.wording import table, verdicts, written

FAST = Bound(figure="rate", at_least=100)
SHARE = Bound(figure="share", at_least=0.5)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([7.0], 0.99, 7.0),
        ([7.0], 0.0, 7.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, expected: float
) -> None:
    found = percentile(values, share)

    assert found == expected


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ({"rate": 100.0, "share": 0.1}, True),
        ({"rate": 99.0, "share": 0.5}, True),
        ({"rate": 99.0, "share": 0.4}, False),
        ({"share": 0.4}, False),
        ({}, None),
    ],
)
def test_one_bound_of_a_goal_is_enough_and_an_unmeasured_one_is_none(
    medians: dict[str, float], expected: object
) -> None:
    goal = Goal((FAST, SHARE))

    reached = goal.reached(medians)

    assert reached is expected


def test_a_goal_is_judged_by_the_median_of_the_runs() -> None:
    result = result_of(90.0, 101.0, 500.0)

    [reached] = result.reached

    assert reached is True
    assert list(table(result)) == [("done", "90/s", "101/s", "500/s"), ("of it", "–", "–", "–")]
    assert list(verdicts(result)) == [("reached", "done ≥ 100/s, or of it ≥ 50 % (median 101/s)")]


@pytest.mark.parametrize("wrong", ["lost", "duplicated", "workers that did not end"])
def test_one_wrong_task_in_one_run_makes_the_result_incorrect(wrong: str) -> None:
    good = Measured(figures={"rate": 1.0}, counts={"enqueued": 10, "lost": 0, "duplicated": 0})
    bad = Measured(figures={"rate": 1.0}, counts={"enqueued": 10, wrong: 1})

    result = Result(row=row(), tasks=10, runs=(good, bad))

    assert not result.correct
    assert Result(row=row(), tasks=10, runs=(good, good)).correct
    assert result.counts["enqueued"] == 20


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0000841, "s", "0.084 ms"),
        (2.5, "s", "2.50 s"),
        (0.0042, "%", "0.42 %"),
        (0.5149, "%", "51 %"),
        (13.26, "x", "13.3 x"),
        (12345.6, "/s", "12,346/s"),
        (0.0, "n", "0"),
        (-1_572_864.0, "B", "-1.50 MB"),
    ],
)
def test_a_value_is_written_with_its_unit(value: float, unit: str, expected: str) -> None:
    text = written(value, unit)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - each is one of the units

    assert text == expected


def result_of(*rates: float) -> Result:
    runs = tuple(Measured(figures={"rate": rate}, counts={}) for rate in rates)
    return Result(row=row(), tasks=10, runs=runs)


def row() -> Row:
    return Row(
        number=1,
        name="row",
        title="a row",
        method="by hand",
        figures=(Figure("rate", "done", "/s"), Figure("share", "of it", "%")),
        goals=(Goal((FAST, SHARE)),),
        measure=lambda _site: Measured(figures={}, counts={}),
        tasks=10,
        quick=1,
    )
