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
    """Each test finds its prefix empty, on the clock it is given: nothing really waits."""

    options = "&clock=host"

    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def url(self, redis_url: str) -> Iterator[str]:
        url = f"{redis_url}?prefix=test-{uuid4().hex}{self.options}"
        yield url
        ADAPTER.deinit(url)

    @pytest.fixture
    def connect(self, url: str, clock: Clock) -> Connect:
        return lambda: ADAPTER.open(url, clock)

    @pytest.fixture
    def connect_sync(self, url: str, clock: Clock) -> ConnectSync:
        return lambda: ADAPTER.open_sync(url, clock)


class TestRedisQueue(Redis, QueueContract): ...


class TestRedisTaskLog(Redis, TaskLogContract): ...


class TestRedisStore(Redis, StoreContract): ...


class TestRedisTogether(Redis, TogetherContract): ...


@pytest.mark.once
class ByTheServer(Redis):
    """On the server's clock, as everybody else uses it: a second is a second."""

    options = ""

    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()


class TestRedisQueueByTheServer(ByTheServer, QueueContract): ...


class TestRedisTaskLogByTheServer(ByTheServer, TaskLogContract): ...


class TestRedisStoreByTheServer(ByTheServer, StoreContract): ...


class TestRedisTogetherByTheServer(ByTheServer, TogetherContract): ...
