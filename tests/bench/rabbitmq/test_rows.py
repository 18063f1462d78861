"""Every row runs, in tiny size, and says what it promises. Nothing here looks at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.bench.figures import WRONG, Result
from tests.bench.rabbitmq.contenders import NEIGHBOURS, OURS, RAW
from tests.bench.rabbitmq.place import Place
from tests.bench.rabbitmq.rows import ROWS
from tests.bench.rabbitmq.speed import one_by_one
from tests.brokers.fixtures import rabbitmq_url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.figures import Row

__all__ = ["rabbitmq_url"]


@pytest.fixture
def place(rabbitmq_url: str, tmp_path: Path) -> Place:
    return Place(folder=tmp_path, port=urlsplit(rabbitmq_url).port or 0)


@pytest.mark.once
@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_every_figure_and_loses_and_doubles_nothing(
    row: Row[Place], place: Place
) -> None:
    measured = row.measure(place, row.quick)

    # A drain of so few may be over before its CPU was looked at, and memory need not grow.
    said = {figure.key for figure in row.figures if not figure.key.startswith("cpu_")}
    positive = {key for key in said if not key.startswith("growth")}
    assert said <= set(measured.figures)
    assert all(measured.figures[key] > 0 for key in positive)
    sizes = [measured.figures[key] for key in said if key.startswith("size_")]
    assert all(490 <= size <= 510 for size in sizes), sizes
    assert {name: measured.counts.get(name, 0) for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert Result(row=row, runs=[measured]).correct


@pytest.mark.once
def test_a_neighbour_that_is_not_installed_is_left_out_and_said(place: Place) -> None:
    absent = replace(NEIGHBOURS[0], needs=("no_such_library",))

    measured = one_by_one(place, 5, (RAW, OURS, absent))

    assert measured.missing == (f"{absent.text} is not installed",)
    assert f"rate_{absent.name}" not in measured.figures
    assert "of_best" not in measured.figures
