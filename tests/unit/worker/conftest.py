"""A yard for every test of the worker: queue and log in one store, and in two."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.yard import Yard


@pytest.fixture(params=["together", "apart"])
async def yard(request: pytest.FixtureRequest) -> AsyncIterator[Yard]:
    """Memory ports on a clock that the test moves."""
    async with _left_clean(together=request.param == "together") as opened:
        yield opened


@pytest.fixture
async def apart() -> AsyncIterator[Yard]:
    """One server for messages, another for rows: each can be away alone."""
    async with _left_clean(together=False) as opened:
        yield opened


@asynccontextmanager
async def _left_clean(*, together: bool) -> AsyncIterator[Yard]:
    """Open a yard; after the test no message may be held, and no handler may still be running."""
    before = asyncio.all_tasks()
    async with open_yard(together=together) as opened:
        yield opened
        assert (await opened.depth()).in_flight == opened.left_in_flight
        handlers = [task for task in asyncio.all_tasks() - before if "_on_loop" in repr(task)]
        assert len(handlers) == opened.left_running
