"""Every row runs, in tiny size, and says what it promises. Nothing here looks at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.bench.postgres.contenders import OURS, SENDING, WORKING
from tests.bench.postgres.place import Place
from tests.bench.postgres.rows import ROWS
from tests.bench.promises import kept
from tests.bench.speed import one_by_one
from tests.brokers.fixtures import postgres_url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.figures import Row

__all__ = ["postgres_url"]


@pytest.fixture
def place(postgres_url: str, tmp_path: Path) -> Place:
    return Place(folder=tmp_path, port=urlsplit(postgres_url).port or 0)


@pytest.mark.once
@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_every_figure_and_loses_and_doubles_nothing(
    row: Row[Place], place: Place
) -> None:
    kept(row, place)


@pytest.mark.once
def test_a_neighbour_that_is_not_installed_is_left_out_and_said(place: Place) -> None:
    absent = replace(SENDING.neighbours[0], needs=("no_such_library",))

    measured = one_by_one(replace(SENDING, more=(), neighbours=(absent,)), place, 5)

    assert measured.missing == (f"{absent.text} is not installed",)
    assert f"rate_{absent.name}" not in measured.figures
    assert "of_best" not in measured.figures


def test_a_schema_is_gone_with_its_measurement(place: Place) -> None:
    for one in (OURS, WORKING.floor):
        with place.queue(one) as queue:
            schema = queue.settings()["BENCH_QUEUE"]
            assert schemas(place, schema) == 1
        assert schemas(place, schema) == 0


def schemas(place: Place, name: str) -> int:
    with psycopg.connect(place.server) as to:
        [(count,)] = to.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname = %s", (name,)
        ).fetchall()
        return int(count)
