from __future__ import annotations

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
from longshore_adapters.postgres import ADAPTER


class Postgres:
    """Times are those of the test's clock, so that no test really waits."""

    options = "&clock=host"

    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def url(self, postgres_schema: str) -> str:
        return f"{postgres_schema}{self.options}"

    @pytest.fixture
    def connect(self, url: str, clock: Clock) -> Connect:
        return lambda: ADAPTER.open(url, clock)


class TestPostgresQueue(Postgres, QueueContract): ...


class TestPostgresTaskLog(Postgres, TaskLogContract): ...


class TestPostgresStore(Postgres, StoreContract): ...


class TestPostgresTogether(Postgres, TogetherContract):
    @pytest.fixture
    def connect_sync(self, url: str, clock: Clock) -> ConnectSync:
        return lambda: ADAPTER.open_sync(url, clock)


@pytest.mark.once
class ByTheServer(Postgres):
    """The same by the server's clock."""

    options = ""

    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()


class TestPostgresQueueByTheServer(ByTheServer, QueueContract): ...


class TestPostgresTaskLogByTheServer(ByTheServer, TaskLogContract): ...


class TestPostgresStoreByTheServer(ByTheServer, StoreContract): ...


class TestPostgresTogetherByTheServer(ByTheServer, TogetherContract): ...
