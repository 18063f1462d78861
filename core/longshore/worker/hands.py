"""Leases kept here, where the broker has none (RabbitMQ): what nobody holds any more goes back.

Everything in a worker may leave a message to its lease: a lost task, a log that is away, a refused
end. A broker whose deliveries belong to a connection would wait for that connection's end, which
may be days off. So a delivery that no live holding has had for a while is given back from here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from longshore.errors import LeaseLostError, LongshoreError
from longshore.queue import ForwardingQueue, Release

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import timedelta

    from longshore.clock import Clock
    from longshore.queue import Delivery, Queue, Rejection
    from longshore.worker.holding import Holding

_log = logging.getLogger("longshore.worker")
TICK: Final = 1.0
SHARE: Final = 0.5
"""The share of a lease after which what nobody holds goes back: so a task that was lost here is
rescued within two leases, as everywhere."""


class Hands:
    """The deliveries in a worker's hands. Lives on its loop."""

    def __init__(
        self,
        queue: Callable[[str], Queue],
        clock: Clock,
        held: Callable[[], Collection[Holding]],
    ) -> None:
        """`queue` opens the queues themselves; `held` answers what the worker holds now."""
        self._queue = queue
        self._clock = clock
        self._held = held
        self._kept: dict[str, KeptQueue] = {}

    def queue(self, name: str) -> Queue:
        """Give a queue: as it is where it has leases, else one that keeps them here."""
        if name in self._kept:
            return self._kept[name]
        port = self._queue(name)
        if port.capabilities.leases:
            return port
        kept = self._kept[name] = KeptQueue(port, self._clock)
        return kept

    async def run(self) -> None:
        """Give back until cancelled; return at once where every queue asked for has leases."""
        while self._kept:
            await self._clock.sleep(TICK)
            held = {one.receipt for one in self._in_use()}
            for port in self._kept.values():
                await port.give_back(held)

    def _in_use(self) -> Iterable[Delivery]:
        """Every delivery of a task whose lease is not lost."""
        for held in self._held():
            if held.stopped != "lost":
                yield from held.extra
                if held.delivery is not None:
                    yield held.delivery


class KeptQueue(ForwardingQueue):
    """A queue without leases of its own, which notes what was received and not settled."""

    def __init__(self, queue: Queue, clock: Clock) -> None:
        """Keep the leases of `queue`."""
        super().__init__(queue)
        self._clock = clock
        self._patience = 0.0
        self._hand: dict[str, tuple[Delivery, float]] = {}

    async def give_back(self, held: Collection[str]) -> None:
        """Release what was in nobody's hands for long enough; `held` are receipts."""
        now = self._clock.monotonic()
        late: list[Delivery] = []
        for receipt, (delivery, since) in self._hand.items():
            if receipt in held:
                self._hand[receipt] = delivery, now
            elif now - since >= self._patience:
                late.append(delivery)
        if not late:
            return
        _log.info("%d messages of queue %r are held by nobody, and go back", len(late), self.name)
        try:
            await self.release([Release(delivery=one) for one in late])
        except LongshoreError as error:  # tried again, or they come anew with the connection
            _log.warning("%d messages could not be given back: %s", len(late), error)

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Receive, and note when."""
        came = await super().receive(limit=limit, wait=wait, lease=lease)
        now, self._patience = self._clock.monotonic(), lease.total_seconds() * SHARE
        self._hand.update((one.receipt, (one, now)) for one in came)
        return came

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Acknowledge."""
        return self._settled(deliveries, await super().ack(deliveries))

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give back."""
        answers = await super().release(releases)
        return self._settled([one.delivery for one in releases], answers)

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move to the dead letters."""
        answers = await super().reject(rejections)
        return self._settled([one.delivery for one in rejections], answers)

    def _settled(
        self, deliveries: Sequence[Delivery], answers: list[LongshoreError | None]
    ) -> list[LongshoreError | None]:
        """Let go of what was settled, or is somebody else's; what was refused stays in hand."""
        for delivery, error in zip(deliveries, answers, strict=True):
            if error is None or isinstance(error, LeaseLostError):
                self._hand.pop(delivery.receipt, None)
        return answers
