from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.clock import ManualClock
from longshore.conformance import (
    Connect,
    ConnectSync,
    QueueContract,
    StoreContract,
    TaskLogContract,
    TogetherContract,
)
from longshore_adapters.sqlite import ADAPTER

if TYPE_CHECKING:
    from pathlib import Path


class Sqlite:
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/longshore.db"

    @pytest.fixture
    def connect(self, url: str, clock: ManualClock) -> Connect:
        return lambda: ADAPTER.open(url, clock)


class TestSqliteQueue(Sqlite, QueueContract): ...


class TestSqliteTaskLog(Sqlite, TaskLogContract): ...


class TestSqliteStore(Sqlite, StoreContract): ...


class TestSqliteTogether(Sqlite, TogetherContract):
    @pytest.fixture
    def connect_sync(self, url: str, clock: ManualClock) -> ConnectSync:
        return lambda: ADAPTER.open_sync(url, clock)
