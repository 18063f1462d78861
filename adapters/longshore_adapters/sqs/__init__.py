"""`sqs://`: queues on Amazon SQS, standard and FIFO.

The options and what they promise are in the README beside this module.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from longshore.registry import Backend
from longshore_adapters.sqs.administration import in_a_loop
from longshore_adapters.sqs.connection import Connection
from longshore_adapters.sqs.examining import examine
from longshore_adapters.sqs.options import parse_url
from longshore_adapters.sqs.permissions import statements
from longshore_adapters.sqs.probing import probe
from longshore_adapters.sqs.queue import SqsQueue
from longshore_adapters.sqs.sender import SqsSender
from longshore_adapters.sqs.session import warm_up

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

    from longshore.clock import Clock
    from longshore.registry import Finding, Permit, Role, SyncSender


class SqsAdapter:
    """Opens an account's queues, and makes and removes them."""

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Prepare the clients, which dial when they are first used."""
        queues: dict[str, SqsQueue] = {}
        async with Connection(parse_url(url), clock) as connection:

            def queue(name: str) -> SqsQueue:
                if name not in queues:
                    queues[name] = SqsQueue(connection, name)
                return queues[name]

            try:
                yield Backend(url=url, queue=queue, calls=lambda: dict(connection.calls))
            finally:
                connection.close()
                await asyncio.gather(*(each.close() for each in queues.values()))

    @contextmanager
    def open_sender(
        self,
        url: str,
        clock: Clock,  # noqa: ARG002 - what SQS delays it times itself
    ) -> Generator[SyncSender]:
        """Prepare a client for callers without a loop."""
        sender = SqsSender(parse_url(url))
        sender.check()
        try:
            yield sender
        finally:
            sender.close()

    def init(self, url: str) -> list[str]:
        """Check the URL; queues are made when they are declared."""
        where = parse_url(url).region or "the region of the environment"
        return [f"sqs in {where}: nothing to make besides its queues"]

    def deinit(self, url: str) -> list[str]:
        """Check the URL; queues are removed by their names, since others may be anybody's."""
        parse_url(url)
        return []

    def examine(self, url: str, queues: Sequence[str]) -> list[Finding]:
        """Compare how queues are set up with how `declare` would."""
        return in_a_loop(url, lambda connection: examine(connection, queues))

    def probe(self, url: str, queues: Sequence[str]) -> list[Permit]:
        """Find out what the caller may do with the queues."""
        return in_a_loop(url, lambda connection: probe(connection, queues))

    def permissions(
        self, url: str, queues: Sequence[str], role: Role
    ) -> list[Mapping[str, object]]:
        """List the statements of an IAM policy; their place names stand for what is not known."""
        return statements(parse_url(url), queues, role)

    @contextmanager
    def rehearsal(self) -> Generator[str]:
        """Load the SDK and what it reads; a place of its own SQS has none."""
        asyncio.run(warm_up())
        yield "memory://"


ADAPTER = SqsAdapter()
