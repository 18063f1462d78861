"""Long tasks: letting go of a message before the broker takes it away (protocol.md §8).

A broker lets a message stay unacknowledged only so long, however often its lease is extended.
Before that the wake-up goes into the row, and then the message is acknowledged: from there on the
task lives by its lease in the log alone, and the scheduler publishes it where that is lost.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
from longshore.protocol import Change, Verb
from longshore.task import TaskState
from longshore.worker.messages import tell_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from longshore.ports import Ports
    from longshore.queue import Delivery
    from longshore.worker.holding import Holding

_log = logging.getLogger("longshore.worker")
SHARE: Final = 11 / 12
"""How much of the time that a broker allows is used: 11 of the 12 hours of SQS."""
LOOKS: Final = 10
"""So often it is looked at what is held, in the time that is left then."""


class Detacher:
    """Watches how long messages have been held. Lives on the worker's loop."""

    def __init__(self, ports: Ports, held: Callable[[], Collection[Holding]]) -> None:
        """`held` answers what the worker holds now."""
        self._ports = ports
        self._held = held

    async def run(self, queues: Collection[str]) -> None:
        """Look until cancelled; return at once where no queue has a limit."""
        limits = [limit for name in queues if (limit := self._limit(name)) is not None]
        if not limits:
            return
        while True:
            await self._ports.clock.sleep(min(limits) * (1 / SHARE - 1) / LOOKS)
            if not (old := [held for held in self._held() if self._is_old(held)]):
                continue
            try:
                await self.detach(old)
            except LongshoreError as error:
                _log.warning("%d long tasks keep their messages for now: %s", len(old), error)

    async def detach(self, holdings: Sequence[Holding]) -> None:
        """Arm the rows, then acknowledge the messages; a row that refuses keeps its message."""
        if not holdings:
            return
        answers = await self._ports.task_log.transition([_park(held) for held in holdings])
        parked = [held for held, one in zip(holdings, answers, strict=True) if one.applied]
        done: defaultdict[str, list[Delivery]] = defaultdict(list)
        for held in parked:
            for delivery in held.let_go():
                done[delivery.queue].append(delivery)
        for queue, deliveries in done.items():
            tell_refused(queue, "ack", await self._ports.queue(queue).ack(deliveries))
            _log.info("%d long tasks of queue %r go on without a message", len(deliveries), queue)

    def _is_old(self, held: Holding) -> bool:
        limit = None if held.delivery is None or held.ended else self._limit(held.spec.queue)
        return limit is not None and self._ports.clock.monotonic() - held.claimed_at >= limit

    def _limit(self, queue: str) -> float | None:
        """Seconds after which a message is let go; a group's order would go with it."""
        capabilities = self._ports.queue(queue).capabilities
        if capabilities.max_hold is None or capabilities.grouped:
            return None
        return capabilities.max_hold.total_seconds() * SHARE


def _park(held: Holding) -> Change:
    return Change(
        task_id=held.spec.id,
        verb=Verb.PARK,
        state=TaskState.RUNNING,
        token=held.token,
        body=held.spec.body,
    )
