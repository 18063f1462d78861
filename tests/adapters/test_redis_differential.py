"""The same steps for the memory adapter and for Redis: the same answers, the same rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import ManualClock
from longshore_adapters.memory import ADAPTER as MEMORY
from longshore_adapters.redis import ADAPTER as REDIS
from tests.adapters.test_sqlite_differential import STEPS, Walk, seen, side

if TYPE_CHECKING:
    from collections.abc import Iterator

WALKS = 16


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    url = f"{redis_url}?prefix=test-{uuid4().hex}&clock=host"
    yield url
    REDIS.deinit(url)


@pytest.mark.once
@pytest.mark.parametrize("seed", range(1000, 1000 + WALKS))
async def test_any_steps_answer_and_leave_what_they_do_in_memory(seed: int, url: str) -> None:
    clock, walk = ManualClock(), Walk(seed)
    async with REDIS.open(url, clock) as one, MEMORY.open("memory://", clock) as other:
        ours, theirs = side(one), side(other)
        for _ in range(STEPS):
            step = walk.step()
            if isinstance(step, timedelta):
                clock.advance(step)
            else:
                assert await step(ours) == await step(theirs)
            assert await seen(ours) == await seen(theirs)
