"""An open backend: what it shares, and what each of its parts is given."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from longshore.registry import Backend
from longshore_adapters.redis import queue as messages
from longshore_adapters.redis import server, task_log
from longshore_adapters.redis.bell import Bell
from longshore_adapters.redis.connection import Connection
from longshore_adapters.redis.queue import RedisQueue
from longshore_adapters.redis.store import RedisStore
from longshore_adapters.redis.task_log import RedisTaskLog
from longshore_adapters.redis.together import RedisTogether

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from longshore.clock import Clock
    from longshore_adapters.redis.options import Options

_LINES: Final = 10_000
"""Connections that wait, one for each queue received from: no limit that anybody meets."""


@asynccontextmanager
async def opened(url: str, options: Options, clock: Clock) -> AsyncGenerator[Backend]:
    """Connect, see whether the server can be used, and serve it."""
    connection = Connection(options, clock)
    line = Connection(replace(options, connections=_LINES), clock)
    bells: list[Bell] = []
    try:
        facts = await server.look(connection)
        server.check(facts, options.where)
        yield serving(url, connection, line, bells, facts.survives)
    finally:
        await connection.close()
        await line.close()
        for bell in bells:
            await bell.close()


def serving(
    url: str, connection: Connection, line: Connection, bells: list[Bell], survives: str
) -> Backend:
    """Give every part a server can be; what waits does so on `line`, and its bell is noted."""
    queues: dict[str, RedisQueue] = {}
    can = messages.capabilities()

    def queue(name: str) -> RedisQueue:
        if name not in queues:
            bells.append(Bell(line, connection.keys.wake(name)))
            queues[name] = RedisQueue(connection, bells[-1], name, can)
        return queues[name]

    logs = task_log.capabilities(clock=connection.options.clock, survives=survives)
    return Backend(
        url=url,
        queue=queue,
        task_log=RedisTaskLog(connection, logs),
        store=RedisStore(connection),
        together=RedisTogether(connection),
    )
