"""Opening the file, and taking its write lock."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from longshore_adapters.sqlite import errors, migrations
from longshore_adapters.sqlite.errors import translate
from longshore_adapters.sqlite.scalars import error_has

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore_adapters.sqlite.options import Options
    from longshore_adapters.sqlite.wire import Row

T = TypeVar("T")

OLDEST: Final = (3, 35, 0)
"""The first SQLite with RETURNING."""
WITH_JSON: Final = (3, 38, 0)
"""The first SQLite in which JSON is no option of the build."""

_PRAGMAS: Final = (
    "PRAGMA cache_size = -4096",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA secure_delete = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 2000",
)
_FIRST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.002


@dataclass(slots=True)
class Transaction:
    """What an operation works with: a connection, the time in microseconds, and who to wake.

    `touched` collects the queues in which something became visible, or will sooner than before.
    """

    connection: sqlite3.Connection
    now: int
    touched: set[str] = field(default_factory=set[str])

    def run(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self.connection.execute(statement, parameters)

    def all(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement, and read every row."""
        return self.connection.execute(statement, parameters).fetchall()

    def facts(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        """Execute a statement that answers all its rows as one JSON list of lists."""
        [rows] = self.connection.execute(statement, parameters).fetchone()
        return cast("list[Row]", json.loads(rows))


def check_library(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raise `StorageError` where the SQLite library is older than what is used of it."""
    if version < OLDEST or (version < WITH_JSON and not _has_json()):
        raise errors.too_old(version, OLDEST)


def connect(options: Options, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open the file for writing; make it, and its tables, where they are not there.

    Belongs to the thread that calls, unless `any_thread`, and to its process in any case.
    """
    check_library()
    _check_path(options.path)
    with translate(options.path):
        connection = _connection(options, any_thread=any_thread)
        try:
            patiently(lambda: _prepare(connection, options), options.busy_timeout)
            # Waiting for the write lock is done here: SQLite's own pauses grow to 100 ms.
            connection.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(options: Options) -> sqlite3.Connection:
    """Open a file that stands, for reading alone."""
    with translate(options.path):
        connection = _connection(options, any_thread=False)
        connection.execute("PRAGMA cache_size = -4096")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA query_only = ON")
        connection.create_function("error_has", 2, error_has, deterministic=True)
        return connection


def begin(connection: sqlite3.Connection, patience: float) -> None:
    """Take the write lock, waiting `patience` seconds for other processes."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not errors.is_locked_out(error):
            raise
        patiently(lambda: connection.execute("BEGIN IMMEDIATE"), patience)


def patiently(action: Callable[[], T], patience: float) -> T:
    """Repeat an action while others hold the lock, with short random pauses between."""
    end = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not errors.is_locked_out(error) or time.monotonic() >= end:
                raise
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - to keep processes apart
        pause = min(pause * 2, _LONGEST_PAUSE)


def _has_json() -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("SELECT json_array()")
        except sqlite3.OperationalError:
            return False
    return True


def _check_path(path: str) -> None:
    file = Path(path)
    if file.is_dir():
        raise errors.is_folder(path)
    if not file.absolute().parent.is_dir():
        raise errors.no_folder(path, str(file.absolute().parent))


def _connection(options: Options, *, any_thread: bool) -> sqlite3.Connection:
    return sqlite3.connect(
        options.path,
        timeout=options.busy_timeout,
        isolation_level=None,
        check_same_thread=not any_thread,
        cached_statements=256,
    )


def _prepare(connection: sqlite3.Connection, options: Options) -> None:
    scripts = migrations.steps()
    current = migrations.is_current(connection, options.path, scripts)
    [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise errors.no_wal(options.path, mode)
    connection.execute(f"PRAGMA synchronous = {options.synchronous}")
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    if not current:
        migrations.migrate(connection, options.path, scripts)
