"""`redis://`: queue, log and store on one Redis server.

The options and what they promise are in the README beside this module.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from longshore.clock import SystemClock
from longshore_adapters.redis import examining, setup
from longshore_adapters.redis.backend import opened
from longshore_adapters.redis.connection import Connection
from longshore_adapters.redis.options import parse_url
from longshore_adapters.redis.producer import RedisProducer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence

    from longshore.clock import Clock
    from longshore.registry import Backend, Finding
    from longshore.together import SyncTogether

T = TypeVar("T")


class RedisAdapter:
    """Opens servers, and makes, examines and removes what is kept on them."""

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Connect, and look at how the server is set up."""
        async with opened(url, parse_url(url), clock) as backend:
            yield backend

    @contextmanager
    def open_sync(self, url: str, clock: Clock) -> Generator[SyncTogether]:
        """Connect for callers without a loop."""
        producer = RedisProducer(parse_url(url), clock)
        try:
            producer.check()
            yield producer
        finally:
            producer.close()

    @contextmanager
    def rehearsal(self) -> Generator[str]:
        """Load redis-py; a place that nobody else sees no server of the user's has."""
        setup.warm_up()
        yield "memory://"

    def init(self, url: str) -> list[str]:
        """Check the server; keys make themselves."""
        return _done(url, setup.make)

    def deinit(self, url: str) -> list[str]:
        """Remove every key under the prefix."""
        return _done(url, setup.remove)

    def examine(self, url: str, queues: Sequence[str]) -> list[Finding]:
        """Compare the server with what it should be; all queues share it."""
        del queues
        return _done(url, examining.examine)


def _done(url: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do some work with a connection of its own, in a loop of its own."""
    options = parse_url(url)

    async def run() -> T:
        connection = Connection(options, SystemClock())
        try:
            return await work(connection)
        finally:
            await connection.close()

    # In a thread, because the caller may be inside a loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result()


ADAPTER = RedisAdapter()
