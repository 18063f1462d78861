"""The README's first promises: its table of adapters, its ten lines of code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from longshore.clock import SystemClock
from longshore.registry import find_adapter
from tests.architecture.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from longshore.registry import Backend

README = (ROOT / "README.md").read_text(encoding="utf-8")
URLS = {"sqlite": "sqlite:///{tmp}/readme.db", "memory": "memory://", "null": "null://"}


@pytest.mark.parametrize("scheme", sorted(URLS))
async def test_the_table_says_what_the_adapter_declares(scheme: str, tmp_path: Path) -> None:
    said = row_of(scheme)

    url = URLS[scheme].format(tmp=tmp_path)
    async with find_adapter(url).open(url, SystemClock()) as backend:
        declared = declared_by(backend)

    assert {name: said[name] for name in declared} == declared


def test_every_adapter_with_an_entry_point_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z]+)://", README, re.MULTILINE)

    assert sorted(rows) == sorted(URLS)


def test_the_ten_lines_run_as_they_stand() -> None:
    (block,) = re.findall(r"```python\n(# shop\.py\n.*?)```", README, re.DOTALL)
    names: dict[str, object] = {"__name__": "shop"}

    exec(compile(block, "shop.py", "exec"), names)  # noqa: S102 - our own README

    assert callable(names["send_email"])


def row_of(scheme: str) -> dict[str, str]:
    """Read an adapter's row by the names of its columns."""
    lines = [line for line in README.splitlines() if line.startswith("|")]
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    (row,) = [line for line in lines if line.startswith(f"| `{scheme}://")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    return dict(zip(head, cells, strict=True))


def declared_by(backend: Backend) -> dict[str, str]:
    """Say in the table's words what a backend's ports declare."""
    assert backend.queue is not None
    capabilities = backend.queue("readme").capabilities
    return {
        "store": "–" if backend.store is None else "yes",
        "durable": _word(given=capabilities.durable),
        "several processes": _word(given=capabilities.shared),
        "dead letters": _word(given=capabilities.dead_letters),
        "priority": "0–100" if capabilities.priorities else "–",
    }


def _word(*, given: bool) -> str:
    return "yes" if given else "no"
