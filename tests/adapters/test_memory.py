from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import ManualClock
from longshore.conformance import (
    QueueContract,
    StoreContract,
    TaskLogContract,
    TogetherContract,
)
from longshore_adapters.memory import ADAPTER

if TYPE_CHECKING:
    from longshore.conformance import Connect, ConnectSync


class Memory:
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def url(self) -> str:
        return f"memory://{uuid4().hex}"

    @pytest.fixture
    def connect(self, url: str, clock: ManualClock) -> Connect:
        return lambda: ADAPTER.open(url, clock)


class TestMemoryQueue(Memory, QueueContract): ...


class TestMemoryTaskLog(Memory, TaskLogContract): ...


class TestMemoryStore(Memory, StoreContract): ...


class TestMemoryTogether(Memory, TogetherContract):
    @pytest.fixture
    def connect_sync(self, url: str, clock: ManualClock) -> ConnectSync:
        return lambda: ADAPTER.open_sync(url, clock)
