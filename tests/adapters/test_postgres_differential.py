"""The same steps for the memory adapter and for PostgreSQL: the same answers, the same rows."""

from __future__ import annotations

import pytest

from longshore_adapters.postgres import ADAPTER
from tests.adapters.walks import compare

WALKS = 12


@pytest.mark.parametrize("seed", range(WALKS))
async def test_any_steps_answer_and_leave_what_they_do_in_memory(
    seed: int, postgres_schema: str
) -> None:
    await compare(seed, ADAPTER, f"{postgres_schema}&clock=host")
