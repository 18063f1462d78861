"""Receiving from one queue for as long as there is room."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from longshore.errors import UnavailableError
from longshore.scheduler.sightings import Sightings
from longshore.worker.options import BROKER_EXTRA

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.worker.pulse import Part
    from longshore.worker.taking import Taker

_log = logging.getLogger("longshore.worker")
_AT_ONCE: Final = timedelta(0)
_PAUSE: Final = 1.0
_AGAIN: Final = 30.0
"""Seconds until it is said again that a queue does not answer."""
OUTAGE: Final = 10.0
"""Seconds without an answer after which a broker may have been made anew, without its messages."""
MOST_OUTCOMES: Final = 10
"""Receiving pauses while this many times the slots wait to be written to the log."""


@dataclass(frozen=True, slots=True)
class Away:
    """Since when a queue has not answered, and when that was last said; monotonic seconds."""

    since: float
    said: float


class Receiver:
    """Fills a worker's slots from one queue. `run` ends only by being cancelled, or by failing.

    While one batch is claimed the next is received, so that neither server waits for the other.
    What was received when it is cancelled is claimed to the end, so that nothing is left half
    taken; the worker gives it back.
    """

    def __init__(self, taker: Taker, backlog: Callable[[], int], poll: Part) -> None:
        """What comes goes to `taker`; `backlog` counts unwritten outcomes; `poll` is kept told."""
        self._ports = taker.ports
        self._port = taker.port
        self._policy = taker.policy
        self._options = taker.options
        self._slots = taker.slots
        self._admission = taker.admission
        self._taker = taker
        self._backlog = backlog
        self._poll = poll
        self._taking: asyncio.Task[None] | None = None
        self._receiving: asyncio.Timeout | None = None
        self._looked = False
        self._empty_at: int | None = None
        self._away: Away | None = None
        self._admission.listen(self.name, self._interrupt)

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
            self._taker.leaving = True
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
            self._looked = False
            self._admission.dry(self.name)
            self._missed(error)
            await self._ports.clock.sleep(_PAUSE)
            return
        await self._came_back()
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

    def _missed(self, error: UnavailableError) -> None:
        """Say now and then that the queue does not answer; a burst does not wait for it for ever.

        What else a burst does not get done it leaves to the next one.
        """
        self._poll.answered(str(error))
        now = self._ports.clock.monotonic()
        away = self._away or Away(since=now, said=-_AGAIN)
        if now - away.said >= _AGAIN:
            _log.warning("queue %r does not answer, trying again: %s", self.name, error)
            away = replace(away, said=now)
        self._away = away
        if self._options.burst and now - away.since > self._options.grace.total_seconds():
            raise error

    async def _came_back(self) -> None:
        """Have lost messages looked for soon where the queue was away, and looks are rare."""
        away, self._away = self._away, None
        if away is None or self._ports.task_log.capabilities.indexed:
            return
        if self._ports.clock.monotonic() - away.since >= OUTAGE:
            await Sightings(self._ports.store).forget_look()

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
        self._poll.expect(wait.total_seconds())
        try:
            async with asyncio.timeout(None) as self._receiving:
                deliveries = await self._port.receive(limit=limit, wait=wait, lease=lease)
        except TimeoutError:
            if self._receiving is None or not self._receiving.expired():
                raise
            return None
        finally:
            self._receiving = self._poll.by = None
        self._poll.answered()
        if deliveries:
            self._admission.found(self.name)
            self._slots.expect(self.name, len(deliveries))
            earlier = self._taking
            batch = self._slots.groups.received()
            self._taking = asyncio.ensure_future(self._taker.take(deliveries, batch, earlier))
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
