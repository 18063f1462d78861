"""The registry of workers: each writes its entry with every beat; whoever asks lists them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from longshore.control.records import ENTRIES, ORDERS, WorkerEntry, read_record, write_record
from longshore.store import Delete, Put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from longshore.store import Entry, Store

_LATE: Final = 2
_GONE: Final = 4
_KEPT: Final = 6
"""Beats after which a silent worker is late, counts as gone, and is forgotten."""

_PAGE: Final = 100


class Health(StrEnum):
    """How a worker is, by its last beat."""

    OK = "ok"
    LATE = "late"
    GONE = "gone"


def health_of(entry: WorkerEntry, now: datetime) -> Health:
    """Judge by the age of the last beat; clocks that differ by beats make it wrong."""
    silent = (now - entry.beat_at).total_seconds()
    if silent > _GONE * entry.every:
        return Health.GONE
    return Health.LATE if silent > _LATE * entry.every else Health.OK


class Registry:
    """The entries of all workers that beat lately."""

    def __init__(self, store: Store) -> None:
        """Keep entries in this store."""
        self._store = store

    async def beat(self, entry: WorkerEntry) -> None:
        """Write a worker's own entry; it expires by itself where no further beat comes."""
        ttl = timedelta(seconds=_KEPT * entry.every)
        key = f"{ENTRIES}{entry.id}"
        await self._store.put([Put(key=key, value=write_record(entry), ttl=ttl)])

    async def leave(self, worker: str) -> None:
        """Forget a worker that has ended, and what was still ordered of it."""
        keys = (f"{ENTRIES}{worker}", f"{ORDERS}{worker}")
        await self._store.delete([Delete(key=key) for key in keys])

    async def workers(self) -> list[WorkerEntry]:
        """List entries by id."""
        read = [
            read_record(WorkerEntry, each.value, each.key)
            async for each in entries_under(self._store, ENTRIES)
        ]
        return [entry for entry in read if entry is not None]


async def entries_under(store: Store, prefix: str) -> AsyncIterator[Entry]:
    """All entries under a prefix, page by page."""
    after = ""
    while page := await store.scan(prefix, after=after, limit=_PAGE):
        for entry in page:
            yield entry
        if len(page) < _PAGE:
            return
        after = page[-1].key
