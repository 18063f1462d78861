"""Where new rows go in the list: a bucket for each day and shard, in the order of insertion.

Which days and shards there are is written in the table itself, before the first row of each.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from longshore_adapters.dynamodb.drafting import Place
from longshore_adapters.dynamodb.scalars import micros, moment, sortable, text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.table import Table

META: Final = "M#"
"""The partition of what is written about the table: its settings, its buckets, its prefixes."""


class Places:
    """Gives places to rows of one connection, each behind the one before."""

    def __init__(self, table: Table, shards: int) -> None:
        """Spread rows over so many shards."""
        self._table = table
        self._shards = shards
        self._last = 0
        self._turn = int.from_bytes(os.urandom(2), "big")
        self._own = os.urandom(4).hex()
        self._known: set[str] = set()

    def place(self, now: datetime, *, new: bool) -> Place:
        """Give the next place; rows of one instant still come one after the other."""
        if not new:
            return Place("", "", self._shards)
        self._last = max(micros(now), self._last + 1)
        self._turn += 1
        order = f"{sortable(self._last)}{self._own}"
        day = f"{moment(self._last):%Y%m%d}"
        return Place(f"L#{day}#{self._turn % self._shards}", order, self._shards)

    async def prepare(self, items: Iterable[Item]) -> None:
        """Make sure that the buckets of new rows will be found."""
        new = {item["g"]["S"] for item in items} - self._known
        if new:
            await self._table.put([{"p": text(META), "s": text(name)} for name in sorted(new)])
            self._known |= new
