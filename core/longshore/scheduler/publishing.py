"""Publishing what is due, a batch at a time: however much waits, no more is held here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore.publish import Publisher

if TYPE_CHECKING:
    from longshore.ports import Ports
    from longshore.scheduler.tally import Tally

BATCH: Final = 500
MOST: Final = 20 * BATCH


class Publishing:
    """Sends the messages of due rows.

    Rows that cannot be sent stay due, and stand before all that come due later. So the next batch
    is larger by as many; else 500 of a queue that is away would keep every other queue waiting.
    Where even the largest batch would leave no room, they are deferred.
    """

    def __init__(self, ports: Ports, tally: Tally) -> None:
        """Count what was done in `tally`."""
        self._publisher = Publisher(ports)
        self._tally = tally
        self._limit = BATCH

    async def step(self) -> bool:
        """Deal with one batch; answer whether more may be due."""
        limit = self._limit
        self._limit = min(2 * limit, MOST)  # where this raises, nobody says how many are left
        done = await self._publisher.publish_due(limit=limit, crowd=MOST - BATCH)
        self._limit = min(BATCH + done.left, MOST)
        self._tally.published += done.sent
        self._tally.expired += done.expired
        self._tally.postponed += done.postponed
        return done.total + done.left >= limit and done.total > 0
