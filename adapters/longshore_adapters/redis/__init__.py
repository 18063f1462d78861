"""`redis://`: queue, log and store on one Redis server.

The options and what they promise are in the README beside this module.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.registry import Backend
from longshore_adapters.redis.bell import Bell
from longshore_adapters.redis.connection import Connection
from longshore_adapters.redis.options import parse_url
from longshore_adapters.redis.queue import RedisQueue, capabilities

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from longshore.clock import Clock


class RedisAdapter:
    """Opens servers, and makes, examines and removes what is kept on them."""

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Connect."""
        options = parse_url(url)
        connection = Connection(options, clock)
        line = Connection(replace(options, connections=1000), clock)
        bells: dict[str, Bell] = {}

        def queue(name: str) -> RedisQueue:
            if name not in bells:
                bells[name] = Bell(line, connection.keys.queue(name)[5])
            return RedisQueue(connection, bells[name], name, capabilities(durable=True))

        try:
            yield Backend(url=url, queue=queue)
        finally:
            await connection.close()
            await line.close()
            for bell in bells.values():
                await bell.close()


ADAPTER = RedisAdapter()
