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

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(10))
def test_short(number): ...

@pytest.mark.timeout(180)
def test_long(): ...

@pytest.mark.timeout(300)
def test_longer(): ...

@pytest.mark.timeout(150)
def test_less_long(): ...
"""


@pytest.mark.parametrize(
    ("workers", "begin"),
    [
        (1, {0: "longer", 1: "long", 2: "less_long"}),
        (2, {0: "longer", 1: "less_long", 6: "long"}),
        (4, {0: "longer", 3: "long", 6: "less_long"}),
    ],
)
def test_each_worker_begins_with_its_share_of_the_long_tests(
    workers: int, begin: dict[int, str], tmp_path: Path
) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_some.py").write_text(TESTS, encoding="utf-8")

    order = collected(tmp_path, workers)

    assert len(set(order)) == len(order) == 13
    assert {i: order[i] for i in range(13) if "long" in order[i]} == begin


def collected(suite: Path, workers: int) -> list[str]:
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
