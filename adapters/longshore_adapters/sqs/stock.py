"""Messages that came when nobody waited for them: kept for a moment, then made visible again."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from longshore.queue import Delivery

_log = logging.getLogger("longshore.sqs")
KEPT: Final = 0.5
"""Seconds that a message waits for the next call, its lease running."""


@dataclass(frozen=True, slots=True, eq=False)
class Come:
    """A message that came: from the band of which rank, under a lease of how many seconds."""

    delivery: Delivery
    rank: int
    lease: int
    at: float
    """By the loop's clock."""


class Stock:
    """Keeps what came. Belongs to one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        release: Callable[[Sequence[Delivery]], Awaitable[object]],
    ) -> None:
        """`release` makes deliveries visible again."""
        self._loop = loop
        self._release = release
        self._kept: list[Come] = []
        self._going: set[asyncio.Future[None]] = set()
        self.news: asyncio.Future[None] = loop.create_future()
        """Done when something is put in; another one takes its place then."""

    def put(self, come: Iterable[Come]) -> None:
        """Keep messages until `KEPT` after they came."""
        new = list(come)
        if not new:
            return
        self._kept += new
        self._expire_in_time(new)
        self.news.set_result(None)
        self.news = self._loop.create_future()

    def take(self, lease: int) -> list[Come]:
        """Take out what came under a lease of so many seconds."""
        if not self._kept:
            return []
        taken = [each for each in self._kept if each.lease == lease]
        self._kept = [each for each in self._kept if each.lease != lease]
        return taken

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Make deliveries visible, in the background; where that fails, after their lease."""
        if deliveries:
            going = asyncio.ensure_future(self._released(deliveries))
            self._going.add(going)
            going.add_done_callback(self._going.discard)

    async def gone(self, longest: float) -> None:
        """Wait for what is being given back: hidden until then, it would be passed over."""
        if self._going:
            await asyncio.wait(self._going, timeout=longest)

    async def close(self) -> None:
        """Give everything back."""
        kept, self._kept = self._kept, []
        self.give_back([each.delivery for each in kept])
        if self._going:
            await asyncio.wait(self._going)

    def _expire(self) -> None:
        now = self._loop.time()
        old = [each for each in self._kept if each.at + KEPT <= now]
        self._kept = [each for each in self._kept if each.at + KEPT > now]
        self.give_back([each.delivery for each in old])
        self._expire_in_time(self._kept)

    def _expire_in_time(self, kept: Sequence[Come]) -> None:
        if kept:
            self._loop.call_at(min(each.at for each in kept) + KEPT, self._expire)

    async def _released(self, deliveries: Sequence[Delivery]) -> None:
        try:
            await self._release(deliveries)
        except LongshoreError as error:
            _log.warning("%d messages are left to their leases: %s", len(deliveries), error)
