"""A yard for every test of the worker: queue and log in one store, and in two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.yard import Yard


@pytest.fixture(params=["together", "apart"])
async def yard(request: pytest.FixtureRequest) -> AsyncIterator[Yard]:
    """Memory ports on a clock that the test moves."""
    async with open_yard(together=request.param == "together") as opened:
        yield opened


@pytest.fixture
async def apart() -> AsyncIterator[Yard]:
    """One server for messages, another for rows: each can be away alone."""
    async with open_yard(together=False) as opened:
        yield opened
