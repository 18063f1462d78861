"""`memory://NAME`: queue, log and store in this process; the reference, and the fake for tests.

Backends opened under one name share their contents for as long as one of them is open;
`memory://` without a name shares nothing. Nothing survives the process.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from longshore.errors import ConfigurationError
from longshore.masking import mask_url
from longshore.registry import Backend
from longshore_adapters.memory.queue import MemoryQueue
from longshore_adapters.memory.server import Connection, MemoryServer
from longshore_adapters.memory.store import MemoryStore
from longshore_adapters.memory.task_log import MemoryTaskLog
from longshore_adapters.memory.together import MemorySyncTogether, MemoryTogether

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from longshore.clock import Clock
    from longshore.together import SyncTogether


class MemoryAdapter:
    """Opens backends, and knows the named servers that are open."""

    def __init__(self) -> None:
        self._servers: WeakValueDictionary[str, MemoryServer] = WeakValueDictionary()
        self._lock = Lock()

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Open the server of the URL's name, on the clock of who opened it first, or a new one."""
        with self._connected(url, clock) as connection:
            yield Backend(
                url=url,
                queue=lambda name: MemoryQueue(connection, name),
                task_log=MemoryTaskLog(connection),
                store=MemoryStore(connection),
                together=MemoryTogether(connection),
            )

    @contextmanager
    def open_sync(self, url: str, clock: Clock) -> Generator[SyncTogether]:
        """Open the same server for callers without a loop."""
        with self._connected(url, clock) as connection:
            yield MemorySyncTogether(MemoryTogether(connection))

    def init(self, url: str) -> list[str]:
        """Nothing needs to be made."""
        _name(url)
        return [f"{url}: nothing to create, it lives in the worker's process"]

    def deinit(self, url: str) -> list[str]:
        """Nothing is left behind."""
        _name(url)
        return [f"{url}: nothing to remove, it ended with its process"]

    @contextmanager
    def _connected(self, url: str, clock: Clock) -> Generator[Connection]:
        connection = Connection(self._server(_name(url), clock))
        try:
            yield connection
        finally:
            connection.close()

    def _server(self, name: str, clock: Clock) -> MemoryServer:
        if not name:
            return MemoryServer(clock)
        with self._lock:
            return self._servers.setdefault(name, MemoryServer(clock))


def _name(url: str) -> str:
    parts = urlsplit(url)
    if parts.path or parts.query or parts.fragment:
        message = f"{mask_url(url)!r} says more than a name; write memory:// or memory://NAME"
        raise ConfigurationError(message)
    return parts.netloc


ADAPTER = MemoryAdapter()
