"""The store in a database: rows of the table `entry`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from longshore.errors import StorageError
from longshore.fitting import check_entry
from longshore.store import ABSENT, Entry
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.scalars import octets, span
from longshore_adapters.postgres.wire import to_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.store import Add, Delete, Put
    from longshore_adapters.postgres.database import Database
    from longshore_adapters.postgres.session import Session

_PAST_EVERY_KEY: Final = b"\xff"
"""No character of UTF-8 holds this byte, so it sorts behind all that begin alike."""


class PostgresStore:
    """The entries of an open database."""

    def __init__(self, database: Database) -> None:
        """Serve the database's entries."""
        self._database = database

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read live entries."""
        wanted = list(map(octets, keys))
        rows = await self._database.run(lambda s: s.all(statements.ENTRIES, keys=wanted))
        found = {row[0]: to_entry(row) for row in rows}
        return [found.get(key) for key in wanted]

    async def put(self, puts: Sequence[Put]) -> list[Entry | None]:
        """Compare versions and write."""
        for put in puts:
            check_entry(put.key, put.value)
        return await self._database.run(partial(_put_all, puts=puts))

    async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
        """Compare versions and remove."""
        return await self._database.run(partial(_delete_all, deletes=deletes))

    async def add(self, adds: Sequence[Add]) -> list[int]:
        """Add to counters; where one raises, none of the call is changed."""
        for add in adds:
            check_entry(add.key)
        return await self._database.run(partial(_add_all, adds=adds))

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> list[Entry]:
        """List live entries in key order."""
        low = octets(prefix)
        rows = await self._database.run(
            lambda session: session.all(
                statements.SCAN,
                after=octets(after),
                low=low,
                high=low + _PAST_EVERY_KEY,
                limit=limit,
            )
        )
        return list(map(to_entry, rows))


async def _put_all(session: Session, puts: Sequence[Put]) -> list[Entry | None]:
    if puts:
        await session.run(statements.SWEEP)
    return [await _put(session, put) for put in puts]


async def _put(session: Session, put: Put) -> Entry | None:
    statement = statements.PUT_OVER
    if put.if_version is None:
        statement = statements.PUT_ANY
    elif put.if_version == ABSENT:
        statement = statements.PUT_ABSENT
    written = await session.all(
        statement,
        key=octets(put.key),
        value=put.value,
        version=put.if_version,
        ttl=None if put.ttl is None else span(put.ttl),
    )
    if not written:
        return None
    [(version, expires_at)] = written
    return Entry(key=put.key, value=put.value, version=version, expires_at=expires_at)


async def _delete_all(session: Session, deletes: Sequence[Delete]) -> list[bool]:
    return [
        await session.run(statements.DELETE, key=octets(each.key), version=each.if_version) == 1
        for each in deletes
    ]


async def _add_all(session: Session, adds: Sequence[Add]) -> list[int]:
    async with session.transaction():
        await session.begun(statements.SWEEP)
        return [await _add(session, add) for add in adds]


async def _add(session: Session, add: Add) -> int:
    ttl = None if add.ttl is None else span(add.ttl)
    written = await session.all(
        statements.ADD, key=octets(add.key), amount=str(add.amount), ttl=ttl
    )
    if not written:
        message = f"{add.key!r} holds a value, not a counter; use another key"
        raise StorageError(message)
    return int(written[0][0])
