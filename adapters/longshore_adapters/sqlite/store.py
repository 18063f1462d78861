"""The store in a file: rows of the table `entry`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from longshore.errors import StorageError
from longshore.fitting import check_entry
from longshore.store import ABSENT, Entry
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.scalars import json_list, later, maybe_moment
from longshore_adapters.sqlite.wire import to_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.store import Add, Delete, Put
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.file import File
    from longshore_adapters.sqlite.wire import Row

_PAST_EVERY_KEY = "\U0010ffff" * 129
"""Longer than a key can be, of the last character there is: sorts behind all that begin alike."""


class SqliteStore:
    """The entries of an open file."""

    def __init__(self, file: File) -> None:
        """Serve the file's entries."""
        self._file = file

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read live entries."""

        def read(transaction: Transaction) -> dict[str, Entry]:
            rows = transaction.all(statements.ENTRIES, (json_list(keys), transaction.now))
            return {row[0]: to_entry(row) for row in rows}

        found = await self._file.read(read)
        return [found.get(key) for key in keys]

    async def put(self, puts: Sequence[Put]) -> list[Entry | None]:
        """Compare versions and write."""
        for put in puts:
            check_entry(put.key, put.value)
        return await self._file.write(partial(_put_all, puts=puts))

    async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
        """Compare versions and remove."""
        return await self._file.write(partial(_delete_all, deletes=deletes))

    async def add(self, adds: Sequence[Add]) -> list[int]:
        """Add to counters; where one raises, none of the call is changed."""
        for add in adds:
            check_entry(add.key)
        return await self._file.write(partial(_add_all, adds=adds))

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> list[Entry]:
        """List live entries in key order."""

        def read(transaction: Transaction) -> list[Entry]:
            values = (after, prefix, prefix + _PAST_EVERY_KEY, transaction.now, limit)
            return [to_entry(row) for row in transaction.all(statements.SCAN, values)]

        return await self._file.read(read)


def _put_all(transaction: Transaction, puts: Sequence[Put]) -> list[Entry | None]:
    transaction.run(statements.SWEEP, (transaction.now,))
    return [_put(transaction, put) for put in puts]


def _put(transaction: Transaction, put: Put) -> Entry | None:
    if put.if_version is not None:
        live = _live(transaction, put.key)
        if put.if_version != (ABSENT if live is None else live[0]):
            return None
    expires_at = None if put.ttl is None else later(transaction.now, put.ttl)
    return _write(transaction, (put.key, put.value, 0, expires_at))


def _delete_all(transaction: Transaction, deletes: Sequence[Delete]) -> list[bool]:
    return [_delete(transaction, delete) for delete in deletes]


def _delete(transaction: Transaction, delete: Delete) -> bool:
    live = _live(transaction, delete.key)
    if live is None or delete.if_version not in (None, live[0]):
        return False
    transaction.run(statements.DROP_ENTRY, (delete.key,))
    return True


def _add_all(transaction: Transaction, adds: Sequence[Add]) -> list[int]:
    transaction.run(statements.SWEEP, (transaction.now,))
    return [_add(transaction, add) for add in adds]


def _add(transaction: Transaction, add: Add) -> int:
    live = _live(transaction, add.key)
    if live is None:
        total = add.amount
        expires_at = None if add.ttl is None else later(transaction.now, add.ttl)
    else:
        _version, value, counter, expires_at = live
        if not counter:
            message = f"{add.key!r} holds a value, not a counter; use another key"
            raise StorageError(message)
        total = int(value) + add.amount
    _write(transaction, (add.key, str(total).encode(), 1, expires_at))
    return total


def _live(transaction: Transaction, key: str) -> Row | None:
    found: Row | None = transaction.run(statements.LIVE_ENTRY, (key, transaction.now)).fetchone()
    return found


def _write(transaction: Transaction, row: Row) -> Entry:
    key, value, _counter, expires_at = row
    version = transaction.run(statements.WRITE_ENTRY, row).lastrowid
    return Entry(key=key, value=value, version=version or 0, expires_at=maybe_moment(expires_at))
