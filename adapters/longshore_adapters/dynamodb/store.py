"""The store in a table: an item for each key, written by one conditional update."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from longshore.errors import StorageError
from longshore_adapters.dynamodb.entries import (
    adding,
    deleting,
    entry_key,
    is_live,
    putting,
    restarting,
    segment,
    to_entry,
)
from longshore_adapters.dynamodb.limits import check_entry
from longshore_adapters.dynamodb.marks import Marks, sweeping
from longshore_adapters.dynamodb.places import META
from longshore_adapters.dynamodb.scalars import micros, text
from longshore_adapters.dynamodb.statements import Lost
from longshore_adapters.dynamodb.turns import in_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.store import Add, Delete, Entry, Put
    from longshore_adapters.dynamodb.connection import Connection
    from longshore_adapters.dynamodb.marks import Mark
    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.table import Table

_PREFIX: Final = "S#"
_PAST_EVERY_KEY: Final = "\U0010ffff" * 129
"""Longer than a key can be, of the last character there is: sorts behind all that begin alike."""


class DynamoDbStore:
    """The entries of an open table."""

    def __init__(self, connection: Connection, table: Table) -> None:
        """Serve one connection."""
        self._connection = connection
        self._table = table
        self._known: set[str] = set()
        self._marks = Marks()

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read live entries."""
        now = self._now()
        items = await self._table.read([entry_key(key) for key in dict.fromkeys(keys)])
        found = {item["s"]["S"][1:]: to_entry(item) for item in items if is_live(item, now)}
        return [found.get(key) for key in keys]

    async def put(self, puts: Sequence[Put]) -> list[Entry | None]:
        """Compare versions and write; nothing where one is above a limit."""
        self._connection.check_open()
        for put in puts:
            check_entry(put.key, put.value)
        await self._announce([put.key for put in puts])
        return await in_turns(puts, lambda put: put.key, self._put)

    async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
        """Compare versions and remove."""
        self._connection.check_open()
        return await in_turns(deletes, lambda delete: delete.key, self._delete)

    async def add(self, adds: Sequence[Add]) -> list[int]:
        """Add to counters, each once, however often a call is repeated; nothing above a limit.

        Where an answer was lost, the value that is answered may count what others added meanwhile.
        """
        self._connection.check_open()
        for add in adds:
            check_entry(add.key)
        await self._announce([add.key for add in adds])
        return await in_turns(adds, lambda add: add.key, self._add)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> list[Entry]:
        """List live entries in key order."""
        now = self._now()
        own = segment(prefix)
        segments = [own] if own else await self._segments(prefix)
        pages = await asyncio.gather(
            *(self._under(each, prefix, after, limit, now) for each in segments)
        )
        found = [entry for page in pages for entry in page]
        return sorted(found, key=lambda entry: entry.key)[:limit]

    async def _under(self, each: str, prefix: str, after: str, limit: int, now: int) -> list[Entry]:
        """List the first entries of one partition."""
        first = max(f"={prefix}", f"={after}\0")
        asked = {
            "KeyConditionExpression": "p = :p AND s BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":p": text(f"{_PREFIX}{each}"),
                ":first": text(first),
                ":last": text(f"={prefix}{_PAST_EVERY_KEY}"),
            },
            "ConsistentRead": True,
        }
        if first > f"={prefix}{_PAST_EVERY_KEY}":
            return []
        found: list[Entry] = []
        pages = self._table.pages("Query", asked)
        async for items, _ in pages:
            found += [to_entry(item) for item in items if is_live(item, now)]
            if len(found) >= limit:
                break
        await pages.aclose()
        return found[:limit]

    async def _segments(self, prefix: str) -> list[str]:
        """List the partitions in which keys may begin so."""
        asked = {
            "KeyConditionExpression": "p = :p AND begins_with(s, :s)",
            "ExpressionAttributeValues": {":p": text(META), ":s": text(f"{_PREFIX}{prefix}")},
            "ConsistentRead": True,
        }
        found: list[str] = []
        async for items, _ in self._table.pages("Query", asked):
            found += [item["s"]["S"].removeprefix(_PREFIX) for item in items]
        return [*{"", *found}]

    async def _announce(self, keys: Sequence[str]) -> None:
        """Make sure that the partitions of new entries will be found."""
        new = {segment(key) for key in keys} - self._known
        if new:
            names = [f"{_PREFIX}{each}" for each in sorted(new) if each]
            await self._table.put([{"p": text(META), "s": text(name)} for name in names])
            self._known |= new

    async def _put(self, put: Put) -> Entry | None:
        nonce = uuid4().hex
        wrote = await self._table.upsert(putting(put, self._now(), nonce))
        if not isinstance(wrote, Lost):
            return to_entry(wrote)
        standing = wrote.item
        return to_entry(standing) if standing and standing["n"]["S"] == nonce else None

    async def _delete(self, delete: Delete) -> bool:
        nonce = uuid4().hex
        asked = deleting(delete.key, delete.if_version, self._now(), nonce)
        wrote = await self._table.upsert(asked)
        if not isinstance(wrote, Lost):
            return True
        return wrote.item is not None and wrote.item["n"]["S"] == nonce

    async def _add(self, add: Add) -> int:
        with self._marks.one(self._now()) as mark:
            item = await self._added(add, mark)
        if sweep := sweeping(add.key, item, self._now()):
            await self._table.upsert(sweep)
        return int(item["c"]["N"])

    async def _added(self, add: Add, mark: Mark) -> Item:
        """Add once; answer the item as it is then, or later where the answer was lost."""
        while True:
            now = self._now()
            wrote = await self._table.upsert(adding(add, now, mark))
            if not isinstance(wrote, Lost):
                return wrote
            standing = wrote.item
            if standing is None:
                continue
            if standing.get(mark.name, {}).get("S") == mark.value:
                return standing
            if is_live(standing, now):
                if "c" in standing:
                    continue
                message = f"{add.key!r} holds a value, not a counter; use another key"
                raise StorageError(message)
            wrote = await self._table.upsert(restarting(add, standing, now, mark))
            if not isinstance(wrote, Lost):
                return wrote

    def _now(self) -> int:
        self._connection.check_open()
        return micros(self._connection.clock.now())
