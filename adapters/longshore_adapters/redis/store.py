"""The store on a server: entries in a hash, their keys in order beside it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import StorageError
from longshore.fitting import check_entry
from longshore.store import Entry
from longshore_adapters.redis import scripts
from longshore_adapters.redis.scalars import moment, raw, span, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.store import Add, Delete, Put
    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.scripts import Script

_HEAD: Final = struct.Struct(">qqc")


class RedisStore:
    """The entries of an open server."""

    def __init__(self, connection: Connection) -> None:
        """Serve one connection."""
        self._connection = connection
        self._keys = (*connection.keys.common, *connection.keys.store)

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read live entries."""
        found = await self._run(scripts.GET, *map(raw, keys))
        return [_entry(key, entry) for key, entry in zip(keys, found, strict=True)]

    async def put(self, puts: Sequence[Put]) -> list[Entry | None]:
        """Compare versions and write; nothing where one is above a limit."""
        arguments: list[bytes | int] = []
        for put in puts:
            check_entry(put.key, put.value)
            expected = b"" if put.if_version is None else put.if_version
            ttl = b"" if put.ttl is None else span(put.ttl)
            arguments += (raw(put.key), put.value, expected, ttl)
        found = await self._run(scripts.PUT, *arguments)
        return [_entry(put.key, entry) for put, entry in zip(puts, found, strict=True)]

    async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
        """Compare versions and remove."""
        arguments: list[bytes | int] = []
        for delete in deletes:
            expected = b"" if delete.if_version is None else delete.if_version
            arguments += (raw(delete.key), expected)
        return [bool(done) for done in await self._run(scripts.DELETE, *arguments)]

    async def add(self, adds: Sequence[Add]) -> list[int]:
        """Add to counters; where one raises, none of the call is changed."""
        arguments: list[bytes | int] = []
        for add in adds:
            check_entry(add.key)
            ttl = b"" if add.ttl is None else span(add.ttl)
            arguments += (raw(add.key), add.amount, ttl)
        told = await self._run(scripts.ADD, *arguments)
        if isinstance(told, bytes):
            message = f"{text(told)!r} holds a value, not a counter; use another key"
            raise StorageError(message)
        return [int(total) for total in told]

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> list[Entry]:
        """List live entries in key order: the order of their UTF-8."""
        start = max(b"[" + raw(prefix), b"(" + raw(after), key=lambda bound: bound[1:])
        if after and raw(after) == raw(prefix):
            start = b"(" + raw(after)
        found = await self._run(scripts.SCAN, start, b"(" + raw(prefix) + b"\xff", limit)
        pairs = [(text(found[at]), found[at + 1]) for at in range(0, len(found), 2)]
        return [entry for key, value in pairs if (entry := _entry(key, value)) is not None]

    async def _run(self, script: Script, *arguments: bytes | int) -> Any:  # noqa: ANN401 - its answer
        return await self._connection.run(script, self._keys, *arguments)


def _entry(key: str, written: bytes | None) -> Entry | None:
    if written is None:
        return None
    version, expiry, _kind = _HEAD.unpack_from(written)
    return Entry(
        key=key,
        value=written[_HEAD.size :],
        version=version,
        expires_at=moment(expiry) if expiry else None,
    )
