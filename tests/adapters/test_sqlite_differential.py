"""The same steps for the memory adapter and for SQLite: the same answers, the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore_adapters.sqlite import ADAPTER
from tests.adapters.walks import compare

if TYPE_CHECKING:
    from pathlib import Path

WALKS = 24


@pytest.mark.parametrize("seed", range(WALKS))
async def test_any_steps_answer_and_leave_what_they_do_in_memory(seed: int, tmp_path: Path) -> None:
    await compare(seed, ADAPTER, f"sqlite:///{tmp_path}/longshore.db?synchronous=off")
