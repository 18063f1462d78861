"""Every row runs, in tiny size, and writes what it promises. Nothing here looks at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from longshore.bench.rows import ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from longshore.bench.figures import Row

TASKS = {"start": 1, "stop": 1, "pickup": 4, "sleep": 120}
FEW = 60
WITHOUT_HUEY = "import sys\nsys.modules['huey'] = None\n"


@pytest.mark.once
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_writes_every_figure_and_loses_and_doubles_nothing(row: Row, tmp_path: Path) -> None:
    saved = tmp_path / "measured.json"
    tasks = TASKS.get(row.name, FEW)

    ran = bench(row.name, "--runs", "1", "--tasks", str(tasks), "--save", str(saved), at=tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    [measured] = json.loads(saved.read_text("utf-8"))["rows"]
    assert list(measured["figures"]) == [figure.key for figure in row.figures]
    assert [goal["reached"] in {True, False} for goal in measured["goals"]] == [True] * len(
        row.goals
    )
    assert measured["counts"]["lost"] == measured["counts"]["duplicated"] == 0
    assert measured["tasks"] == tasks
    assert_table(ran.stdout, row)


def test_without_huey_its_row_says_so_and_measures_the_rest(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_HUEY, "utf-8")

    ran = bench("drain", "--runs", "1", "--tasks", str(FEW), "--json", at=tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    measured: dict[str, Any] = json.loads(ran.stdout)
    [row] = measured["rows"]
    assert measured["host"]["huey"] == "not installed"
    assert row["missing"] == ["huey is not installed: pip install huey"]
    assert set(row["figures"]) == {"floor_share", "rate", "floor"}
    assert [goal["reached"] for goal in row["goals"]][1] is None


def test_the_list_names_every_row_and_measures_none(tmp_path: Path) -> None:
    ran = bench("--list", at=tmp_path)

    lines = [line.split() for line in ran.stdout.splitlines()[1:]]
    assert ran.returncode == 0
    assert [(line[0], line[1]) for line in lines] == [(str(row.number), row.name) for row in ROWS]


@pytest.mark.parametrize("words", [["fastest"], ["--url", "memory://"], ["--app", "shop:app"]])
def test_what_cannot_be_measured_is_refused(words: list[str], tmp_path: Path) -> None:
    ran = bench(*words, at=tmp_path)

    assert ran.returncode == 2
    assert ran.stdout == ""
    assert words[0] in ran.stderr


def assert_table(printed: str, row: Row) -> None:
    """Each figure has its line with three values, and each goal its verdict."""
    lines = printed.splitlines()
    assert f"{row.number}. {row.title}" in lines
    start = next(i for i, line in enumerate(lines) if line.startswith(row.name))
    for figure, line in zip(row.figures, lines[start + 1 :], strict=False):
        assert line.startswith(figure.text)
        assert len(line.removeprefix(figure.text).split("  ")) >= 3
    verdicts = [line for line in lines if line.startswith(("reached: ", "not reached: "))]
    assert len(verdicts) == len(row.goals)


def bench(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    # A folder with a sitecustomize.py in it decides what the processes can import.
    environment = os.environ | {"PYTHONPATH": str(at)}
    return subprocess.run(
        [sys.executable, "-m", "longshore", "bench", *words],
        capture_output=True,
        check=False,
        cwd=at,
        env=environment,
        text=True,
        timeout=55,
    )
