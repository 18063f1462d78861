"""Messages whose tasks have ended: what their rows say is done to them, queue by queue.

What fails is told, and left to redelivery: the next claim of it is answered by the row.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.errors import UnavailableError
from longshore.protocol import Settle
from longshore.queue import Rejection, Release

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from longshore.errors import LongshoreError
    from longshore.ports import Ports
    from longshore.protocol import Finished, Outcome
    from longshore.queue import Delivery, Queue
    from longshore.worker.lighter import Ending

_log = logging.getLogger("longshore.worker")
_FIRST_PAUSE: Final = 0.05
_TRIES: Final = 5
"""Tries to settle messages, some 1.5 s in all; their redelivery is settled by the claim."""

_PATIENCE: Final = 2.0
"""Seconds that the next batch waits for; longer than all tries where each is answered."""

T = TypeVar("T")


class Messages:
    """Settles messages as the log has answered."""

    def __init__(self, ports: Ports) -> None:
        """Where queue and log are one, only further deliveries are left to settle."""
        self._ports = ports
        self._late: set[asyncio.Task[None]] = set()

    async def settle(self, batch: Sequence[Ending], answers: Sequence[Finished]) -> None:
        """Do to each message what its row says, all queues at once.

        What takes long goes on beside what comes next: no outcome waits for a broker that hangs.
        """
        work: defaultdict[str, _Work] = defaultdict(_Work)
        for one, answer in zip(batch, answers, strict=True):
            if self._ports.together is None and one.delivery is not None:
                work[one.delivery.queue].settle(one.delivery, one, answer)
            if answer.accepted and answer.settle in {Settle.ACK, Settle.DEAD_LETTER}:
                for copy in _copies(one):
                    work[copy.queue].copies.append((one.delivery, copy))
        if work:
            await self._begin(work)

    async def rest(self) -> None:
        """Wait for what goes on."""
        await asyncio.gather(*self._late)

    async def end(self) -> None:
        """Leave what still goes on to redelivery."""
        late = list(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _begin(self, work: Mapping[str, _Work]) -> None:
        task = asyncio.ensure_future(self._do_all(work))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        over = asyncio.Event()
        task.add_done_callback(lambda _: over.set())
        await self._ports.clock.wait(over, _PATIENCE)

    async def _do_all(self, work: Mapping[str, _Work]) -> None:
        parts = [self._do(self._ports.queue(queue), part) for queue, part in work.items()]
        if len(parts) == 1:  # as it mostly is
            await parts[0]
        else:
            await asyncio.gather(*parts)

    async def _do(self, port: Queue, work: _Work) -> None:
        """Settle a queue's messages, dead letters first: a copy goes only where its letter is."""
        stay: set[int] = set()
        try:
            if work.rejections:
                answers = await self._tried(port, "reject", port.reject, work.rejections)
                stay = {
                    id(one.delivery)
                    for one, done in zip(work.rejections, answers, strict=True)
                    if not done
                }
            if work.releases:
                await self._tried(port, "release", port.release, work.releases)
            acks = work.acks + [copy for of, copy in work.copies if id(of) not in stay]
            if acks:
                await self._tried(port, "ack", port.ack, acks)
        except UnavailableError as error:
            _log.warning("messages of queue %r are left to their leases: %s", port.name, error)

    async def _tried(
        self,
        port: Queue,
        verb: str,
        call: Callable[[Sequence[T]], Awaitable[Sequence[LongshoreError | None]]],
        items: Sequence[T],
    ) -> list[bool]:
        """Call again while the queue is away; answer which items were done.

        What was done by a call whose answer was lost is refused by the next one, or harmless.
        """
        pause = _FIRST_PAUSE
        for attempt in range(1, _TRIES + 1):
            try:
                answers = await call(items)
            except UnavailableError:
                if attempt == _TRIES:
                    raise
            except Exception:  # noqa: BLE001 - a bug of a broker's adapter must not end the worker
                _log.exception("messages of queue %r are left to their leases", port.name)
                break
            else:
                tell_refused(port.name, verb, answers)
                return [error is None for error in answers]
            await self._ports.clock.sleep(pause)
            pause *= 2
        return [False] * len(items)


class _Work:
    """What is to be done to messages of one queue; `copies` each with the delivery it is one of."""

    def __init__(self) -> None:
        self.acks: list[Delivery] = []
        self.releases: list[Release] = []
        self.rejections: list[Rejection] = []
        self.copies: list[tuple[Delivery | None, Delivery]] = []

    def settle(self, delivery: Delivery, one: Ending, answer: Finished) -> None:
        """Settle the delivery; a lost lease is the next owner's matter."""
        if answer.settle is Settle.ACK:
            self.acks.append(delivery)
        elif answer.settle is Settle.RELEASE:
            self.releases.append(Release(delivery=delivery, delay=answer.delay))
        elif answer.settle is Settle.DEAD_LETTER:
            self.rejections.append(_rejection(delivery, one.outcome, answer))


def tell_refused(queue: str, verb: str, answers: Sequence[LongshoreError | None]) -> None:
    """Say which messages a queue did not settle: they come again. Its wrapper counts them."""
    errors = [error for error in answers if error is not None]
    if errors:
        _log.warning(
            "%d messages of queue %r are left to redelivery (%s): %s",
            len(errors),
            queue,
            verb,
            errors[0],
        )


def _copies(one: Ending) -> list[Delivery]:
    """Further deliveries of the task, acknowledged where the message itself goes (§5)."""
    every = (*one.held.extra, one.held.delivery)
    return [copy for copy in every if copy is not None and copy is not one.delivery]


def _rejection(delivery: Delivery, outcome: Outcome, answer: Finished) -> Rejection:
    error = outcome.error
    return Rejection(
        delivery=delivery,
        reason=answer.reason or "error",
        detail="" if error is None else error.message[:1000],
        stamp=answer.run,
    )
