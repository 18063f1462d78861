"""Receiving: long polls that outlive the calls that began them.

A poll cannot be taken back: SQS may have hidden a message for it already. So one whose caller
has gone is let finish, and the next call takes it over. What it brings when nobody has come for
it after a moment is made visible again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from longshore_adapters.sqs.polling import Band
from longshore_adapters.sqs.receive_call import SETTLED, ReceiveCall
from longshore_adapters.sqs.stock import Come, Stock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from longshore.queue import Delivery
    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.names import Names
    from longshore_adapters.sqs.polling import Poll


LAST_POLL: Final = 2.0
"""Seconds that closing waits for polls on their way; what they take later is hidden for a lease."""


class Receiver:
    """Receives from the bands of one queue, the highest first."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        release: Callable[[Sequence[Delivery]], Awaitable[object]],
    ) -> None:
        """`release` makes deliveries visible again."""
        self.connection = connection
        self.grouped = names.fifo
        self.bands = [
            Band(connection, names, threshold=threshold, name=name, rank=rank)
            for rank, (threshold, name) in enumerate(names.bands)
        ]
        self.stock = Stock(connection.loop, release)
        self._free: list[Poll] = []
        self._polls: set[Poll] = set()
        self._calls = 0
        self._idle = asyncio.Event()

    async def receive(self, *, limit: int, wait: float, lease: int) -> list[Delivery]:
        """Take up to `limit` messages; `wait` and `lease` in seconds."""
        if len(self.bands) > 1:
            await self.stock.gone(SETTLED)
        call = ReceiveCall(self, limit=limit, wait=wait, lease=lease)
        self._calls += 1
        self._idle.clear()
        try:
            return await call.run()
        finally:
            call.leave()
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    def begin(self, band: Band, *, wait: int, lease: int, limit: int) -> Poll:
        """Begin a poll that is the caller's until it is freed."""
        poll = band.poll(wait=wait, lease=lease, limit=limit)
        self._polls.add(poll)
        poll.task.add_done_callback(lambda _: self._polls.discard(poll))
        return poll

    def adopt(self, lease: int) -> list[Poll]:
        """Take over the polls that nobody waits for, of the same lease."""
        taken = [poll for poll in self._free if poll.lease == lease]
        self._free = [poll for poll in self._free if poll.lease != lease]
        return taken

    def free(self, poll: Poll) -> None:
        """Leave a poll to whoever comes next, or to nobody."""
        self._free.append(poll)
        poll.task.add_done_callback(lambda _: self._landed(poll))

    def come(self, poll: Poll, deliveries: Sequence[Delivery]) -> list[Come]:
        """Note what a poll brought; of each group only the first, as the rest has to wait."""
        if self.grouped:
            heads = poll.band.heads(deliveries)
            self.stock.give_back([one for one in deliveries if one not in heads])
            deliveries = heads
        at = asyncio.get_running_loop().time()
        return [Come(each, poll.band.rank, poll.lease, at) for each in deliveries]

    async def close(self) -> None:
        """Let the last polls return, and give back what they bring; the connection is closed."""
        if self._calls:
            await self._idle.wait()
        tasks = [poll.task for poll in self._polls]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=LAST_POLL)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.sleep(0)
        await self.stock.close()

    def _landed(self, poll: Poll) -> None:
        if poll not in self._free:
            return
        self._free.remove(poll)
        if not poll.task.cancelled() and poll.task.exception() is None:
            self.stock.put(self.come(poll, poll.task.result()))
