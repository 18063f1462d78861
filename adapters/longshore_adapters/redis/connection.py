"""An open server: a few connections, used in turn, and what all ports need of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from longshore.errors import ClosedError, UnavailableError
from longshore_adapters.redis import sdk
from longshore_adapters.redis.errors import translate
from longshore_adapters.redis.keys import Keys
from longshore_adapters.redis.scalars import micros

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Sequence

    from longshore.clock import Clock
    from longshore_adapters.redis.options import Options
    from longshore_adapters.redis.scripts import Script

T = TypeVar("T")

_ENDS_WITHIN: Final = 1.0
"""Seconds that closing waits for what goes on behind its callers: a server may be stalled."""


class Connection:
    """Up to so many connections at once as the URL allows; more callers wait their turn."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; nothing is connected yet."""
        self.options = options
        self.clock = clock
        self.keys = Keys(options.prefix)
        self._idle: list[sdk.Untyped] = []
        self._used: set[sdk.Untyped] = set()
        self._begun: set[asyncio.Task[Any]] = set()
        self._turns = asyncio.Semaphore(options.connections)
        self._open = True
        exceptions = sdk.loaded("redis.exceptions")
        self._no_script: type[Exception] = exceptions.NoScriptError
        self._response_error: type[Exception] = exceptions.ResponseError

    def check_open(self) -> None:
        """Raise `ClosedError` after closing."""
        if not self._open:
            what = f"the Redis backend {self.options.where}"
            raise ClosedError(what)

    def now(self) -> bytes:
        """Give scripts the time: empty for the server's own, else that of the clock given."""
        return b"" if self.options.clock == "server" else b"%d" % micros(self.clock.now())

    async def run(self, script: Script, keys: Sequence[bytes], *arguments: bytes | int) -> Any:  # noqa: ANN401 - its answer
        """Run a script; the time is its first argument."""
        given = (len(keys), *keys, self.now(), *arguments)
        async with self._lent() as link:
            await link.send_command(b"EVALSHA", script.sha, *given, check_health=False)
            try:
                return await link.read_response()
            except self._no_script:
                # It was not run at all, so it may be now; from then on the server knows it.
                await link.send_command(b"EVAL", script.text, *given, check_health=False)
                return await link.read_response()

    async def command(self, *words: bytes | str | int, patience: float | None = None) -> Any:  # noqa: ANN401 - its answer
        """Run a command; with `patience`, wait so many seconds longer for its answer."""
        longer = {} if patience is None else {"timeout": self.options.timeout + patience}
        async with self._lent() as link:
            await link.send_command(*words, check_health=False)
            return await link.read_response(**longer)

    def behind(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin work that goes on when its caller has left; closing waits for it, for a while."""
        task = asyncio.ensure_future(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task

    @asynccontextmanager
    async def _lent(self) -> AsyncGenerator[sdk.Untyped]:
        """Lend a connection, and say in our words what goes wrong with it."""
        self.check_open()
        try:
            with translate(self.options.where):
                async with self._turns, self._one() as link:
                    yield link
        except UnavailableError:
            self.check_open()  # closing cuts off what is on its way
            raise

    @asynccontextmanager
    async def _one(self) -> AsyncGenerator[sdk.Untyped]:
        """Give a connection; one on which an answer is still owed is closed."""
        link = await self._connected()
        if not self._open:  # it was closed while this one connected
            await _disconnected(link)
            self.check_open()
        self._used.add(link)
        try:
            yield link
        except self._response_error:  # the answer was an error, but it was the answer
            await self._keep(link)
            raise
        except BaseException:  # whatever it was goes on, and leaves nothing open
            await _disconnected(link)
            raise
        else:
            await self._keep(link)
        finally:
            self._used.discard(link)

    async def _connected(self) -> sdk.Untyped:
        while self._idle:
            link = self._idle.pop()
            if link.is_connected and await sdk.is_quiet(link):
                return link
            await _disconnected(link)
        link = sdk.connection(self.options)
        try:
            await link.connect()
        except BaseException:  # whatever it was goes on, and leaves nothing open
            await _disconnected(link)
            raise
        return link

    async def _keep(self, link: sdk.Untyped) -> None:
        if self._open:
            self._idle.append(link)
        else:
            await _disconnected(link)

    async def close(self) -> None:
        """Let what goes on behind its callers end, within a second; then close every connection."""
        if self._begun:
            await asyncio.wait(self._begun, timeout=_ENDS_WITHIN)
        self._open = False
        for link in (*self._idle, *self._used):
            await _disconnected(link)
        self._idle.clear()


async def _disconnected(link: sdk.Untyped) -> None:
    with suppress(Exception):
        await link.disconnect(nowait=True)
