"""Being told that messages came: a connection that listens while somebody waits.

A NOTIFY at each send would have all commits of a server queue up for one lock. So whoever waits
for a queue says so by a lock, which the server keeps in memory, and senders notify only where they
find it taken (`statements.WAKE`): under load nobody waits, and nobody is notified.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from longshore.errors import LongshoreError
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.connection import aconnect
from longshore_adapters.postgres.errors import translate
from longshore_adapters.postgres.session import SPACE, number_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore_adapters.postgres.connection import AsyncBounded
    from longshore_adapters.postgres.options import Options

_LINGER: Final = 1.0
"""Seconds that a queue stays announced when nobody waits: who waits often would ask each time."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One receive that waits for the queue of this number."""

    number: int
    event: asyncio.Event = field(default_factory=asyncio.Event)


class Listener:
    """The receives of one backend that wait, and the connection they are told by."""

    def __init__(self, options: Options) -> None:
        """Listen to nothing yet."""
        self._channel = options.channel
        self._options = options
        self._waiters: set[Waiter] = set()
        self._announced: set[int] = set()
        self._lock = asyncio.Lock()
        self._connection: AsyncBounded | None = None
        self._socket = -1
        self._withdrawals: dict[int, asyncio.Task[None]] = {}
        self._open = True

    @contextmanager
    def one(self, queue: str) -> Generator[Waiter]:
        """Wait for messages of a queue."""
        waiter = Waiter(number_of(self._channel, queue))
        self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            self._waiters.discard(waiter)
            if self._open and not self._is_awaited(waiter.number):
                withdrawal = asyncio.create_task(self._withdraw(waiter.number))
                self._withdrawals[waiter.number] = withdrawal

    async def expect(self, waiter: Waiter) -> None:
        """Let what comes from now on wake `waiter`. Look for what is there after this."""
        waiter.event.clear()
        if not (self._open and self._options.listen):
            return
        if (withdrawal := self._withdrawals.pop(waiter.number, None)) is not None:
            withdrawal.cancel()
        if waiter.number in self._announced:
            return
        async with self._lock:
            if waiter.number not in self._announced:
                await self._ask(statements.ANNOUNCE, waiter.number)
                self._announced.add(waiter.number)

    async def close(self) -> None:
        """Let everybody who waits look again, and end."""
        self._open = False
        withdrawals = list(self._withdrawals.values())
        for each in withdrawals:
            each.cancel()
        await asyncio.gather(*withdrawals, return_exceptions=True)
        async with self._lock:
            self._lose()

    def _is_awaited(self, number: int) -> bool:
        return any(waiter.number == number for waiter in self._waiters)

    async def _withdraw(self, number: int) -> None:
        await asyncio.sleep(_LINGER)
        self._withdrawals.pop(number, None)  # from here on it is too late to cancel
        async with self._lock:
            if number in self._announced and not self._is_awaited(number):
                self._announced.discard(number)
                with suppress(LongshoreError):  # with its connection the lock has gone as well
                    await self._ask(statements.WITHDRAW, number)

    async def _ask(self, statement: str, number: int) -> None:
        """Execute a statement on the connection; the caller has the lock."""
        loop = asyncio.get_running_loop()
        with translate(self._options.address):
            connection = self._connection or await self._listen()
            # psycopg waits for the same socket, and a loop has one reader for each.
            loop.remove_reader(self._socket)
            try:
                await connection.execute(statement.encode(), {"space": SPACE, "number": number})
            except (
                BaseException
            ):  # a cancelled one too: it is raised again, and leaves nothing open
                self._lose()
                raise
            loop.add_reader(self._socket, self._hear)
            self._hear()

    async def _listen(self) -> AsyncBounded:
        connection = await aconnect(self._options)
        connection.add_notify_handler(lambda notify: self._tell(notify.payload))
        try:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        except BaseException:  # whatever it was goes on, and leaves nothing open
            await connection.close()
            raise
        self._connection, self._socket = connection, connection.fileno()
        return connection

    def _hear(self) -> None:
        """Read what the server has sent unasked."""
        if self._connection is None:
            return
        try:
            self._connection.pgconn.consume_input()
            while (notify := self._connection.pgconn.notifies()) is not None:
                self._tell(notify.extra.decode())
        except psycopg.Error:
            self._lose()

    def _tell(self, payload: str) -> None:
        for waiter in self._waiters:
            if payload == str(waiter.number):
                waiter.event.set()

    def _lose(self) -> None:
        """Forget the connection; whoever waits looks, and announces itself on the next one."""
        connection, self._connection = self._connection, None
        self._announced.clear()
        if connection is not None:
            # By its number, before the next connection gets it: libpq has closed a broken one.
            asyncio.get_running_loop().remove_reader(self._socket)
            connection.pgconn.finish()
        for waiter in self._waiters:
            waiter.event.set()
