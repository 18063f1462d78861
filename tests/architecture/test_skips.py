"""A server that is missing skips its adapter's tests on a laptop, and fails them in CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SKIPS = """
import pytest

def test_server():
    pytest.skip("nothing answers at 127.0.0.1:1")

def test_capability():
    pytest.skip("capability: priorities")

@pytest.mark.skip(reason="no server")
def test_marked():
    assert True

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    assert False
"""
MODULE_SKIPS = 'import pytest\npytest.skip("no client", allow_module_level=True)\n'


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "adapters").mkdir()
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_elsewhere.py").write_text(SKIPS, encoding="utf-8")
    (tmp_path / "adapters/test_adapter.py").write_text(SKIPS, encoding="utf-8")
    return tmp_path


def test_on_a_laptop_every_skip_is_a_skip(suite: Path) -> None:
    (suite / "adapters/test_module.py").write_text(MODULE_SKIPS, encoding="utf-8")

    outcomes = run(suite, ci="")

    assert outcomes == {"skipped": 7, "xfailed": 2}


def test_in_ci_an_adapter_skips_for_want_of_a_capability_only(suite: Path) -> None:
    outcomes = run(suite, ci="true")

    assert outcomes == {"failed": 1, "error": 1, "skipped": 4, "xfailed": 2}


def test_in_ci_an_adapter_module_may_not_skip(suite: Path) -> None:
    (suite / "adapters/test_module.py").write_text(MODULE_SKIPS, encoding="utf-8")

    outcomes = run(suite, ci="true")

    assert outcomes["error"] == 1


def run(suite: Path, ci: str) -> dict[str, int]:
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:cov", "-q"]
    environment = os.environ | {"CI": ci, "PYTEST_ADDOPTS": ""}
    ran = subprocess.run(
        words, capture_output=True, check=False, cwd=suite, env=environment, text=True
    )
    closing = ran.stdout.strip().splitlines()[-1]
    return {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", closing)}
