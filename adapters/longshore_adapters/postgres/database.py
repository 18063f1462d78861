"""An open database: connections that are handed out and taken back, and who waits for messages."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

import psycopg

from longshore.errors import ClosedError, ConfigurationError, UnavailableError
from longshore_adapters.postgres.connection import aconnect, is_idle, is_quiet
from longshore_adapters.postgres.errors import AGAIN, translate, translated
from longshore_adapters.postgres.listening import Listener
from longshore_adapters.postgres.session import Session
from longshore_adapters.postgres.standing import ASK, Standing, check, table_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from longshore.clock import Clock
    from longshore_adapters.postgres.connection import AsyncBounded
    from longshore_adapters.postgres.options import Options

T = TypeVar("T")
_TRIES: Final = 10
"""A deadlock undoes one of two, so that the other goes on; more than two need more tries."""


class Database:
    """What the ports of one backend share. Belongs to the loop it was opened in.

    A pool that fills itself behind one's back would say that there is no connection; this one
    opens each when it is needed, so that whoever needs it is told why there is none.
    """

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; nothing is touched yet."""
        self.options = options
        self.clock = clock
        self.listener = Listener(options)
        self._room = asyncio.Semaphore(options.pool)
        self._idle: list[AsyncBounded] = []
        self._standing: Standing | None = None
        self._pid = os.getpid()
        self._open = True

    @property
    def survives(self) -> str:
        """What an answered write outlives, as far as the server has been asked."""
        return "unknown: not reached yet" if self._standing is None else self._standing.survives

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Database]:
        """Check server and tables; at the end let who waits end, and close what is not in use.

        A server that is away is none that cannot be used: what needs it will say so.
        """
        try:
            with suppress(UnavailableError):
                await self.run(lambda session: session.now())
            yield self
        finally:
            self._open = False
            await self.listener.close()
            await self._drop_idle()

    async def run(
        self, work: Callable[[Session], Awaitable[T]], *, patience: float | None = None
    ) -> T:
        """Do `work` with a connection; again where somebody else was in its way.

        The server has `patience` seconds for each answer, `ANSWER` where it is not given.
        """
        for _ in range(_TRIES):
            async with self._borrowed() as connection:
                connection.patience = patience
                session = self._session(connection)
                try:
                    done = await work(session)
                    await session.wake()
                except AGAIN:
                    continue
                except psycopg.Error as error:
                    raise translated(error, self.options.address) from error
                else:
                    return done
        message = f"the database {self.options.address} is too busy with these rows; try again"
        raise UnavailableError(message)

    def _session(self, connection: AsyncBounded) -> Session:
        now = self.clock.now() if self.options.clock == "host" else None
        return Session(connection, now, self.options.channel)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncGenerator[AsyncBounded]:
        async with self._room:
            self._check_usable()
            connection = await self._connection()
            try:
                yield connection
            finally:
                await self._give_back(connection)

    async def _connection(self) -> AsyncBounded:
        while self._idle:
            connection = self._idle.pop()
            if is_quiet(connection):
                return connection
            await connection.close()
        connection = await aconnect(self.options)
        try:
            await self._check(connection)
        except BaseException:  # whatever it was goes on, and leaves nothing open
            await connection.close()
            raise
        return connection

    async def _check(self, connection: AsyncBounded) -> None:
        """Look at server and tables: behind a name another server may answer each time."""
        with translate(self.options.address):
            asked = {"table": table_of(self.options)}
            [row] = await (await connection.execute(ASK, asked)).fetchall()
        self._standing = Standing(*row)
        check(self._standing, self.options)

    async def _give_back(self, connection: AsyncBounded) -> None:
        if self._open and is_idle(connection):
            self._idle.append(connection)
        else:
            await connection.close()
            await self._drop_idle()  # what befell one has often befallen all

    async def _drop_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    def _check_usable(self) -> None:
        if not self._open:
            what = f"the database {self.options.address}"
            raise ClosedError(what)
        if self._pid != os.getpid():
            message = (
                "these connections to PostgreSQL are of the process before a fork; "
                "open the URL in each process"
            )
            raise ConfigurationError(message)
