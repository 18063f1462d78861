"""`rabbitmq://` and `rabbitmqs://`: queues on RabbitMQ, quorum and classic.

The options and what they promise are in the README beside this module.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from longshore.registry import Backend
from longshore_adapters.rabbitmq.administration import remove_ours, warm_up
from longshore_adapters.rabbitmq.connection import Connection
from longshore_adapters.rabbitmq.examining import examine
from longshore_adapters.rabbitmq.options import parse_url
from longshore_adapters.rabbitmq.queue import RabbitQueue
from longshore_adapters.rabbitmq.sender import RabbitSender

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence

    from longshore.clock import Clock
    from longshore.registry import Finding, SyncSender


class RabbitAdapter:
    """Opens a virtual host's queues, and makes and removes them."""

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Prepare the connections, which are made when they are first used."""
        connection = Connection(parse_url(url), clock)
        queues: dict[str, RabbitQueue] = {}

        def queue(name: str) -> RabbitQueue:
            if name not in queues:
                queues[name] = RabbitQueue(connection, name)
            return queues[name]

        try:
            yield Backend(url=url, queue=queue)
        finally:
            await connection.close()

    @contextmanager
    def open_sender(
        self,
        url: str,
        clock: Clock,  # noqa: ARG002 - what is delayed RabbitMQ times itself
    ) -> Generator[SyncSender]:
        """Prepare connections for callers without a loop."""
        sender = RabbitSender(parse_url(url))
        try:
            yield sender
        finally:
            sender.close()

    def init(self, url: str) -> list[str]:
        """Check the URL; queues are made when they are declared."""
        options = parse_url(url)
        where = ", ".join(map(str, options.hosts))
        return [f"rabbitmq at {where}{_vhost(options.vhost)}: nothing to make besides its queues"]

    def deinit(self, url: str) -> list[str]:
        """Remove the ladder, where the URL's prefix makes it its own.

        Queues are removed by their names: others under the prefix may be another application's.
        """
        return remove_ours(parse_url(url))

    def examine(self, url: str, queues: Sequence[str]) -> list[Finding]:
        """Compare how queues are set up with how `declare` would."""
        return examine(parse_url(url), queues)

    @contextmanager
    def rehearsal(self) -> Generator[str]:
        """Load the SDK; a place of its own RabbitMQ has none."""
        warm_up()
        yield "memory://"


def _vhost(name: str) -> str:
    return "" if name == "/" else f", virtual host {name}"


ADAPTER = RabbitAdapter()
