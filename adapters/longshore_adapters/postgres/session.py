"""What an operation works with: a connection, the time if it is not the server's, who to wake."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from longshore_adapters.postgres import statements

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection
    from datetime import datetime

    from psycopg import AsyncCursor, AsyncPipeline, Pipeline

    from longshore_adapters.postgres.connection import AsyncBounded
    from longshore_adapters.postgres.wire import Row

SPACE: Final = 0x4C4F_4E47
"""The first half of our advisory locks' names; the second is the number of a queue."""


def number_of(channel: str, queue: str) -> int:
    """A number for a queue, signed and of 32 bits: what its advisory lock is asked for by."""
    return crc32(f"{channel}/{queue}".encode("utf-8", "surrogatepass")) - 2**31


def waking(channel: str, queues: Collection[str]) -> dict[str, Any]:
    """What `statements.WAKE` takes; locks are asked for in the order of their numbers."""
    numbers = sorted({number_of(channel, queue) for queue in queues})
    return {"channel": channel, "space": SPACE, "numbers": numbers}


def part(pipeline: Pipeline | AsyncPipeline) -> None:
    """Let what follows be a transaction of its own; `sync` would wait for the one before it."""
    pipeline._enqueue_sync()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as said above


class Session:
    """A connection for one operation. Statements outside `transaction` are one each.

    `touched` collects the queues in which something became visible, or will sooner than before.
    """

    def __init__(self, connection: AsyncBounded, now: datetime | None, channel: str) -> None:
        """With `now` None, times are the server's."""
        self._connection = connection
        self._now = now
        self._channel = channel
        self.touched: set[str] = set()

    async def run(self, statement: str, /, **values: Any) -> int:  # noqa: ANN401 - what psycopg takes
        """Execute a statement; answer how many rows it wrote."""
        return (await self._execute(statement, values)).rowcount

    async def all(self, statement: str, /, **values: Any) -> list[Row]:  # noqa: ANN401 - as above
        """Execute a statement, and read every row."""
        return await (await self._execute(statement, values)).fetchall()

    async def begun(self, statement: str, /, **values: Any) -> AsyncCursor[Any]:  # noqa: ANN401 - as above
        """Execute a statement inside `together` or `transaction`, whose rows are read later."""
        return await self._execute(statement, values)

    async def put(self, statement: str, row: Row) -> None:
        """Execute a statement that takes a row, and answers nothing."""
        await self._connection.execute(statement.encode(), row, binary=True)

    async def now(self) -> datetime:
        """What time it is, once what was locked is ours."""
        [(now,)] = await self.all(statements.CLOCK)
        found: datetime = now
        return found

    @asynccontextmanager
    async def together(self) -> AsyncGenerator[None]:
        """Let all statements inside go to the server at once, and count together or not at all.

        Their rows are read behind it: asked for inside, each would be waited for.
        """
        async with self._connection.pipeline():
            yield

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        """Let all statements inside count, or none. What nobody reads is not waited for."""
        async with self._connection.pipeline(), self._connection.transaction():
            yield

    async def woken(self, queues: Collection[str], statement: str, /, **values: Any) -> list[Row]:  # noqa: ANN401 - as above
        """Execute a statement that puts messages into queues, and wake who waits for them.

        Both go to the server at once. Whoever waits is woken when the messages stand.
        """
        if not queues:
            return await self.all(statement, **values)
        async with self._connection.pipeline() as pipeline:
            done = await self._execute(statement, values)
            part(pipeline)
            await self._execute(statements.WAKE, waking(self._channel, queues))
        return await done.fetchall() if done.description else []

    async def wake(self) -> None:
        """Wake who waits for a queue that was touched."""
        if self.touched:
            await self._execute(statements.WAKE, waking(self._channel, self.touched))

    async def _execute(self, statement: str, values: dict[str, Any]) -> AsyncCursor[Any]:
        values["now"] = self._now
        return await self._connection.execute(statement.encode(), values, binary=True)
