"""The operator's side: pausing queues, and ordering something of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.control.records import (
    MOST_ORDERS,
    ORDERS,
    ORDERS_KEPT,
    QUEUES,
    Order,
    OrderBook,
    QueueRecord,
    read_record,
    write_record,
)
from longshore.control.registry import Registry, entries_under
from longshore.errors import UnavailableError
from longshore.store import ABSENT, Delete, Put

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.clock import Clock
    from longshore.control.records import WorkerEntry, WorkerVerb
    from longshore.store import Entry, Store

_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Which workers are meant: all, or those that fit everything that is given.

    `worker` is an id or a name (host and process id).
    """

    worker: str | None = None
    host: str | None = None
    queue: str | None = None

    def fits(self, entry: WorkerEntry) -> bool:
        """Whether a worker is meant."""
        return (
            (self.worker is None or self.worker in (entry.id, entry.name))
            and (self.host is None or entry.host == self.host)
            and (self.queue is None or self.queue in entry.queues)
        )


class Orders:
    """Writes what workers read with their next beat; nothing here waits for them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Times in records are this clock's."""
        self._store = store
        self._clock = clock

    async def pause_queues(self, names: Sequence[str]) -> list[bool]:
        """Let no worker take from these queues; False for one that is paused already."""
        value = write_record(QueueRecord(at=self._clock.now()))
        written = await self._store.put(
            [Put(key=f"{QUEUES}{name}", value=value, if_version=ABSENT) for name in names]
        )
        return [entry is not None for entry in written]

    async def resume_queues(self, names: Sequence[str]) -> list[bool]:
        """Let workers take from these queues again; False for one that is not paused."""
        return await self._store.delete([Delete(key=f"{QUEUES}{name}") for name in names])

    async def paused_queues(self) -> dict[str, datetime | None]:
        """Every paused queue, and since when; None where its record does not say."""
        paused: dict[str, datetime | None] = {}
        async for entry in entries_under(self._store, QUEUES):
            record = read_record(QueueRecord, entry.value, entry.key)
            paused[entry.key.removeprefix(QUEUES)] = None if record is None else record.at
        return paused

    async def signal(
        self, aim: Aim, verb: WorkerVerb, concurrency: int | None = None
    ) -> list[WorkerEntry]:
        """Order something of every worker that is meant; answer which those are.

        `concurrency` goes with resize. What is ordered of a worker that is gone expires.
        """
        meant = [entry for entry in await Registry(self._store).workers() if aim.fits(entry)]
        for entry in meant:
            await self._order(f"{ORDERS}{entry.id}", verb, concurrency)
        return meant

    async def _order(self, key: str, verb: WorkerVerb, concurrency: int | None) -> None:
        """Add to a worker's orders; another operator may do the same meanwhile."""
        for _ in range(_TRIES):
            (found,) = await self._store.get([key])
            orders = orders_in(found)
            now = self._clock.now()
            # Of the time as well, because a worker remembers numbers longer than the store does.
            number = max(orders[-1].number + 1 if orders else 1, int(now.timestamp() * 1000))
            order = Order(number=number, verb=verb, at=now, concurrency=concurrency)
            value = write_record(OrderBook(orders=(*orders, order)[-MOST_ORDERS:]))
            version = ABSENT if found is None else found.version
            put = Put(key=key, value=value, if_version=version, ttl=ORDERS_KEPT)
            if (await self._store.put([put]))[0] is not None:
                return
        message = f"others kept changing {key}; try again"
        raise UnavailableError(message)


def orders_in(found: Entry | None) -> tuple[Order, ...]:
    """The orders that stand under a worker's key, oldest first."""
    book = None if found is None else read_record(OrderBook, found.value, found.key)
    return () if book is None else book.orders
