"""How much waits in each queue, asked by the leader alone: a look may be a request with a price."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from longshore.ports import Ports
    from longshore.telemetry import Seam

_log = logging.getLogger("longshore.scheduler")


class Depths:
    """Looks at every queue in turn, one in each step, and tells what it found."""

    def __init__(self, ports: Ports, queues: tuple[str, ...], seam: Seam) -> None:
        """The first look is at once."""
        self._ports = ports
        self._queues = queues
        self._seam = seam
        self._left: list[str] = []
        self._look_at = ports.clock.monotonic()

    async def step(self) -> bool:
        """Look at one queue, if it is time; answer whether another is to be looked at now.

        A queue that does not answer is left out until the next time.
        """
        every = self._seam.options.depth_every
        if not every:
            return False
        now = self._ports.clock.monotonic()
        if not self._left and now >= self._look_at:
            self._look_at = now + every
            self._left = list(reversed(self._queues))
        if self._left:
            await self._look(self._left.pop())
        return bool(self._left)

    async def _look(self, name: str) -> None:
        try:
            self._seam.depth(name, await self._ports.queue(name).depth())
        except LongshoreError as error:
            _log.debug("queue %s cannot be looked at: %s", name, error)
