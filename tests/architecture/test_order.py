"""Under `--dist worksteal` each worker begins with long tests, and none of any kind is left out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHORT = """
import pytest

@pytest.mark.parametrize("number", range(10))
def test_short(number): ...
"""
LONG = """
import pytest

@pytest.mark.timeout({seconds})
def test_{name}(): ...

@pytest.mark.timeout({seconds} - 10)
def test_{name}_too(): ...
"""
ON_A_BROKER = """
import pytest

@pytest.fixture
def rabbitmq_of_the_session(): ...

def test_{name}_on_a_broker(rabbitmq_of_the_session): ...
"""


@pytest.mark.parametrize(
    ("workers", "begin"),
    [
        (1, {0: "longer", 2: "long", 4: "less_long"}),
        (2, {0: "longer", 8: "long", 10: "less_long"}),
        (4, {0: "longer", 4: "long", 8: "less_long"}),
    ],
)
def test_each_worker_begins_with_its_share_of_the_long_files(
    workers: int, begin: dict[int, str], tmp_path: Path
) -> None:
    (tmp_path / "test_short.py").write_text(SHORT, encoding="utf-8")
    for name, seconds in (("long", 180), ("longer", 300), ("less_long", 150)):
        text = LONG.format(name=name, seconds=seconds)
        (tmp_path / f"test_{name}.py").write_text(text, encoding="utf-8")

    order = collected(tmp_path, workers)

    assert len(set(order)) == len(order) == 16
    assert {i: order[i] for i in range(16) if order[i] in {"longer", "long", "less_long"}} == begin
    assert all(order[i + 1] == f"{name}_too" for i, name in begin.items())


def test_what_shares_a_broker_that_takes_long_to_start_stays_with_one_worker(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_short.py").write_text(SHORT, encoding="utf-8")
    for name in ("some", "others"):
        text = ON_A_BROKER.format(name=name)
        (tmp_path / f"test_{name}.py").write_text(text, encoding="utf-8")

    order = collected(tmp_path, workers=3)

    assert len(set(order)) == len(order) == 12
    assert {"some_on_a_broker", "others_on_a_broker"} == set(order[:2])


def collected(suite: Path, workers: int) -> list[str]:
    shutil.copy(ROOT / "tests/conftest.py", suite)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "--rootdir=.", "."],
        cwd=suite,
        env=os.environ | {"PYTEST_XDIST_WORKER_COUNT": str(workers)},
        capture_output=True,
        text=True,
        check=True,
    )
    ids = [line for line in ran.stdout.splitlines() if "::" in line]
    return [each.partition("::test_")[2] for each in ids]
