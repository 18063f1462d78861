"""One receive: which polls it begins, how long it waits for them, and what it takes."""

from __future__ import annotations

import asyncio
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.sqs.limits import MAX_ENTRIES, MAX_WAIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.queue import Delivery
    from longshore_adapters.sqs.polling import Band, Poll
    from longshore_adapters.sqs.receiving import Receiver
    from longshore_adapters.sqs.stock import Come

SETTLED: Final = 0.25
"""Seconds for which a lower band waits for the answer of a higher one."""
SURE: Final = 1
"""Seconds after which a long poll without an answer has found nothing; a shorter one will say."""
MOST_POLLS: Final = 5
"""Polls of one band on their way at once, while they come back full."""
_WORTH_ASKING: Final = 0.5
"""Seconds of a wait that are worth another poll; a short poll asks once, and not in a circle."""


class ReceiveCall:
    """One call: the polls it waits for, and what they have brought so far."""

    def __init__(self, receiver: Receiver, *, limit: int, wait: float, lease: int) -> None:
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._end = self._loop.time() + wait
        self._lease = lease
        self._polls = receiver.adopt(lease)
        self._begun: set[Poll] = set()
        self._asked: set[int] = set()
        self._come = receiver.stock.take(lease)
        self._full: Poll | None = None

    async def run(self) -> list[Delivery]:
        """Wait for the first messages, and for higher bands to have had their say."""
        while True:
            self._receiver.connection.check()
            chosen = sorted(self._come, key=lambda each: each.rank)[: self._limit]
            self._ask(chosen)
            patience = self._patience(chosen)
            if patience is None:
                break
            await self._news(patience)
        self._come = [each for each in self._come if each not in chosen]
        self._more(self._limit - len(chosen))
        return [each.delivery for each in chosen]

    def leave(self) -> None:
        """Leave to the next call what this one did not take."""
        self._receiver.stock.put(self._come)
        for poll in self._polls:
            self._receiver.free(poll)

    def _ask(self, chosen: Sequence[Come]) -> None:
        """Begin the polls that are lacking: of all bands, or of those above what has come."""
        bands = self._receiver.bands
        worth = 1.0 if self._receiver.connection.options.short_polls else _WORTH_ASKING
        under_way = {poll.band.rank for poll in self._polls}
        for band in bands[: chosen[-1].rank] if chosen else bands:
            if band.rank in under_way:
                continue
            left = self._end - self._loop.time()
            if band.rank not in self._asked or (not chosen and left > worth):
                self._begin(band, left)

    def _begin(self, band: Band, left: float) -> None:
        short = self._receiver.connection.options.short_polls
        wait = min(max(int(left) if short else ceil(left), 0 if short else 1), MAX_WAIT)
        poll = self._receiver.begin(band, wait=wait, lease=self._lease, limit=self._limit)
        self._polls.append(poll)
        self._begun.add(poll)
        self._asked.add(band.rank)

    def _patience(self, chosen: Sequence[Come]) -> float | None:
        """Seconds to wait for news; None where the call is to return what is chosen."""
        now = self._loop.time()
        if chosen:
            above = [poll for poll in self._polls if poll.band.rank < chosen[-1].rank]
            left = max((poll.since + SETTLED - now for poll in above), default=0.0)
        elif any(poll in self._begun or poll.wait <= SURE for poll in self._polls):
            return float(MAX_WAIT)
        else:
            left = max((poll.since + SURE - now for poll in self._polls), default=0.0)
            left = max(left, self._end - now) if self._polls else 0.0
        # A poll that is not asked yet may be, the next time we look.
        return min(left, SETTLED) if left > 0 else None

    async def _news(self, patience: float) -> None:
        news: set[asyncio.Future[Any]] = {poll.task for poll in self._polls}
        news |= {self._receiver.stock.news, self._receiver.connection.closing}
        await asyncio.wait(news, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        landed = [poll for poll in self._polls if poll.task.done()]
        self._polls = [poll for poll in self._polls if not poll.task.done()]
        errors = [error for poll in landed if (error := self._land(poll)) is not None]
        self._come += self._receiver.stock.take(self._lease)
        if errors and not self._come:
            raise errors[0]

    def _land(self, poll: Poll) -> BaseException | None:
        error = poll.task.exception()
        if error is None:
            brought = poll.task.result()
            self._asked.add(poll.band.rank)
            self._come += self._receiver.come(poll, brought)
            self._full = poll if len(brought) == MAX_ENTRIES else None
        return error

    def _more(self, room: int) -> None:
        """Fetch ahead of the next call, as far as this one has room, from a band that is full."""
        if self._full is None:
            return
        band = self._full.band
        room -= sum(poll.places for poll in self._polls)
        polls = sum(poll.band is band for poll in self._polls)
        wait = 1
        for _ in range(min(room // MAX_ENTRIES, MOST_POLLS - polls)):
            self._polls.append(
                self._receiver.begin(band, wait=wait, lease=self._lease, limit=MAX_ENTRIES)
            )
