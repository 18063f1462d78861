"""The worker's beat: it says in the Store what it does, and hears there what operators want.

One put and one get per beat, whatever happens; so orders reach workers on every broker alike.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from longshore.clock import within
from longshore.control.orders import orders_in
from longshore.control.records import (
    MOST_RUNNING,
    ORDERS,
    QUEUES,
    Running,
    WorkerEntry,
    WorkerVerb,
)
from longshore.control.registry import Registry
from longshore.release import release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from longshore.control.records import Order
    from longshore.ports import Ports
    from longshore.store import Store
    from longshore.worker.options import WorkerOptions
    from longshore.worker.slots import Slots
    from longshore.worker.steering import Steering

_log = logging.getLogger("longshore.worker")
_JITTER: Final = 0.2
_SUFFIX: Final = 6
FIRST: Final = 5.0
"""Seconds that a start waits for the first answer: a paused queue is not to be touched."""

_FAREWELL: Final = 1.0


class Control:
    """Beats until cancelled. Where the Store is away, the worker goes on as it is."""

    def __init__(
        self, ports: Ports, store: Store, options: WorkerOptions, steering: Steering
    ) -> None:
        """Give this start of the worker an id of its own."""
        self._clock, self._random = ports.clock, ports.random
        self._store = store
        self._registry = Registry(store)
        self._options = options
        self._steering = steering
        self._queues = tuple(dict.fromkeys(options.queues))
        self._began = ports.clock.now()
        self._host, self._version = socket.gethostname(), release()
        self._heard = 0
        self._away = False
        self.id = f"{options.name}-{ports.ids()[-_SUFFIX:]}"

    async def run(self, slots: Slots, lease: float, heard: Callable[[], None]) -> None:
        """Beat each `beat`, or third of a lease where that is sooner; `lease` is in seconds.

        `heard` is called each time the orders were read, or could not be.
        """
        every = min(self._options.beat.total_seconds(), lease / 3)
        try:
            while True:
                await self._try_to_beat(slots, every, heard)
                await self._clock.sleep(every * (1 - _JITTER * self._random.random()))
        finally:
            await self._leave()

    async def _try_to_beat(self, slots: Slots, every: float, heard: Callable[[], None]) -> None:
        try:
            await self._hear()
            heard()
            await self._registry.beat(self._entry(slots, every))
        except Exception as error:  # noqa: BLE001 - no task suffers for want of a beat
            heard()
            if not self._away:
                _log.warning("the store does not answer, orders will be heard later: %s", error)
            self._away = True
            return
        if self._away:
            _log.info("the store answers again")
        self._away = False

    async def _hear(self) -> None:
        """Read what is paused and ordered, and carry it out."""
        mine = f"{ORDERS}{self.id}"
        book, *queues = await self._store.get([mine, *(f"{QUEUES}{name}" for name in self._queues)])
        paused = zip(self._queues, queues, strict=True)
        self._steering.pause_queues(frozenset(name for name, found in paused if found is not None))
        for order in orders_in(book):
            if order.number > self._heard:
                self._heard = order.number
                self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        _log.info("an operator ordered: %s %s", order.verb, order.concurrency or "")
        steering = self._steering
        if order.verb is WorkerVerb.RESIZE:
            steering.resize(max(order.concurrency or self._options.concurrency, 1))
            return
        carry_out: Mapping[WorkerVerb, Callable[[], None]] = {
            WorkerVerb.PAUSE: steering.pause,
            WorkerVerb.RESUME: steering.resume,
            WorkerVerb.DRAIN: steering.drain,
            WorkerVerb.STOP: steering.stop,
        }
        carry_out[order.verb]()

    def _entry(self, slots: Slots, every: float) -> WorkerEntry:
        running = [held for held in slots.held.values() if held.began_at is not None]
        return WorkerEntry(
            id=self.id,
            name=self._options.name,
            host=self._host,
            pid=os.getpid(),
            version=self._version,
            state=self._steering.state,
            queues=self._queues,
            paused_queues=tuple(sorted(self._steering.paused_queues)),
            concurrency=slots.concurrency,
            running=slots.running,
            held=len(slots.held),
            done=slots.done,
            failed=slots.failed,
            tasks=tuple(
                Running(
                    id=held.spec.id, task=held.spec.name, queue=held.spec.queue, since=held.began_at
                )
                for held in running[:MOST_RUNNING]
            ),
            started_at=self._began,
            beat_at=self._clock.now(),
            every=every,
        )

    async def _leave(self) -> None:
        """Take the entry away, if the Store lets us soon; else it expires."""
        with suppress(Exception):  # whatever it was, the worker ends
            await within(self._clock, _FAREWELL, self._registry.leave(self.id))
