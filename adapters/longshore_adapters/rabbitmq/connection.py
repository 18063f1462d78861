"""The connections behind one open URL: one to publish, one to consume, one to ask."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from longshore.errors import ClosedError, ConfigurationError
from longshore_adapters.rabbitmq.consuming import Consumers
from longshore_adapters.rabbitmq.desk import Desk
from longshore_adapters.rabbitmq.publishing import Publisher

if TYPE_CHECKING:
    from longshore.clock import Clock
    from longshore_adapters.rabbitmq.options import Options


class Connection:
    """Each of the three is made when it is first needed, and kept up by itself."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Call it on the loop that it is used on."""
        self.options = options
        self.clock = clock
        loop = asyncio.get_running_loop()
        self.publisher = Publisher(options, loop)
        self.consumers = Consumers(options, loop)
        self.desk = Desk(options)
        self._pid = os.getpid()
        self._open = True

    def check(self) -> None:
        """Raise where it cannot be used: closed, or of the process before a fork."""
        if not self._open:
            what = "the RabbitMQ connection"
            raise ClosedError(what)
        if self._pid != os.getpid():
            message = (
                "this connection to RabbitMQ was opened before a fork; open the URL again in the "
                "child process"
            )
            raise ConfigurationError(message)

    async def close(self) -> None:
        """End all three: what is on its way is confirmed, what is done is acknowledged."""
        self._open = False
        await asyncio.gather(self.publisher.close(), self.consumers.close(), self.desk.close())
