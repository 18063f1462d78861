"""Claiming what was received: from deliveries to holdings in the slots."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.context import Context
from longshore.errors import UnavailableError
from longshore.protocol import Answer
from longshore.queue import Release
from longshore.worker.holding import Holding
from longshore.worker.intake import Intake
from longshore.worker.losers import Losers
from longshore.worker.messages import tell_refused
from longshore.worker.options import kept_for

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    from longshore.definition import TaskRegistry
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.protocol import Claimed
    from longshore.queue import Delivery
    from longshore.worker.admission import Admission
    from longshore.worker.bids import Bid
    from longshore.worker.options import WorkerOptions
    from longshore.worker.slots import Slots

_log = logging.getLogger("longshore.worker")
_PAUSE: Final = 1.0
_OURS: Final = frozenset({Answer.WON, Answer.MINE})

T = TypeVar("T")


class LeavingError(Exception):
    """The worker is stopping and the log does not answer: what was received is left alone."""


class Taker:
    """Takes batches of one queue, one after the other. `leaving` ends its patience with the log."""

    def __init__(  # noqa: PLR0913 - the parts of the worker it fills
        self,
        name: str,
        ports: Ports,
        *,
        registry: TaskRegistry,
        policy: Policy,
        options: WorkerOptions,
        slots: Slots,
        admission: Admission,
        begin: Callable[[], None],
    ) -> None:
        """`begin` starts what was added to the slots."""
        self.ports = ports
        self.port = ports.queue(name)
        self.policy = policy.of(name)
        self.options = options
        self.slots = slots
        self.admission = admission
        self._begin = begin
        self._intake = Intake(self.port, ports, registry, policy, options.name)
        self._losers = Losers(self.port, ports)
        self._kept = kept_for(self.policy.lease)
        self.leaving = False

    async def take(
        self, deliveries: Sequence[Delivery], batch: int, earlier: asyncio.Task[None] | None
    ) -> None:
        """Claim what there is room for; the rest, as another queue was faster, goes back.

        `batch` is the number that the groups gave to what was received.
        """
        back: Sequence[Delivery] = ()
        claimed: list[tuple[Bid, Claimed, float]] = []
        try:
            if earlier is not None:
                await earlier
            room = max(self.slots.room(self.port.name) + len(deliveries), 0)
            if self.admission.is_paused(self.port.name):
                room = 0
            back = deliveries[room:]
            claimed = await self._claim(deliveries[:room])
        except LeavingError:
            left = len(deliveries) - len(back)
            _log.warning("%d messages of queue %r are left to their leases", left, self.port.name)
        finally:
            # What was counted until here is held from here on: nothing is awaited in between.
            self.slots.expect(self.port.name, -len(deliveries))
            lost = self._hold(claimed, batch)
            self.slots.groups.claimed(batch)
            self.slots.changed.set()
            self._begin()
        if lost:
            await self._losers.settle(lost)
        if back:
            await self._give_back(back)

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        try:
            answers = await self.port.release([Release(delivery=one) for one in deliveries])
            tell_refused(self.port.name, "release", answers)
        except UnavailableError as error:
            _log.warning("%d messages are left to their leases: %s", len(deliveries), error)

    async def _claim(self, deliveries: Sequence[Delivery]) -> list[tuple[Bid, Claimed, float]]:
        """Bid for deliveries; answer each bid with its answer and when its lease began."""
        bids, unreadable = self._intake.read(deliveries)
        if unreadable:
            bids += await self._intake.known(unreadable, self._asked)
        fresh = [bid for bid in bids if not self._keep_copy(bid)]
        if not fresh:
            return []
        # The lease counts from before the claim was sent (protocol.md §6.1).
        first = asked = self.ports.clock.monotonic()

        async def claim() -> Sequence[Claimed]:
            nonlocal asked
            asked = self.ports.clock.monotonic()
            return await self.ports.task_log.claim([bid.claim for bid in fresh])

        answers = await self._asked(claim)
        # What is ours already was won by an earlier try, whose answer was lost.
        return [
            (bid, answer, first if answer.answer is Answer.MINE else asked)
            for bid, answer in zip(fresh, answers, strict=True)
        ]

    def _hold(
        self, claimed: Sequence[tuple[Bid, Claimed, float]], batch: int
    ) -> list[tuple[Bid, Claimed]]:
        """Hold what was won, or is another copy of what is held; answer the rest."""
        lost: list[tuple[Bid, Claimed]] = []
        for bid, answer, since in claimed:
            if answer.answer in _OURS:
                held = self._holding(bid, answer, since)
                self.slots.add(held)
                self.slots.groups.follow(batch, held.group)
            elif answer.answer is not Answer.BUSY or not self._keep_copy(bid):
                lost.append((bid, answer))
                if answer.until is not None and not answer.armed:
                    self.slots.groups.block(self._group(bid))
        return lost

    def _group(self, bid: Bid) -> str | None:
        return bid.delivery.group if self.port.capabilities.grouped else None

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the log until it answers, the same thing each time.

        Meanwhile one batch more may come, and waits for this one.
        """
        while True:
            try:
                return await ask()
            except UnavailableError as error:
                _log.warning("the log does not answer, receiving nothing more: %s", error)
            if self.leaving:
                raise LeavingError
            await self.ports.clock.sleep(_PAUSE)

    def _keep_copy(self, bid: Bid) -> bool:
        """Another delivery of what is held here: keep its receipt, start nothing (§5, mine).

        Not once the attempt has ended: its finish may be in the log already, and this message
        published for the wake-up which that finish left.
        """
        held = self.slots.held.get(bid.claim.spec.id)
        if held is None or held.ended:
            return False
        held.keep(bid.delivery)
        return True

    def _holding(self, bid: Bid, answer: Claimed, asked: float) -> Holding:
        policy = self.policy
        return Holding(
            delivery=bid.delivery,
            definition=bid.definition,
            message=bid.message,
            spec=bid.claim.spec,
            policy=policy,
            token=answer.token,
            attempt=answer.attempt,
            run=answer.run,
            lease=policy.lease,
            claimed_at=asked,
            deadline=asked + self._kept,
            timeout=_timeout(bid, policy.timeout),
            alone=answer.alone,
            group=self._group(bid),
            problem=bid.problem,
            unfit=bid.unfit,
            ctx=self._context(bid, answer),
            claim=bid.claim,
        )

    def _context(self, bid: Bid, answer: Claimed) -> Context:
        spec, limits = bid.claim.spec, self.options.limits
        return Context(
            task_id=spec.id,
            task_name=spec.name,
            queue=spec.queue,
            attempt=answer.attempt,
            fence=answer.token,
            clock=self.ports.clock,
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
