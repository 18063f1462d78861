"""What the store's tests share: a store of their own, and one item at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import Contract, Opened
from longshore.store import Add, Entry, Put

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore.store import Store

WRITERS = 8
TIMES = 50
ODD_KEYS = ["%", "_", "a%b", "a_b", "ä/ö ü", "\U0001f6a2", "a\\b", "'; --", "a:b|c", " ", "a\tb"]


async def put(store: Store, key: str, value: bytes = b"v", ttl: timedelta | None = None) -> Entry:
    """Write a value whatever was there."""
    [entry] = await store.put([Put(key=key, value=value, ttl=ttl)])
    assert entry is not None
    return entry


async def get(store: Store, key: str) -> Entry | None:
    """Read one key."""
    [entry] = await store.get([key])
    return entry


async def add(store: Store, key: str, amount: int = 1, ttl: timedelta | None = None) -> int:
    """Add to one counter."""
    [total] = await store.add([Add(key=key, amount=amount, ttl=ttl)])
    return total


class StoreSetting(Contract):
    """The fixtures of the store's tests."""

    @pytest.fixture
    def store(self, backend: Opened) -> Store:
        """The store under test."""
        assert backend.store is not None
        return backend.store

    @pytest.fixture
    def second(self, other: Opened) -> Store:
        """Reach the same store by another connection."""
        assert other.store is not None
        return other.store
