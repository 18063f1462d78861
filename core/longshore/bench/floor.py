"""The floor: what raw sqlite3 does with the same file, the same rows and the same indexes.

It knows the tables of the SQLite adapter by name, and takes their rows from a file that Longshore
wrote, so that both write the same. It checks nothing, decodes nothing and calls nobody: what lies
above it is what a task queue costs.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from longshore.bench.site import Database

SqlRow: TypeAlias = tuple[object, ...]
SQLITE_VERSION: Final = sqlite3.sqlite_version

# As the adapter sets them: the cache and the checkpoints decide much of the speed.
_PRAGMAS: Final = (
    "PRAGMA cache_size = -4096",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 2000",
)
# A task is a row in each of these, in this order. The number that SQLite gives is left out.
_TABLES: Final = {"task": "seq", "payload": None, "message": "seq"}
_BATCH: Final = 100
_LEASE: Final = 30_000_000

_TAKE: Final = (
    "UPDATE message SET ready = 0, visible_at = ?, receives = receives + 1, receipt = receives + 1 "
    "WHERE seq IN (SELECT seq FROM message WHERE queue = ? AND ready "
    "ORDER BY priority DESC, seq LIMIT ?) "
    "RETURNING seq, task, (SELECT body FROM payload WHERE payload.task = message.task)"
)
_START: Final = (
    "UPDATE task SET state = 'running', token = token + 1, attempts = attempts + 1, claim_id = ?, "
    "worker = ?, lease_until = ?, started_at = ?, updated_at = ? WHERE seq = ?"
)
_SUCCEED: Final = (
    "UPDATE task SET state = 'succeeded', lease_until = NULL, finished_at = ?, updated_at = ? "
    "WHERE seq = ?"
)
_ATTEMPT: Final = (
    "INSERT INTO attempt (task, token, run, number, worker, outcome, started_at, ended_at) "
    "VALUES (?, 1, 0, 1, ?, 'succeeded', ?, ?)"
)
_FORGET: Final = "DELETE FROM message WHERE seq = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Rows to insert: for each table its statement, and the row of each task."""

    statements: tuple[str, ...]
    rows: tuple[tuple[SqlRow, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What a file holds, counted without the help of what is measured.

    `began` and `ended` are the first start and the last end of an attempt, in seconds since the
    epoch; zero where there was none.
    """

    rows: int
    succeeded: int
    attempts: int
    messages: int
    began: float
    ended: float


class Floor:
    """Inserts of a pattern's rows, by one connection."""

    def __init__(self, connection: sqlite3.Connection, pattern: Pattern) -> None:
        """Write to a file that has the tables."""
        self._connection = connection
        self._pattern = pattern

    def insert(self, number: int) -> None:
        """Insert the rows of one task, in a transaction."""
        execute, pattern = self._connection.execute, self._pattern
        execute("BEGIN IMMEDIATE")
        for statement, rows in zip(pattern.statements, pattern.rows, strict=True):
            execute(statement, rows[number])
        execute("COMMIT")

    def insert_many(self, numbers: range) -> None:
        """Insert the rows of several tasks, in a transaction, table by table."""
        pattern = self._pattern
        self._connection.execute("BEGIN IMMEDIATE")
        for statement, rows in zip(pattern.statements, pattern.rows, strict=True):
            self._connection.executemany(statement, rows[numbers.start : numbers.stop])
        self._connection.execute("COMMIT")


@contextmanager
def floor(database: Database, pattern: Pattern) -> Generator[Floor]:
    """Insert into a database that has the tables and no rows."""
    with _opened(database) as connection:
        yield Floor(connection, pattern)


def pattern_of(database: Database) -> Pattern:
    """Read what Longshore wrote: of each table the columns that hold more than their defaults."""
    statements: list[str] = []
    rows: list[tuple[SqlRow, ...]] = []
    with _opened(database) as connection:
        for table, left_out in _TABLES.items():
            columns = [name for name in _told(connection, table) if name != left_out]
            named, marks = ", ".join(columns), ", ".join("?" * len(columns))
            # Names come from SQLite's own description of the table, and nowhere else.
            read = f"SELECT {named} FROM {table} ORDER BY rowid"  # noqa: S608 - as said above
            statements.append(f"INSERT INTO {table} ({named}) VALUES ({marks})")  # noqa: S608 - same
            rows.append(tuple(connection.execute(read)))
    return Pattern(statements=tuple(statements), rows=tuple(rows))


def copy(source: Database, target: Database) -> None:
    """Copy a database as it is at one moment."""
    with (
        closing(sqlite3.connect(source.path)) as old,
        closing(sqlite3.connect(target.path)) as new,
    ):
        old.backup(new)


def drain(database: Database) -> float:
    """Take a hundred, finish a hundred, until nothing is left; answer the seconds it took."""
    with _opened(database) as connection:
        began = time.perf_counter()
        while taken := _take(connection):
            _finish(connection, taken)
        return time.perf_counter() - began


def census(database: Database) -> Census:
    """Count what is in a file."""
    with _opened(database) as connection:
        one = connection.execute
        [(rows, succeeded)] = one("SELECT count(*), sum(state = 'succeeded') FROM task")
        [(attempts, began, ended)] = one(
            "SELECT count(*), min(started_at), max(ended_at) FROM attempt"
        )
        [(messages,)] = one("SELECT count(*) FROM message")
    return Census(
        rows=rows,
        succeeded=succeeded or 0,
        attempts=attempts,
        messages=messages,
        began=(began or 0) / 1e6,
        ended=(ended or 0) / 1e6,
    )


@contextmanager
def _opened(database: Database) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {database.synchronous}")
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        yield connection


def _told(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Name the columns of a table in which some row differs from the default."""
    for _, name, _, _, default, _ in connection.execute(f"PRAGMA table_info({table})").fetchall():
        asked = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {name} IS NOT {default or 'NULL'})"  # noqa: S608 - names of the schema
        [(told,)] = connection.execute(asked)
        if told:
            yield name


def _take(connection: sqlite3.Connection) -> Sequence[tuple[int, int, bytes]]:
    now = time.time_ns() // 1000
    connection.execute("BEGIN IMMEDIATE")
    taken = connection.execute(_TAKE, (now + _LEASE, "default", _BATCH)).fetchall()
    started = [(f"{now}:{seq}", "floor", now + _LEASE, now, now, task) for seq, task, _ in taken]
    connection.executemany(_START, started)
    connection.execute("COMMIT")
    return taken


def _finish(connection: sqlite3.Connection, taken: Sequence[tuple[int, int, bytes]]) -> None:
    now = time.time_ns() // 1000
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_SUCCEED, [(now, now, task) for _, task, _ in taken])
    connection.executemany(_ATTEMPT, [(task, "floor", now, now) for _, task, _ in taken])
    connection.executemany(_FORGET, [(seq,) for seq, _, _ in taken])
    connection.execute("COMMIT")
