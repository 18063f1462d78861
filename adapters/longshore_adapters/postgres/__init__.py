"""`postgresql://HOST/DATABASE`: queue, log and store in one PostgreSQL database.

The options, what they promise and how it works are in the README beside this module.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from longshore.registry import Backend
from longshore_adapters.postgres import setup
from longshore_adapters.postgres.database import Database
from longshore_adapters.postgres.options import parse_url
from longshore_adapters.postgres.producer import PostgresProducer
from longshore_adapters.postgres.queue import PostgresQueue
from longshore_adapters.postgres.store import PostgresStore
from longshore_adapters.postgres.task_log import PostgresTaskLog
from longshore_adapters.postgres.together import PostgresTogether

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence

    from longshore.clock import Clock
    from longshore.registry import Finding
    from longshore.together import SyncTogether


class PostgresAdapter:
    """Opens databases, and makes, examines and removes the tables in them."""

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Connect; the tables must have been made by `init`."""
        async with Database(parse_url(url), clock).opened() as database:
            yield Backend(
                url=url,
                queue=partial(PostgresQueue, database),
                task_log=PostgresTaskLog(database),
                store=PostgresStore(database),
                together=PostgresTogether(database),
            )

    @contextmanager
    def open_sync(self, url: str, clock: Clock) -> Generator[SyncTogether]:
        """Connect for callers without a loop."""
        producer = PostgresProducer(parse_url(url), clock)
        try:
            producer.check()
            yield producer
        finally:
            producer.close()

    def init(self, url: str) -> list[str]:
        """Make schema and tables, or bring them up to date."""
        return setup.make(parse_url(url))

    def deinit(self, url: str) -> list[str]:
        """Remove our tables with everything in them; stop what uses them before."""
        return setup.remove(parse_url(url))

    def examine(self, url: str, queues: Sequence[str]) -> list[Finding]:
        """Compare server and tables with what they should be; all queues share them."""
        del queues
        return setup.examine(parse_url(url))


ADAPTER = PostgresAdapter()
