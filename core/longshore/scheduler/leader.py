"""One leader at a time, by a lease in the Store. Nothing rests on it (protocol.md §9).

Two that lead at once do the same work twice, and the log makes it one. So where the store does
not answer, everybody leads after a while: doubled work is better than none.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from longshore.clock import within
from longshore.errors import LongshoreError
from longshore.store import ABSENT, Delete, Put

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore.ports import Ports
    from longshore.store import Entry, Store

_log = logging.getLogger("longshore.scheduler")
KEY: Final = "scheduler/leader"
_LOOKS: Final = 3
"""How often within a lease the leader renews it, and the others look at it."""
_PATIENCE: Final = 2
"""Leases after which a store that does not answer is worked without."""
_FAREWELL: Final = 1.0
"""Seconds that a stop waits for the store."""


async def leader_of(store: Store) -> str | None:
    """Who leads, as `host:process`; None where nobody has lately."""
    (entry,) = await store.get([KEY])
    return None if entry is None else entry.value.decode().partition(" ")[0]


class Leader:
    """Whether this scheduler leads.

    A holder that was not heard of for a lease has lost it, by the monotonic clock of whoever
    watches: a wall clock that jumps, the store's among them, keeps no dead leader in its place.
    """

    def __init__(self, ports: Ports, *, lease: timedelta, name: str) -> None:
        """Without a store it always leads."""
        self._store = ports.store
        self._clock = ports.clock
        self._ttl, self._lease = lease, lease.total_seconds()
        # A process may hold several, and a number of a process comes again.
        self._mark = f"{name} {ports.ids()}".encode()
        self._version = ABSENT
        self._until = self._look_at = 0.0
        self._seen, self._seen_at = ABSENT, 0.0
        self._silent: float | None = None
        self._led = False

    async def leads(self) -> bool:
        """Whether to work now. Asks the store three times a lease, and never raises for it."""
        if self._store is None:
            return True
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + self._lease / _LOOKS
            await self._look(self._store, now)
        leading = self._leading(self._clock.monotonic())
        if leading is not self._led:
            self._led = leading
            _log.info("this scheduler leads%s", "" if leading else " no more")
        return leading

    async def resign(self) -> None:
        """Let another lead at once, if the store lets us soon; else the lease runs out."""
        version, self._version = self._version, ABSENT
        self._until, self._led = 0.0, False
        if self._store is not None and version != ABSENT:
            leaving = self._store.delete([Delete(key=KEY, if_version=version)])
            with suppress(LongshoreError):
                await within(self._clock, _FAREWELL, leaving)

    def _leading(self, now: float) -> bool:
        alone = self._silent is not None and now - self._silent >= _PATIENCE * self._lease
        return alone or now < self._until

    async def _look(self, store: Store, now: float) -> None:
        try:
            held = await self._renew(store) or await self._take(store, now)
        except LongshoreError as error:
            if self._silent is None:
                self._silent = now
                _log.warning("the store does not answer; leading goes on without it: %s", error)
            return
        self._silent = None
        self._version = ABSENT if held is None else held.version
        self._until = 0.0 if held is None else now + self._lease

    async def _renew(self, store: Store) -> Entry | None:
        return None if self._version == ABSENT else await self._put(store, self._version)

    async def _take(self, store: Store, now: float) -> Entry | None:
        """Take the lease where it is free, or ours by a write whose answer was lost, or dead."""
        (entry,) = await store.get([KEY])
        if entry is None:
            return await self._put(store, ABSENT)
        if entry.version != self._seen:
            self._seen, self._seen_at = entry.version, now
        if entry.value == self._mark or now - self._seen_at >= self._lease:
            return await self._put(store, entry.version)
        return None

    async def _put(self, store: Store, version: int) -> Entry | None:
        put = Put(key=KEY, value=self._mark, if_version=version, ttl=self._ttl)
        (entry,) = await store.put([put])
        return entry
