from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import Clock, ManualClock, SystemClock
from longshore.conformance import (
    Connect,
    ConnectSync,
    QueueContract,
    StoreContract,
    TaskLogContract,
    TogetherContract,
)
from longshore_adapters.redis import ADAPTER

if TYPE_CHECKING:
    from collections.abc import Iterator


class Redis:
    """On the clock of the test, so that nothing really waits."""

    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def url(self) -> str:
        return f"redis://127.0.0.1:6379/0?prefix=test-{uuid4().hex}&clock=host"

    @pytest.fixture
    def connect(self, url: str, clock: Clock) -> Connect:
        return lambda: ADAPTER.open(url, clock)


class TestRedisQueue(Redis, QueueContract): ...


class TestRedisTaskLog(Redis, TaskLogContract): ...


class TestRedisStore(Redis, StoreContract): ...


class TestRedisTogether(Redis, TogetherContract):
    @pytest.fixture
    def connect_sync(self, url: str, clock: Clock) -> ConnectSync:
        return lambda: ADAPTER.open_sync(url, clock)
