"""`dynamodb://TABLE`: log and store in one DynamoDB table; any queue goes with it.

The options, what they promise and what a task costs are in the README beside this module.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from longshore.clock import SystemClock
from longshore.registry import Backend
from longshore_adapters.dynamodb import setup
from longshore_adapters.dynamodb.connection import Connection
from longshore_adapters.dynamodb.options import parse_url
from longshore_adapters.dynamodb.permissions import policy
from longshore_adapters.dynamodb.probing import probe
from longshore_adapters.dynamodb.store import DynamoDbStore
from longshore_adapters.dynamodb.table import Table
from longshore_adapters.dynamodb.task_log import DynamoDbTaskLog

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from longshore.clock import Clock
    from longshore.registry import Finding, Permit, Role

T = TypeVar("T")


class DynamoDbAdapter:
    """Opens tables, and makes, examines and removes them."""

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Open the table; it must have been made by `init`."""
        async with Connection(parse_url(url), clock).opened() as connection:
            shards = await setup.shards(connection)
            table = Table(connection)
            yield Backend(
                url=url,
                task_log=DynamoDbTaskLog(connection, table, shards),
                store=DynamoDbStore(connection, table),
                calls=lambda: dict(connection.calls),
            )

    def init(self, url: str) -> list[str]:
        """Make the table, its indexes and its expiry, as far as they are missing."""
        return _done(url, setup.make)

    def deinit(self, url: str) -> list[str]:
        """Remove the table with everything in it."""
        return _done(url, setup.remove)

    def examine(self, url: str, queues: Sequence[str]) -> list[Finding]:
        """Compare the table with what it should be; all queues share it."""
        del queues
        return _done(url, setup.examine)

    def probe(self, url: str, queues: Sequence[str]) -> list[Permit]:
        """Find out what the caller may do with the table; all queues share it."""
        del queues
        return _done(url, probe)

    def permissions(
        self, url: str, queues: Sequence[str], role: Role
    ) -> list[Mapping[str, object]]:
        """List the statements of a policy for the table; all queues share it."""
        del queues
        return policy(parse_url(url), role)


def _done(url: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do some work with a connection of its own, in a loop of its own."""
    options = parse_url(url)

    async def run() -> T:
        async with Connection(options, SystemClock()).opened() as connection:
            return await work(connection)

    # In a thread, because the caller may be inside a loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result()


ADAPTER = DynamoDbAdapter()
