"""Where it is measured: a PostgreSQL, and schemas that are made once and removed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql

from longshore.registry import find_adapter
from tests.bench.figures import Measured
from tests.bench.postgres.contenders import LONGSHORE, NAME, TABLES
from tests.brokers.servers import POSTGRES

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.bench.contender import Contender

_SIZE: Final = """
SELECT sum(pg_total_relation_size(oid)) / 1000.0::float8,
    count(*) FILTER (WHERE relpersistence <> 'p')
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server on this machine, and a folder for what processes write."""

    folder: Path
    port: int = POSTGRES.port

    @property
    def server(self) -> str:
        """The URL of its database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @contextmanager
    def queue(self, one: Contender) -> Generator[Queue]:
        """Make a schema for a contender; it is gone afterwards, with all that is in it."""
        schema = f"bench_{uuid4().hex[:8]}"
        named = sql.Identifier(schema)
        with psycopg.connect(self.server, autocommit=True) as to:
            to.execute(sql.SQL("CREATE SCHEMA {}").format(named))
            to.execute(sql.SQL("SET search_path = {}").format(named))
            try:
                queue = Queue(one, self.server, schema, to)
                if one.module == LONGSHORE:
                    find_adapter(queue.url).init(queue.url)
                yield queue
            finally:
                to.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(named))


class Queue:
    """A contender's tables, seen by a connection of its own."""

    def __init__(
        self, one: Contender, server: str, schema: str, of: psycopg.Connection[Any]
    ) -> None:
        """Look through a connection that sees one schema."""
        self.url = f"{server}?schema={schema}"
        self._given = one.given
        self._tables = TABLES[one.name]
        self._schema = schema
        self._server = server
        self._of = of

    def settings(self) -> Mapping[str, str]:
        """What the contender's processes are told."""
        return {
            "BENCH_QUEUE": self._schema,
            "BENCH_URL": f"{self._server}?options=-csearch_path%3D{self._schema}",
            "LONGSHORE_APP": f"{LONGSHORE}:app",
            "LONGSHORE_CONCURRENCY": "100",
            "LONGSHORE_LOG_LEVEL": "warning",
            "LONGSHORE_QUEUE": NAME,
            "LONGSHORE_URL": self.url,
            **self._given,
        }

    def left(self) -> int:
        """Tasks that wait, or are not yet marked as ended."""
        return self._counted(self._tables.waiting)

    def look(self) -> Measured:
        """How much room a task that waits takes, indexes included, and whether it is durable."""
        [(size, unlogged)] = self._of.execute(_SIZE).fetchall()
        return Measured(
            figures={"size": size / max(self.left(), 1)}, counts={"not durable": unlogged}
        )

    def succeeded(self) -> int | None:
        """Successes that the contender's rows tell of."""
        return None if self._tables.succeeded is None else self._counted(self._tables.succeeded)

    def _counted(self, statement: LiteralString) -> int:
        [(count,)] = self._of.execute(statement).fetchall()
        return int(count)
