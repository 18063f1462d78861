"""The store in memory: entries in a dictionary, versions from one counter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.errors import StorageError, TooLargeError
from longshore.store import MAX_KEY, MAX_VALUE, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from longshore.store import Add, Delete, Put
    from longshore_adapters.memory.server import Connection, MemoryServer


class MemoryStore:
    """The entries of a `MemoryServer`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read live entries."""
        with self._connection.use() as server:
            return [_live(server, key) for key in keys]

    async def put(self, puts: Sequence[Put]) -> list[Entry | None]:
        """Compare versions and write; nothing where one is above a limit."""
        with self._connection.use() as server:
            for put in puts:
                _check_size(put.key, put.value)
            return [_put(server, put) for put in puts]

    async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
        """Compare versions and remove."""
        with self._connection.use() as server:
            return [_delete(server, delete) for delete in deletes]

    async def add(self, adds: Sequence[Add]) -> list[int]:
        """Add to counters; nothing where one is above a limit."""
        with self._connection.use() as server:
            for add in adds:
                _check_size(add.key)
            return [_add(server, add) for add in adds]

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> list[Entry]:
        """List live entries in key order."""
        with self._connection.use() as server:
            under = [key for key in server.entries if key.startswith(prefix) and key > after]
            live = (_live(server, key) for key in sorted(under))
            return [entry for entry in live if entry is not None][:limit]


def _live(server: MemoryServer, key: str) -> Entry | None:
    entry = server.entries.get(key)
    if entry is None or entry.expires_at is None or entry.expires_at > server.clock.now():
        return entry
    del server.entries[key]
    return None


def _put(server: MemoryServer, put: Put) -> Entry | None:
    live = _live(server, put.key)
    if put.if_version not in (None, 0 if live is None else live.version):
        return None
    server.counters.discard(put.key)
    return _write(server, put.key, put.value, put.ttl)


def _delete(server: MemoryServer, delete: Delete) -> bool:
    live = _live(server, delete.key)
    if live is None or delete.if_version not in (None, live.version):
        return False
    del server.entries[delete.key]
    return True


def _add(server: MemoryServer, add: Add) -> int:
    live = _live(server, add.key)
    if live is None:
        _write(server, add.key, str(add.amount).encode(), add.ttl)
        server.counters.add(add.key)
        return add.amount
    if add.key not in server.counters:
        message = f"{add.key!r} holds a value, not a counter; use another key"
        raise StorageError(message)
    total = int(live.value) + add.amount
    version = next(server.numbers)
    server.entries[add.key] = replace(live, value=str(total).encode(), version=version)
    return total


def _write(server: MemoryServer, key: str, value: bytes, ttl: timedelta | None) -> Entry:
    expires_at = None if ttl is None else server.clock.now() + ttl
    entry = Entry(key=key, value=value, version=next(server.numbers), expires_at=expires_at)
    server.entries[key] = entry
    return entry


def _check_size(key: str, value: bytes = b"") -> None:
    for what, size, limit in (
        (f"the key {key[:40]!r}", len(key.encode()), MAX_KEY),
        (f"the value of {key[:40]!r}", len(value), MAX_VALUE),
    ):
        if size > limit:
            raise TooLargeError(what, size, limit, "the Store port's limit")
