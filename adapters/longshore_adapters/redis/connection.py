"""An open server: a few connections, used in turn, and what all ports need of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from longshore.errors import ClosedError
from longshore_adapters.redis import sdk
from longshore_adapters.redis.errors import translate
from longshore_adapters.redis.keys import Keys
from longshore_adapters.redis.scalars import micros

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from longshore.clock import Clock
    from longshore_adapters.redis.options import Options
    from longshore_adapters.redis.scripts import Script


class Connection:
    """Up to so many connections at once as the URL allows; more callers wait their turn."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; nothing is connected yet."""
        self.options = options
        self.clock = clock
        self.keys = Keys(options.prefix)
        self._idle: list[sdk.Untyped] = []
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
        self.check_open()
        given = (len(keys), *keys, self.now(), *arguments)
        with translate(self.options.where):
            async with self._one() as link:
                await link.send_command(b"EVALSHA", script.sha, *given, check_health=False)
                try:
                    return await link.read_response()
                except self._no_script:
                    # It was not run at all, so it may be now; from then on the server knows it.
                    await link.send_command(b"EVAL", script.text, *given, check_health=False)
                    return await link.read_response()

    async def command(self, *words: bytes | str | int, patience: float | None = None) -> Any:  # noqa: ANN401 - its answer
        """Run a command; with `patience`, wait so many seconds longer for its answer."""
        self.check_open()
        longer = {} if patience is None else {"timeout": self.options.timeout + patience}
        with translate(self.options.where):
            async with self._one() as link:
                await link.send_command(*words, check_health=False)
                return await link.read_response(**longer)

    @asynccontextmanager
    async def _one(self) -> AsyncGenerator[sdk.Untyped]:
        """Lend a connection; one on which an answer is still owed is closed."""
        async with self._turns:
            link = await self._connected()
            try:
                yield link
            except self._response_error:
                await self._keep(link)  # the answer was an error, but it was the answer
                raise
            except BaseException:
                await _disconnected(link)
                raise
            await self._keep(link)

    async def _connected(self) -> sdk.Untyped:
        while self._idle:
            link = self._idle.pop()
            if link.is_connected and await sdk.is_quiet(link):
                return link
            await _disconnected(link)
        link = sdk.connection(self.options)
        try:
            await link.connect()
        except BaseException:
            await _disconnected(link)
            raise
        return link

    async def _keep(self, link: sdk.Untyped) -> None:
        if self._open:
            self._idle.append(link)
        else:
            await _disconnected(link)

    async def close(self) -> None:
        """Close every connection that is not in use; those in use close as their calls end."""
        self._open = False
        idle, self._idle = self._idle, []
        for link in idle:
            await _disconnected(link)


async def _disconnected(link: sdk.Untyped) -> None:
    with suppress(Exception):
        await link.disconnect(nowait=True)
