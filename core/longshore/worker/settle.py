"""Settling: outcomes into the log, then messages as the log says, in batches.

While one batch is on its way the next one gathers, so that load makes batches and a lone task
does not wait for company.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from longshore.errors import StorageError, UnavailableError
from longshore.protocol import Settle
from longshore.queue import Rejection, Release
from longshore.quick import quick
from longshore.report import Report
from longshore.together import Settlement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore.errors import LongshoreError
    from longshore.ports import Ports
    from longshore.protocol import Finished, Outcome
    from longshore.queue import Delivery
    from longshore.worker.holding import Holding

_log = logging.getLogger("longshore.worker")
BATCH: Final = 500
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
_TRIES: Final = 5
"""Tries to settle messages, some 1.5 s in all; their redelivery is settled by the claim."""


@quick
@dataclass(frozen=True, slots=True)
class Ending:
    """An outcome on its way, with the delivery that goes with it, as they stand now."""

    held: Holding
    outcome: Outcome
    delivery: Delivery | None
    slim: bool = False


class Settler:
    """Takes outcomes from the loop and writes them until they are answered."""

    def __init__(self, ports: Ports, settled: Callable[[Holding], None]) -> None:
        """`settled` is told of each holding whose message is dealt with."""
        self._ports = ports
        self._settled = settled
        self._waiting: list[tuple[Holding, Outcome]] = []
        self._moving = 0
        self._came = asyncio.Event()
        self._closing = False

    @property
    def backlog(self) -> int:
        """Outcomes that are not on their way yet."""
        return len(self._waiting)

    @property
    def unwritten(self) -> int:
        """Outcomes that are not settled yet, those on their way included."""
        return len(self._waiting) + self._moving

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
            self._moving = len(batch)
            await self._settle([Ending(held, end, held.delivery) for held, end in batch])
            self._moving = 0
            for held, _ in batch:
                self._settled(held)

    async def _settle(self, batch: Sequence[Ending]) -> None:
        """Write a batch and settle its messages; one that no store takes harms no other."""
        try:
            answers = await self._answered(batch)
        except Exception:  # noqa: BLE001 - what no store takes, or a bug of one, is one task's
            if len(batch) == 1:
                what = batch[0].held.spec.id
                _log.exception("the end of task %s cannot be written; its lease runs out", what)
                return
            for one in batch:
                await self._settle([one])
            return
        await self._messages(batch, answers)
        large = [
            (one, answer.error)
            for one, answer in zip(batch, answers, strict=True)
            if answer.error is not None
        ]
        for one, error in large:
            if one.slim:
                _log.error("the end of task %s is not kept: %s", one.held.spec.id, error)
        slimmed = [_slimmed(one, error) for one, error in large if not one.slim]
        if slimmed:
            await self._settle(slimmed)

    async def _answered(self, batch: Sequence[Ending]) -> Sequence[Finished]:
        """Repeat a batch that was not answered, beyond its leases if need be (§7)."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._finish(batch)
            except (UnavailableError, StorageError) as error:
                _log.warning("%d outcomes are not in the log yet: %s", len(batch), error)
            await self._ports.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _finish(self, batch: Sequence[Ending]) -> Sequence[Finished]:
        if self._ports.together is None:
            return await self._ports.task_log.finish([one.outcome for one in batch])
        return await self._ports.together.settle(
            [Settlement(outcome=one.outcome, delivery=one.delivery) for one in batch]
        )

    async def _messages(self, batch: Sequence[Ending], answers: Sequence[Finished]) -> None:
        """Do to each message what its row says; what fails is left to its lease and the claim."""
        work = _Work()
        for one, answer in zip(batch, answers, strict=True):
            if self._ports.together is None:
                work.settle(one, answer)
            work.settle_copies(one, answer)
        pause = _FIRST_PAUSE
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._do(work)
            except UnavailableError as error:
                if attempt == _TRIES:
                    _log.warning("messages are left to their leases: %s", error)
                    return None
            except Exception:  # noqa: BLE001 - a bug of a broker's adapter must not end the worker
                _log.exception("messages are left to their leases")
                return None
            await self._ports.clock.sleep(pause)
            pause *= 2
        return None

    async def _do(self, work: _Work) -> None:
        """Settle messages, dead letters first; what is done already is refused or harmless."""
        for queue, dead in work.rejections.items():
            await self._ports.queue(queue).reject(dead)
        for queue, back in work.releases.items():
            await self._ports.queue(queue).release(back)
        for queue, done in work.acks.items():
            await self._ports.queue(queue).ack(done)


class _Work:
    """What is to be done to messages, by queue."""

    def __init__(self) -> None:
        self.acks: defaultdict[str, list[Delivery]] = defaultdict(list)
        self.releases: defaultdict[str, list[Release]] = defaultdict(list)
        self.rejections: defaultdict[str, list[Rejection]] = defaultdict(list)

    def settle(self, one: Ending, answer: Finished) -> None:
        """Settle the delivery; a lost lease is the next owner's matter."""
        delivery = one.delivery
        if delivery is None:
            return
        if answer.settle is Settle.ACK:
            self.acks[delivery.queue].append(delivery)
        elif answer.settle is Settle.RELEASE:
            self.releases[delivery.queue].append(Release(delivery=delivery, delay=answer.delay))
        elif answer.settle is Settle.DEAD_LETTER:
            self.rejections[delivery.queue].append(_rejection(delivery, one.outcome, answer))

    def settle_copies(self, one: Ending, answer: Finished) -> None:
        """Acknowledge further deliveries where the message itself went; else leave them (§5)."""
        if answer.accepted and answer.settle in {Settle.ACK, Settle.DEAD_LETTER}:
            for copy in (*one.held.extra, one.held.delivery):
                if copy is not None and copy is not one.delivery:
                    self.acks[copy.queue].append(copy)


def _slimmed(one: Ending, error: LongshoreError) -> Ending:
    """The same end without what was too much for the log; a note says so."""
    from pydantic_core import to_json  # noqa: PLC0415 - kept off the import path

    note = Report.warning(f"the result, the report and the lines are not kept: {error}")
    outcome = replace(one.outcome, result=None, lines=(), report=to_json(note.to_dict()))
    return replace(one, outcome=outcome, slim=True)


def _rejection(delivery: Delivery, outcome: Outcome, answer: Finished) -> Rejection:
    error = outcome.error
    return Rejection(
        delivery=delivery,
        reason=answer.reason or "error",
        detail="" if error is None else error.message[:1000],
        stamp=answer.run,
    )
