"""The loop: whoever leads publishes what is due, audits, and prunes (protocol.md §9, §12)."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from longshore.errors import LongshoreError
from longshore.scheduler.audit import Audit
from longshore.scheduler.depths import Depths
from longshore.scheduler.earliest import EarliestNow
from longshore.scheduler.leader import Leader
from longshore.scheduler.options import SchedulerOptions
from longshore.scheduler.prune import Prune
from longshore.scheduler.publishing import Publishing
from longshore.scheduler.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from longshore.ports import Ports

_log = logging.getLogger("longshore.scheduler")


class Chore(Protocol):
    """Something a scheduler does, in steps, so that no chore keeps another waiting."""

    async def step(self) -> bool:
        """Do a part of it, if it is time; answer whether there is more to do at once."""
        ...


class Scheduler:
    """Any number may run at once: one leads, and where two do, the log makes their work one."""

    def __init__(
        self, ports: Ports, *, every: float = 1.0, options: SchedulerOptions | None = None
    ) -> None:
        """`every` is how often it looks for due rows, in seconds."""
        given = options or SchedulerOptions()
        self.tally = Tally()
        self._clock = ports.clock
        self._every = every
        self._leader = Leader(ports, lease=given.lease, name=given.name)
        self._stopping = asyncio.Event()
        earliest = EarliestNow(ports.clock)
        self._publishing = Publishing(ports, self.tally)
        chores: dict[str, Chore] = {
            "due tasks could not be published": self._publishing,
            "lost messages could not be looked for": Audit(ports, given, earliest, self.tally),
            "old tasks could not be removed": Prune(ports, given, earliest, self.tally),
        }
        self._telemetry = ports.telemetry
        if ports.telemetry is not None:
            depths = Depths(ports, given.queues, ports.telemetry)
            chores["queues could not be looked at"] = depths
        self._chores: Mapping[str, Chore] = chores

    def stop(self) -> None:
        """Let `run` return once what it is at is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Work whenever this one leads, until stopped or cancelled; outages are waited out."""
        with self._quiet():
            try:
                while not self._stopping.is_set():
                    more = await self._leader.leads() and await self._steps()
                    await self._clock.wait(self._stopping, 0 if more else self._every)
            finally:
                await self._leader.resign()

    async def once(self) -> Tally:
        """Do everything there is to do now, whoever leads, and answer what was done.

        Raises what a port raises.
        """
        with self._quiet():
            while any([await chore.step() for chore in self._chores.values()]):
                pass
            await self._publishing.step()  # what the last steps found
        return self.tally

    def _quiet(self) -> AbstractContextManager[None]:
        """Keep the instruments of others from tracing what a scheduler does by itself."""
        return nullcontext() if self._telemetry is None else self._telemetry.quiet()

    async def _steps(self) -> bool:
        """Do a step of each chore; one that fails keeps no other from its turn."""
        return any([await self._step(chore, trouble) for trouble, chore in self._chores.items()])

    async def _step(self, chore: Chore, trouble: str) -> bool:
        try:
            return await chore.step()
        except LongshoreError as error:
            _log.warning("%s, trying again: %s", trouble, error)
            return False
