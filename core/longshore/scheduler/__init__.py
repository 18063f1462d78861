"""The scheduler: publishes rows whose wake-up has come."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError
from longshore.publish import Publisher

if TYPE_CHECKING:
    from longshore.ports import Ports

_log = logging.getLogger("longshore.scheduler")
BATCH = 500


class Scheduler:
    """Looks once a second; any number may run at once, the log makes their work one."""

    def __init__(self, ports: Ports, *, every: float = 1.0) -> None:
        """`every` is in seconds."""
        self._ports = ports
        self._publisher = Publisher(ports)
        self._every = every

    async def run(self) -> None:
        """Publish until cancelled; an outage is waited out."""
        while True:
            try:
                while (done := await self._publisher.publish_due(limit=BATCH)).total >= BATCH:
                    pass
            except LongshoreError as error:
                _log.warning("due tasks could not be published, trying again: %s", error)
            else:
                if done.total:
                    _log.info("published %d due tasks", done.sent)
            await self._ports.clock.sleep(self._every)
