"""What SQS and DynamoDB charge for stays within its budget. Nothing here looks at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.aws import budgets
from tests.bench.aws.contenders import OURS, RAW
from tests.bench.aws.drain import play
from tests.bench.aws.place import Place
from tests.bench.figures import Figure, Measured, Result, Row
from tests.brokers.fixtures import aws_environment, dynamodb_url, localstack_url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.contender import Contender

__all__ = ["aws_environment", "dynamodb_url", "localstack_url"]

NOTHING_WRONG = {"lost": 0, "doubled": 0, "left": 0}


@pytest.fixture
def place(localstack_url: str, aws_environment: None, tmp_path: Path) -> Place:
    return Place(folder=tmp_path, sqs=localstack_url)


@pytest.mark.once
def test_a_task_costs_no_more_than_a_third_of_a_request_to_sqs(place: Place) -> None:
    measured = budgets.calls(place, 200)

    assert measured.counts == {"tasks": 200, **NOTHING_WRONG}
    assert measured.figures["calls"] <= 0.35
    assert measured.figures["short"] == 0


@pytest.mark.once
def test_a_task_costs_four_write_units_and_three_when_logged_from_its_claim(
    place: Place, dynamodb_url: str
) -> None:
    measured = budgets.units(place, 40)

    assert dynamodb_url == place.dynamodb
    assert measured.counts == {"tasks": 96, **NOTHING_WRONG}
    assert measured.figures["full"] <= 4
    assert measured.figures["claims"] <= 3


@pytest.mark.once
def test_an_idle_worker_polls_once_and_waits(place: Place) -> None:
    measured = budgets.idle(place, 3)

    assert measured.figures == {"rate": 0, "short": 0}


@pytest.mark.once
@pytest.mark.parametrize("one", [OURS, RAW], ids=lambda one: one.name)
def test_a_round_runs_every_task_once_and_counts_its_requests(place: Place, one: Contender) -> None:
    played = play(place, one, 40)

    assert (played.lost, played.doubled, played.left) == (0, 0, 0)
    assert 0.3 <= played.calls <= 0.6
    assert played.produced > 0


def test_the_table_judges_the_median_and_says_what_was_not_measured() -> None:
    figures = (Figure("cpu", "CPU", "µs", at_most=0.001), Figure("other", "another"))
    row: Row[Place] = Row(
        name="row",
        title="a row",
        figures=figures,
        measure=lambda _place, _tasks: Measured(figures={}, counts={}),
        tasks=1,
        quick=1,
    )
    runs = [
        Measured(figures={"cpu": cpu}, counts={"lost": lost})
        for cpu, lost in ((0.0005, 0), (0.002, 0), (0.0011, 1))
    ]

    good, bad = Result(row=row, runs=runs[:1]), Result(row=row, runs=runs)

    assert (good.correct, bad.correct) == (True, False)
    assert [line.split() for line in bad.lines()][1:3] == [
        [
            "CPU",
            "500",
            "µs",
            "1,100",
            "µs",
            "2,000",
            "µs",
            "goal",
            "≤",
            "1,000",
            "µs:",
            "NOT",
            "reached",
        ],
        ["another", "not", "measured"],
    ]
