"""Receiving from one queue for as long as there is room, and claiming what comes."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.context import Context
from longshore.errors import UnavailableError
from longshore.protocol import Answer
from longshore.queue import Release
from longshore.worker.holding import Holding
from longshore.worker.intake import Intake
from longshore.worker.options import BROKER_EXTRA, kept_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from longshore.definition import TaskRegistry
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.protocol import Claimed
    from longshore.queue import Delivery
    from longshore.worker.admission import Admission
    from longshore.worker.intake import Bid
    from longshore.worker.options import WorkerOptions
    from longshore.worker.slots import Slots

_log = logging.getLogger("longshore.worker")
_AT_ONCE: Final = timedelta(0)
_PAUSE: Final = 1.0
_OURS: Final = frozenset({Answer.WON, Answer.MINE})
MOST_OUTCOMES: Final = 10
"""Receiving pauses while this many times the slots wait to be written to the log."""

T = TypeVar("T")


class LeavingError(Exception):
    """The worker is stopping and the log does not answer: what was received is left alone."""


class Receiver:
    """Fills a worker's slots from one queue. `run` ends only by being cancelled, or by failing.

    While one batch is claimed the next is received, so that neither server waits for the other.
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
        admission: Admission,
        begin: Callable[[], None],
        backlog: Callable[[], int],
    ) -> None:
        """`begin` starts what was added to the slots; `backlog` counts unwritten outcomes."""
        self._ports = ports
        self._port = ports.queue(name)
        self._policy = policy.of(name)
        self._options = options
        self._slots = slots
        self._admission = admission
        self._begin = begin
        self._backlog = backlog
        self._intake = Intake(self._port, ports, registry, policy, options.name)
        self._taking: asyncio.Task[None] | None = None
        self._receiving: asyncio.Timeout | None = None
        self._leaving = self._looked = False
        self._empty_at: int | None = None
        admission.listen(name, self._interrupt)

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._port.name

    @property
    def is_empty(self) -> bool:
        """Whether nothing came since a task last ended here: what it enqueued has been seen."""
        return self._empty_at == self._slots.ended

    async def run(self, found_empty: Callable[[], None]) -> None:
        """Receive and claim; `found_empty` hears of each wait that brought nothing."""
        try:
            while True:
                await self._fill(found_empty)
        finally:
            self._leaving = True
            if self._taking is not None:
                await self._taking

    async def _fill(self, found_empty: Callable[[], None]) -> None:
        """Receive once, when there is room and the queue is admitted."""
        if self._options.burst and self.is_empty:
            await self._news()
        elif self._admission.is_paused(self.name):
            await self._stand_by(found_empty)
        elif not self._admission.has_turn(self.name):
            self._looked = False
            await self._news()
        elif (limit := min(self._room(), self._port.capabilities.max_batch)) <= 0:
            self._empty_at, self._looked = None, False
            full = self._slots.is_full(self.name)
            (self._admission.dry if full else self._admission.unsure)(self.name)
            await self._news()
        else:
            await self._fetch(limit, found_empty)

    async def _fetch(self, limit: int, found_empty: Callable[[], None]) -> None:
        looked_at, looks = self._slots.ended, self._looks
        if not self._looked:
            self._admission.unsure(self.name)
        try:
            came = await self._receive(limit)
        except UnavailableError as error:
            _log.warning("queue %r does not answer, trying again: %s", self.name, error)
            self._looked = False
            self._admission.dry(self.name)
            await self._ports.clock.sleep(_PAUSE)
            return
        self._looked = came is False and not self._options.burst
        if came is not False:
            self._empty_at = None
        else:
            self._admission.dry(self.name)
            if not looks:
                self._empty_at = looked_at
                found_empty()
            # A queue that answers without waiting must not keep the loop from a stop.
            await self._ports.clock.sleep(0)

    async def _news(self) -> None:
        """Wait until something has changed in what the worker holds or may receive."""
        self._slots.changed.clear()
        await self._slots.changed.wait()

    async def _stand_by(self, found_empty: Callable[[], None]) -> None:
        """Wait while the queue is paused as on an empty one: it has nothing for us."""
        self._looked = False
        self._admission.dry(self.name)
        looked_at = self._slots.ended
        self._slots.changed.clear()
        wait = self._wait().total_seconds()
        if not self._options.burst:
            wait = max(wait, _PAUSE)
        woken = await self._ports.clock.wait(self._slots.changed, wait)
        self._empty_at = None if woken else looked_at
        if not woken:
            found_empty()

    def _interrupt(self) -> None:
        """End a wait for messages, if there is one; what it had taken goes back at once."""
        self._looked = False
        if self._receiving is not None and not self._receiving.expired():
            self._receiving.reschedule(asyncio.get_running_loop().time())

    @property
    def _looks(self) -> bool:
        """Whether to ask without waiting first: others wait for what this queue has."""
        return self._admission.strict and not self._looked and not self._options.burst

    def _room(self) -> int:
        if self._backlog() > MOST_OUTCOMES * self._slots.concurrency:
            return 0
        return self._slots.free(self.name)

    async def _receive(self, limit: int) -> bool | None:
        """Receive and begin to claim; whether anything came, None where it was interrupted."""
        lease = self._policy.lease + BROKER_EXTRA
        wait = _AT_ONCE if self._looks else self._wait()
        try:
            async with asyncio.timeout(None) as self._receiving:
                deliveries = await self._port.receive(limit=limit, wait=wait, lease=lease)
        except TimeoutError:
            if self._receiving is None or not self._receiving.expired():
                raise
            return None
        finally:
            self._receiving = None
        if deliveries:
            self._admission.found(self.name)
            self._slots.expect(self.name, len(deliveries))
            earlier = self._taking
            self._taking = asyncio.ensure_future(self._take(deliveries, earlier))
            self._taking.add_done_callback(partial(self._took, asyncio.current_task()))
            # Only what is fetched ahead is fetched meanwhile: slots are shared among the queues.
            pending = earlier if self._slots.ahead else self._taking
            if pending is not None:
                await asyncio.shield(pending)
        return bool(deliveries)

    def _took(self, receiving: asyncio.Task[None] | None, taking: asyncio.Task[None]) -> None:
        """End a wait for messages that nobody could claim."""
        if receiving is not None and not taking.cancelled() and taking.exception() is not None:
            receiving.cancel()

    def _wait(self) -> timedelta:
        if self._options.burst:
            return _AT_ONCE
        return self._options.poll if self._options.idle is None else self._options.idle

    async def _take(
        self, deliveries: Sequence[Delivery], earlier: asyncio.Task[None] | None
    ) -> None:
        """Claim what there is room for; the rest, as another queue was faster, goes back."""
        back: Sequence[Delivery] = ()
        claimed: list[tuple[Bid, Claimed, float]] = []
        try:
            if earlier is not None:
                await earlier
            room = max(self._slots.room(self.name) + len(deliveries), 0)
            if self._admission.is_paused(self.name):
                room = 0
            back = deliveries[room:]
            claimed = await self._claim(deliveries[:room])
        except LeavingError:
            left = len(deliveries) - len(back)
            _log.warning("%d messages of queue %r are left to their leases", left, self.name)
        finally:
            # What was counted until here is held from here on: nothing is awaited in between.
            self._slots.expect(self.name, -len(deliveries))
            lost = self._hold(claimed)
            self._slots.changed.set()
            self._begin()
        if lost:
            await self._intake.settle(lost)
        if back:
            await self._give_back(back)

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        try:
            await self._port.release([Release(delivery=one) for one in deliveries])
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
        first = asked = self._ports.clock.monotonic()

        async def claim() -> Sequence[Claimed]:
            nonlocal asked
            asked = self._ports.clock.monotonic()
            return await self._ports.task_log.claim([bid.claim for bid in fresh])

        answers = await self._asked(claim)
        # What is ours already was won by an earlier try, whose answer was lost.
        return [
            (bid, answer, first if answer.answer is Answer.MINE else asked)
            for bid, answer in zip(fresh, answers, strict=True)
        ]

    def _hold(self, claimed: Sequence[tuple[Bid, Claimed, float]]) -> list[tuple[Bid, Claimed]]:
        """Hold what was won, or is another copy of what is held; answer the rest."""
        lost: list[tuple[Bid, Claimed]] = []
        for bid, answer, since in claimed:
            if answer.answer in _OURS:
                self._slots.add(self._holding(bid, answer, since))
            elif answer.answer is not Answer.BUSY or not self._keep_copy(bid):
                lost.append((bid, answer))
                if answer.until is not None and not answer.armed:
                    self._slots.groups.block(self._group(bid))
        return lost

    def _group(self, bid: Bid) -> str | None:
        return bid.delivery.group if self._port.capabilities.grouped else None

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the log until it answers, the same thing each time.

        Meanwhile one batch more may come, and waits for this one.
        """
        while True:
            try:
                return await ask()
            except UnavailableError as error:
                _log.warning("the log does not answer, receiving nothing more: %s", error)
            if self._leaving:
                raise LeavingError
            await self._ports.clock.sleep(_PAUSE)

    def _keep_copy(self, bid: Bid) -> bool:
        """Another delivery of what is held here: keep its receipt, start nothing (§5, mine).

        Not once the attempt has ended: its finish may be in the log already, and this message
        published for the wake-up which that finish left.
        """
        held = self._slots.held.get(bid.claim.spec.id)
        if held is None or held.ended:
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
            group=self._group(bid),
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
