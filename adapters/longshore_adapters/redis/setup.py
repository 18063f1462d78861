"""What `init` and `deinit` do, and what is loaded ahead of a fork."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore_adapters.redis import sdk, server
from longshore_adapters.redis.limits import PORTION

if TYPE_CHECKING:
    from longshore_adapters.redis.connection import Connection


async def make(connection: Connection) -> list[str]:
    """Look at the server; there is nothing to make."""
    facts = await server.look(connection)
    server.check(facts, connection.options.where)
    options = connection.options
    return [f"redis at {options.where}, database {options.db}, prefix {options.prefix}: ready"]


async def remove(connection: Connection) -> list[str]:
    """Remove every key under the prefix, portion by portion; stop what uses them before."""
    options = connection.options
    place = f"redis at {options.where}, database {options.db}, prefix {options.prefix}"
    cursor, gone = b"0", 0
    while True:
        words = (b"MATCH", connection.keys.pattern, b"COUNT", PORTION)
        cursor, found = await connection.command(b"SCAN", cursor, *words)
        if found:
            gone += await connection.command(b"UNLINK", *found)
        if cursor == b"0":
            return [f"{place}: {gone} keys removed" if gone else f"{place}: nothing there"]


def warm_up() -> None:
    """Load redis-py, which takes a tenth of a second."""
    for name in ("redis", "redis.asyncio.connection", "redis.exceptions"):
        sdk.loaded(name)
