"""Adapters are found through entry points, which are read at install."""

from __future__ import annotations

import tomllib
from importlib.metadata import entry_points

import pytest

from longshore.registry import ENTRY_POINTS
from tests.architecture.places import OTHER_SCHEMES, ROOT, adapter_folders

FOLDERS = {each.name: each.name for each in adapter_folders()} | OTHER_SCHEMES


def test_the_entry_points_are_the_adapter_folders() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    declared = project["entry-points"][ENTRY_POINTS]

    assert declared == {
        scheme: f"longshore_adapters.{folder}:ADAPTER" for scheme, folder in FOLDERS.items()
    }


def test_the_installed_entry_points_are_the_declared_ones() -> None:
    installed = sorted(point.name for point in entry_points(group=ENTRY_POINTS))

    assert installed == sorted(FOLDERS), "run: pip install --editable . --no-deps"


@pytest.mark.parametrize("name", FOLDERS)
def test_every_entry_point_loads_something_that_opens_urls(name: str) -> None:
    (point,) = entry_points(group=ENTRY_POINTS, name=name)

    adapter = point.load()

    assert all(callable(getattr(adapter, verb, None)) for verb in ("open", "init", "deinit"))
