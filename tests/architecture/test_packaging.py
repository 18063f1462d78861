"""What users install is what the repository holds, by whichever way it was built."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.architecture.places import PACKAGES, ROOT, adapter_folders, package_files

if TYPE_CHECKING:
    from pathlib import Path

# Builds, and one installation; what is built is for any Python.
pytestmark = [pytest.mark.once, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the tree."""
    return built(tmp_path_factory.mktemp("tree"), "--wheel")


@pytest.fixture(scope="module")
def wheel_of_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an sdist alone."""
    return built(tmp_path_factory.mktemp("sdist"))


def test_the_wheel_holds_every_file_of_both_packages(wheel: Path) -> None:
    expected = {
        each.relative_to(package.parent).as_posix()
        for package in PACKAGES.values()
        for each in package_files()
        if each.is_relative_to(package)
    }

    held = {name for name in contents(wheel) if ".dist-info/" not in name}

    assert held == expected


def test_the_wheel_carries_the_licence_and_the_entry_points(wheel: Path) -> None:
    held = contents(wheel)

    entries = held["longshore-0.1.0.dist-info/entry_points.txt"].decode()

    assert "longshore-0.1.0.dist-info/licenses/LICENSE" in held
    assert "longshore = longshore.cli:main" in entries
    assert all(f"longshore_adapters.{each.name}:ADAPTER" in entries for each in adapter_folders())


def test_an_sdist_builds_the_same_wheel(wheel: Path, wheel_of_sdist: Path) -> None:
    assert contents(wheel_of_sdist) == contents(wheel)


def test_the_wheel_imports_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--isolated", "install"]
    run([*pip, "--quiet", "--no-deps", "--no-index", str(wheel)], tmp_path)

    where = run(
        [str(python), "-I", "-c", "import longshore as c, longshore_adapters as a; print(c, a)"],
        tmp_path,
    )

    assert where.count(str(tmp_path / "fresh")) == len(PACKAGES)


def built(folder: Path, *only: str) -> Path:
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *only]
    run([*words, str(ROOT)], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def run(words: list[str], folder: Path) -> str:
    # One fixed date: two builds of one tree are the same bytes.
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1577836800"}
    ran = subprocess.run(
        words, capture_output=True, check=False, cwd=folder, env=environment, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
