"""Receiving from one queue for as long as there is room, and claiming what comes."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.context import Context
from longshore.errors import UnavailableError
from longshore.protocol import Answer
from longshore.queue import Release
from longshore.worker.holding import Holding
from longshore.worker.intake import Intake
from longshore.worker.options import BROKER_EXTRA, kept_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from longshore.definition import TaskRegistry
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.protocol import Claimed
    from longshore.queue import Delivery
    from longshore.worker.intake import Bid
    from longshore.worker.options import WorkerOptions
    from longshore.worker.slots import Slots

_log = logging.getLogger("longshore.worker")
_AT_ONCE: Final = timedelta(0)
_PAUSE: Final = 1.0
MOST_OUTCOMES: Final = 10
"""Receiving pauses while this many times the slots wait to be written to the log."""

T = TypeVar("T")


class LeavingError(Exception):
    """The worker is stopping and the log does not answer: what was received is left alone."""


class Receiver:
    """Fills a worker's slots from one queue. `run` ends only by being cancelled.

    What was received when it is cancelled is claimed to the end, so that nothing is left half
    taken; the worker gives it back.
    """

    def __init__(  # noqa: PLR0913 - the parts of the worker it fills
        self,
        name: str,
        ports: Ports,
        *,
        registry: TaskRegistry,
        policy: Policy,
        options: WorkerOptions,
        slots: Slots,
        begin: Callable[[], None],
        backlog: Callable[[], int],
    ) -> None:
        """`begin` starts what was added to the slots; `backlog` counts unwritten outcomes."""
        self._ports = ports
        self._port = ports.queue(name)
        self._policy = policy.of(name)
        self._options = options
        self._slots = slots
        self._begin = begin
        self._backlog = backlog
        self._intake = Intake(self._port, ports, registry, policy, options.name)
        self._leaving = False
        self.empty = False

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._port.name

    async def run(self, found_empty: Callable[[], None]) -> None:
        """Receive and claim; `found_empty` hears of each wait that brought nothing."""
        while True:
            limit = min(self._room(), self._port.capabilities.max_batch)
            if limit <= 0 or (self.empty and self._options.burst and self._slots.held):
                self._slots.changed.clear()
                await self._slots.changed.wait()
                self.empty = False
                continue
            try:
                self.empty = not await self._receive(limit)
            except UnavailableError as error:
                _log.warning("queue %r does not answer, trying again: %s", self.name, error)
                await self._ports.clock.sleep(_PAUSE)
                continue
            if self.empty:
                found_empty()
                # A queue that answers without waiting must not keep the loop from a stop.
                await self._ports.clock.sleep(0)

    def _room(self) -> int:
        if self._backlog() > MOST_OUTCOMES * self._options.concurrency:
            return 0
        return self._slots.free(self.name)

    async def _receive(self, limit: int) -> bool:
        lease = self._policy.lease + BROKER_EXTRA
        deliveries = await self._port.receive(limit=limit, wait=self._wait(), lease=lease)
        if deliveries:
            await self._in_full(self._take(deliveries))
        return bool(deliveries)

    def _wait(self) -> timedelta:
        if self._options.burst:
            return _AT_ONCE
        return self._options.poll if self._options.idle is None else self._options.idle

    async def _in_full(self, work: Coroutine[object, object, None]) -> None:
        """Carry work through although we are cancelled in the middle of it."""
        working = asyncio.ensure_future(work)
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self._leaving = True
            await working
            raise

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        """Claim what there is room for; the rest, as another queue was faster, goes back."""
        room = max(self._slots.room(self.name), 0)
        taken, back = deliveries[:room], deliveries[room:]
        self._slots.coming += len(taken)
        try:
            await self._claim(taken)
        except LeavingError:
            _log.warning("%d messages of queue %r are left to their leases", len(taken), self.name)
        finally:
            self._slots.coming -= len(taken)
            self._slots.changed.set()
            self._begin()
        if back:
            await self._port.release([Release(delivery=one) for one in back])

    async def _claim(self, deliveries: Sequence[Delivery]) -> None:
        bids, unreadable = self._intake.read(deliveries)
        if unreadable:
            bids += await self._intake.known(unreadable, self._asked)
        fresh = [bid for bid in bids if not self._keep_copy(bid)]
        if not fresh:
            return
        # The lease counts from before the claim was sent (protocol.md §6.1).
        first = asked = self._ports.clock.monotonic()

        async def claim() -> Sequence[Claimed]:
            nonlocal asked
            asked = self._ports.clock.monotonic()
            return await self._ports.task_log.claim([bid.claim for bid in fresh])

        lost: list[tuple[Bid, Claimed]] = []
        for bid, answer in zip(fresh, await self._asked(claim), strict=True):
            if answer.answer is Answer.WON:
                self._slots.add(self._holding(bid, answer, asked))
            elif answer.answer is Answer.MINE:  # won by an earlier try, whose answer was lost
                self._slots.add(self._holding(bid, answer, first))
            elif answer.answer is not Answer.BUSY or not self._keep_copy(bid):
                lost.append((bid, answer))
        self._begin()
        if lost:
            await self._intake.settle(lost)

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the log until it answers, the same thing each time; receive nothing meanwhile."""
        while True:
            try:
                return await ask()
            except UnavailableError as error:
                _log.warning("the log does not answer, receiving nothing more: %s", error)
            if self._leaving:
                raise LeavingError
            await self._ports.clock.sleep(_PAUSE)

    def _keep_copy(self, bid: Bid) -> bool:
        """Another delivery of what is held here: keep its receipt, start nothing (§5, mine)."""
        held = self._slots.held.get(bid.claim.spec.id)
        if held is None:
            return False
        held.keep(bid.delivery)
        return True

    def _holding(self, bid: Bid, answer: Claimed, asked: float) -> Holding:
        lease = self._policy.lease
        return Holding(
            delivery=bid.delivery,
            definition=bid.definition,
            message=bid.message,
            spec=bid.claim.spec,
            policy=self._policy,
            token=answer.token,
            attempt=answer.attempt,
            run=answer.run,
            lease=lease,
            claimed_at=asked,
            deadline=asked + kept_for(lease),
            timeout=_timeout(bid, self._policy.timeout),
            alone=answer.alone,
            problem=bid.problem,
            unfit=bid.unfit,
            ctx=self._context(bid, answer),
        )

    def _context(self, bid: Bid, answer: Claimed) -> Context:
        spec, limits = bid.claim.spec, self._options.limits
        return Context(
            task_id=spec.id,
            task_name=spec.name,
            queue=spec.queue,
            attempt=answer.attempt,
            fence=answer.token,
            clock=self._ports.clock,
            run=answer.run,
            max_attempts=spec.max_attempts,
            priority=spec.priority,
            tags=spec.tags,
            tenant=spec.tenant,
            owner=spec.owner,
            parent_id=spec.parent_id,
            log_lines=limits.log_lines,
            log_bytes=limits.log_bytes,
        )


def _timeout(bid: Bid, default: timedelta | None) -> timedelta | None:
    if bid.message.tasktimeout is not None:
        return timedelta(seconds=bid.message.tasktimeout)
    own = None if bid.definition is None else bid.definition.options.timeout
    return own or default
