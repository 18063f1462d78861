"""`sqlite:///path.db`: queue, log and store in one file, the default for one host.

Several processes may open the file at once; each commit is seen by all of them. The options
and what they promise are in the README beside this module.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

from longshore.registry import Backend
from longshore_adapters.sqlite.connection import connect
from longshore_adapters.sqlite.file import File
from longshore_adapters.sqlite.forks import Forks
from longshore_adapters.sqlite.options import parse_url
from longshore_adapters.sqlite.producer import SqliteProducer
from longshore_adapters.sqlite.queue import SqliteQueue
from longshore_adapters.sqlite.store import SqliteStore
from longshore_adapters.sqlite.task_log import SqliteTaskLog
from longshore_adapters.sqlite.together import SqliteTogether

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from longshore.clock import Clock
    from longshore.together import SyncTogether


class SqliteAdapter:
    """Opens files, and makes and removes them."""

    def __init__(self) -> None:
        """Start with nothing open."""
        self._forks = Forks()

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Open the file, and make it where it is not there; its folder must be."""
        file = File(parse_url(url), clock)
        async with file.opened():
            self._forks.add(file.writer, file.reader)
            yield Backend(
                url=url,
                queue=partial(SqliteQueue, file),
                task_log=SqliteTaskLog(file),
                store=SqliteStore(file),
                together=SqliteTogether(file),
            )

    @contextmanager
    def open_sync(self, url: str, clock: Clock) -> Generator[SyncTogether]:
        """Open the file for callers without a loop."""
        producer = SqliteProducer(parse_url(url), clock)
        producer.check()
        self._forks.add(producer)
        try:
            yield producer
        finally:
            producer.close()

    @contextmanager
    def rehearsal(self) -> Generator[str]:
        """Give the URL of a file in a temporary folder."""
        with TemporaryDirectory(prefix="longshore-") as folder:
            yield f"sqlite:///{quote(folder)}/rehearsal.db"

    def init(self, url: str) -> list[str]:
        """Make the file and its tables, or bring them up to date."""
        options = parse_url(url)
        existed = Path(options.path).exists()
        connect(options).close()
        return [f"{options.path}: {'exists' if existed else 'created'}"]

    def deinit(self, url: str) -> list[str]:
        """Remove the file with everything in it; stop what uses it before."""
        path = parse_url(url).path
        found = [each for each in (path, f"{path}-wal", f"{path}-shm") if Path(each).is_file()]
        for each in found:
            Path(each).unlink(missing_ok=True)
        return [f"{each}: removed" for each in found] or [f"{path}: not there"]


ADAPTER = SqliteAdapter()
