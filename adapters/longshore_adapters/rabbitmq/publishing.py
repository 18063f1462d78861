"""Publishing from a loop: batches out, and their answers when the broker has given them."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Final

from longshore.errors import ClosedError, UnavailableError
from longshore_adapters.rabbitmq.confirms import CHANNEL, Batch, Confirms
from longshore_adapters.rabbitmq.pump import Blocked, Down, Failed, Pump, Up
from longshore_adapters.rabbitmq.versions import check_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.options import Options
    from longshore_adapters.rabbitmq.wire import Copy

_log = logging.getLogger("longshore.rabbitmq")
LOOKS: Final = 1.0
"""Seconds between looks at what has waited too long."""
LAST_CONFIRMS: Final = 5.0
"""Seconds that closing waits for confirmations."""


class Publisher:
    """The connection that publishes. Of one loop."""

    def __init__(self, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing is connected before the first batch."""
        self._options = options
        self._loop = loop
        self._epoch = 0
        self._pump = Pump(options, "publishing", self._sink)
        self._confirms = Confirms(self._write, str(options.hosts[0]))
        self._timer: asyncio.TimerHandle | None = None
        self._problem: LongshoreError | None = None
        self._closed = False
        self._batches: set[asyncio.Future[None]] = set()

    async def publish(
        self, targets: Sequence[tuple[str, str]], copies: Sequence[Copy]
    ) -> list[LongshoreError | None]:
        """Publish copies, each to an exchange by a routing key; the broker's answer to each."""
        if not copies:
            return []
        if self._closed:
            what = "the RabbitMQ connection"
            raise ClosedError(what)
        if self._problem is not None:
            raise self._problem.with_traceback(None)  # it is kept, and must not keep its callers
        answered: asyncio.Future[None] = self._loop.create_future()

        def done() -> None:
            if not answered.done():
                answered.set_result(None)

        batch = Batch(targets, copies, done)
        self._pump.start()
        self._confirms.submit(batch)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOKS, self._look)
        self._batches.add(answered)
        answered.add_done_callback(self._batches.discard)
        await answered
        if self._problem is not None:
            raise self._problem.with_traceback(None)  # it is kept, and must not keep its callers
        return batch.answers

    async def close(self) -> None:
        """Wait a moment for what is on its way, and end the connection."""
        self._closed = True
        if self._batches:
            await asyncio.wait(self._batches, timeout=LAST_CONFIRMS)
        if self._confirms.busy:
            message = "closed before RabbitMQ had confirmed; send again"
            self._confirms.refuse(UnavailableError(message))
        if self._timer is not None:
            self._timer.cancel()
        self._pump.close()
        await asyncio.to_thread(self._pump.join, 2 * LAST_CONFIRMS)

    def _write(self, data: bytes) -> None:
        self._pump.write(self._epoch, data)

    def _sink(self, events: list[Incoming | Up | Down | Failed | Blocked]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, events)

    def _take(self, events: list[Incoming | Up | Down | Failed | Blocked]) -> None:
        for event in events:
            if isinstance(event, Up):
                self._epoch = event.epoch
                self._problem = check_version(self._options, event.version)
                if self._problem is not None:
                    self._confirms.refuse(self._problem)
                self._confirms.up()
            elif isinstance(event, Down):
                self._confirms.down()
            elif isinstance(event, Failed):
                self._confirms.failed(event.error)
            elif isinstance(event, Blocked):
                self._confirms.block(blocked=event.blocked)
            elif event.channel == CHANNEL:
                self._confirms.handle(event)

    def _look(self) -> None:
        now = monotonic()
        self._confirms.expire(now)
        if self._confirms.is_stalled(now):
            _log.warning("RabbitMQ confirms nothing; connecting anew")
            self._pump.drop(self._epoch)
        busy = self._confirms.busy
        self._timer = self._loop.call_later(LOOKS, self._look) if busy else None
