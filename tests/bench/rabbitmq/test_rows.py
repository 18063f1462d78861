"""Every row runs, in tiny size, and says what it promises. Nothing here looks at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.bench.promises import kept
from tests.bench.rabbitmq.contenders import BESIDE
from tests.bench.rabbitmq.place import Place
from tests.bench.rabbitmq.rows import ROWS
from tests.bench.speed import one_by_one
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
    measured = kept(row, place)

    sizes = [size for key, size in measured.figures.items() if key.startswith("size_")]
    assert all(490 <= size <= 510 for size in sizes), sizes


@pytest.mark.once
def test_a_neighbour_that_is_not_installed_is_left_out_and_said(place: Place) -> None:
    absent = replace(BESIDE.neighbours[0], needs=("no_such_library",))

    measured = one_by_one(replace(BESIDE, more=(), neighbours=(absent,)), place, 5)

    assert measured.missing == (f"{absent.text} is not installed",)
    assert f"rate_{absent.name}" not in measured.figures
    assert "of_best" not in measured.figures
