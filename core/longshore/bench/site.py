"""Where one run measures: a folder of its own, a number of tasks, and fresh database files."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from longshore.bench.tasks import Bench
from longshore.registry import find_adapter

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CONCURRENCY: Final = 100
"""Handlers at once in the workers of the drains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A file that Longshore uses, and that raw sqlite3 may look into."""

    path: Path
    synchronous: str = "normal"

    @property
    def url(self) -> str:
        """The URL that opens it."""
        return f"sqlite:///{quote(str(self.path))}?synchronous={self.synchronous}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a row is given for one run. The folder is absolute, and empty at the start."""

    folder: Path
    tasks: int

    def database(self, name: str, synchronous: str = "normal") -> Database:
        """A new database with its tables, so that no measurement has to make them."""
        database = Database(path=self.folder / f"{name}.db", synchronous=synchronous)
        find_adapter(database.url).init(database.url)
        return database

    @contextmanager
    def filled(self, name: str, task: str, tasks: int) -> Generator[Database]:
        """A new database with tasks that wait, closed again."""
        database = self.database(name)
        with bench_on(database) as bench:
            bench.fill(task, tasks)
        yield database


@contextmanager
def bench_on(database: Database) -> Generator[Bench]:
    """Use the measured application on a database, and close it at the end."""
    bench = Bench(database.url)
    with bench.app:
        yield bench
