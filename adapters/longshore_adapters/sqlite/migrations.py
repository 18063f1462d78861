"""The schema and its versions: numbered steps, each file brought up to date in one transaction."""

from __future__ import annotations

import re
import sqlite3
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from longshore_adapters.sqlite.errors import APPLICATION_ID, not_ours, too_new

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Standing(NamedTuple):
    """What a file says of itself; `empty` says that it holds no table."""

    application: int
    version: int
    empty: bool


@cache
def steps() -> tuple[str, ...]:
    """Give the scripts in order: the nth makes version n of a file of version n - 1."""
    schema = files("longshore_adapters.sqlite").joinpath("schema.sql")
    return (schema.read_text(encoding="utf-8"),)


def is_current(connection: sqlite3.Connection, path: str, scripts: Sequence[str]) -> bool:
    """Whether nothing is to be done.

    `StorageError` for a file of another program or of a newer Longshore; neither is touched.
    """
    standing = _standing(connection)
    if standing.application != APPLICATION_ID and not standing.empty:
        raise not_ours(path)
    if standing.version > len(scripts):
        raise too_new(path, standing.version, len(scripts))
    return standing.version == len(scripts)


def migrate(connection: sqlite3.Connection, path: str, scripts: Sequence[str]) -> None:
    """Run the scripts the file lacks, all or none.

    The lock is taken before the version is read, so that of several processes one migrates
    and the others find it done.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not is_current(connection, path, scripts):
            for script in scripts[_standing(connection).version :]:
                _run(connection, script)
            connection.execute(f"PRAGMA user_version = {len(scripts)}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _standing(connection: sqlite3.Connection) -> Standing:
    # In one statement, so that it sees one moment: another process may be migrating just now.
    [(application, version, tables)] = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id), "
        "(SELECT user_version FROM pragma_user_version), "
        "(SELECT count(*) FROM sqlite_master)"
    )
    return Standing(application, version, empty=tables == 0 and version == 0)


def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in _statements(script):
        connection.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """Split a script; `executescript` would commit the transaction first."""
    statement = ""
    for piece in re.split("(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
