"""Settling: outcomes into the log, then messages as the log says, in batches.

While one batch is on its way the next one gathers, so that load makes batches and a lone task
does not wait for company.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError, UnavailableError
from longshore.protocol import Settle
from longshore.queue import Rejection, Release
from longshore.together import Settlement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore.ports import Ports
    from longshore.protocol import Finished, Outcome
    from longshore.queue import Delivery
    from longshore.worker.holding import Holding

_log = logging.getLogger("longshore.worker")
BATCH: Final = 500
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Settler:
    """Takes outcomes from the loop and writes them until they are answered."""

    def __init__(self, ports: Ports, settled: Callable[[Holding], None]) -> None:
        """`settled` is told of each holding whose message is dealt with."""
        self._ports = ports
        self._settled = settled
        self._waiting: list[tuple[Holding, Outcome]] = []
        self._came = asyncio.Event()
        self._closing = False

    @property
    def backlog(self) -> int:
        """Outcomes that are not on their way yet."""
        return len(self._waiting)

    def add(self, held: Holding, outcome: Outcome) -> None:
        """Hand over an outcome; call from the loop."""
        self._waiting.append((held, outcome))
        self._came.set()

    def close(self) -> None:
        """Let `run` return when everything handed over is settled."""
        self._closing = True
        self._came.set()

    async def run(self) -> None:
        """Settle batch after batch."""
        while True:
            await self._came.wait()
            if not self._waiting:
                if self._closing:
                    return
                self._came.clear()
                continue
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            await self._until_answered(batch)
            for held, _ in batch:
                self._settled(held)

    async def _until_answered(self, batch: Sequence[tuple[Holding, Outcome]]) -> None:
        """Repeat a batch that was not answered, beyond its leases if need be (§7)."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._settle(batch)
            except UnavailableError as error:
                _log.warning("%d outcomes are not in the log yet: %s", len(batch), error)
            except LongshoreError:
                _log.exception("%d outcomes cannot be written; their leases run out", len(batch))
                return None
            await self._ports.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _settle(self, batch: Sequence[tuple[Holding, Outcome]]) -> None:
        if self._ports.together is not None:
            answers = await self._ports.together.settle(
                [Settlement(outcome=outcome, delivery=held.delivery) for held, outcome in batch]
            )
            await self._copies(batch, answers)
            return
        answers = await self._ports.task_log.finish([outcome for _, outcome in batch])
        await self._messages(batch, answers)
        await self._copies(batch, answers)

    async def _messages(
        self, batch: Sequence[tuple[Holding, Outcome]], answers: Sequence[Finished]
    ) -> None:
        """Do to each message what its row says; a lost lease is the next owner's matter."""
        acks: defaultdict[str, list[Delivery]] = defaultdict(list)
        releases: defaultdict[str, list[Release]] = defaultdict(list)
        rejections: defaultdict[str, list[Rejection]] = defaultdict(list)
        for (held, outcome), answer in zip(batch, answers, strict=True):
            delivery = held.delivery
            if delivery is None:
                continue
            if answer.settle is Settle.ACK:
                acks[delivery.queue].append(delivery)
            elif answer.settle is Settle.RELEASE:
                releases[delivery.queue].append(Release(delivery=delivery, delay=answer.delay))
            elif answer.settle is Settle.DEAD_LETTER:
                rejections[delivery.queue].append(_rejection(delivery, outcome, answer))
        for queue, dead in rejections.items():
            await self._ports.queue(queue).reject(dead)
        for queue, back in releases.items():
            await self._ports.queue(queue).release(back)
        for queue, done in acks.items():
            await self._ports.queue(queue).ack(done)

    async def _copies(
        self, batch: Sequence[tuple[Holding, Outcome]], answers: Sequence[Finished]
    ) -> None:
        """Deal with further deliveries of the same task: final → ack, else release them."""
        for (held, _), answer in zip(batch, answers, strict=True):
            if not held.extra or not answer.accepted:
                continue
            port = self._ports.queue(held.extra[0].queue)
            if answer.settle in {Settle.ACK, Settle.DEAD_LETTER}:
                await port.ack(held.extra)
            else:
                await port.release([Release(delivery=one) for one in held.extra])


def _rejection(delivery: Delivery, outcome: Outcome, answer: Finished) -> Rejection:
    error = outcome.error
    return Rejection(
        delivery=delivery,
        reason=answer.reason or "error",
        detail="" if error is None else f"{error.type}: {error.message}"[:1000],
        stamp=answer.run,
    )
