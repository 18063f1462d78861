"""What the server and libpq say, in Longshore's words, with the next step in each."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import errors as raised

from longshore.errors import ConfigurationError, StorageError, UnavailableError
from longshore.masking import mask_url

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore.errors import LongshoreError

AGAIN: Final = (raised.DeadlockDetected, raised.SerializationFailure, raised.UniqueViolation)
"""Somebody else was faster: nothing was done, and the same transaction may succeed now."""

_REFUSED: Final = re.compile(
    r"authentication failed|does not exist|no pg_hba\.conf entry|permission denied|not permitted"
)
"""Words with which a server turns a connection down for good; libpq gives no code with them."""

_STORAGE: Final[tuple[tuple[type[psycopg.Error], str], ...]] = (
    (
        raised.UndefinedTable,
        "does not hold Longshore's tables; make them: longshore init, with the same URL",
    ),
    (
        raised.UndefinedColumn,
        "does not hold Longshore's tables as they should be; bring them up to date: longshore init",
    ),
    (
        raised.InsufficientPrivilege,
        "does not let this account do what it has to; grant it what the adapter's README names",
    ),
    (
        raised.ReadOnlySqlTransaction,
        "can only be read here; name the primary, or add ?target_session_attrs=read-write",
    ),
)
_UNAVAILABLE: Final[tuple[tuple[type[psycopg.Error], str], ...]] = (
    (
        raised.TooManyConnections,
        "has no connection left; raise max_connections, or give processes a smaller ?pool=",
    ),
    (raised.DiskFull, "has no room left on its disk; make room, nothing that was answered is lost"),
    (raised.LockNotAvailable, "kept a row locked for too long; see pg_stat_activity for who"),
    (raised.QueryCanceled, "ended a statement that took too long; try again"),
    (raised.InsufficientResources, "is short of resources; see its log"),
)
_AWAY: Final = "cannot be reached; see that it runs, and that host and port are right"


@contextmanager
def translate(address: str) -> Generator[None]:
    """Turn what psycopg raises about the database at `address` into a `LongshoreError`."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(error, address) from error


def translated(error: psycopg.Error, address: str) -> LongshoreError:
    """Find the sentence for an error; one that is not in the table says what the server said."""
    said = f" (PostgreSQL: {mask_url(str(error).strip())})"
    for kind, problem in _UNAVAILABLE:
        if isinstance(error, kind):
            return UnavailableError(f"the database {address} {problem}{said}")
    for kind, problem in _STORAGE:
        if isinstance(error, kind):
            return StorageError(f"the database {address} {problem}{said}")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return UnavailableError(f"the database {address} {_AWAY}{said}")
    return StorageError(f"the database {address} cannot do this{said}; see the server's log")


def refused(error: psycopg.Error, address: str) -> LongshoreError:
    """Say why no connection came about."""
    if _REFUSED.search(str(error)) is None:
        return translated(error, address)
    said = f" (PostgreSQL: {mask_url(str(error).strip())})"
    return StorageError(
        f"the database {address} turns this account down; check user, password and database in "
        f"the URL, or PGPASSWORD and ~/.pgpass{said}"
    )


def bad_uri() -> ConfigurationError:
    """What is left of the URL cannot be read by libpq; its words may hold a password."""
    return ConfigurationError(
        "the postgresql:// URL cannot be read; write postgresql://user@host:5432/database, and "
        "'/', '?', '#', '@' and '%' in a password as %2F, %3F, %23, %40 and %25"
    )


def no_tables(address: str, schema: str) -> StorageError:
    """The schema holds nothing of ours."""
    return StorageError(
        f"the database {address} has no Longshore tables in its schema {schema!r}; make them: "
        "longshore init, with the same URL"
    )


def too_old_tables(address: str, found: int, known: int) -> StorageError:
    """An earlier version made the tables."""
    return StorageError(
        f"the database {address} holds the tables of an older Longshore (version {found}, this "
        f"one needs {known}); bring them up to date: longshore init"
    )


def too_new(address: str, found: int, known: int) -> StorageError:
    """A later version made the tables."""
    return StorageError(
        f"the database {address} holds the tables of a newer Longshore (version {found}, this one "
        f"knows {known}); upgrade this installation"
    )


def too_old(address: str, found: int, oldest: int) -> StorageError:
    """The server lacks what statements use."""
    return StorageError(
        f"the server of {address} is PostgreSQL {found // 10_000}, and Longshore needs "
        f"{oldest // 10_000} or newer; upgrade it, or use another adapter"
    )


def not_utf8(address: str, encoding: str) -> StorageError:
    """The database cannot hold every text."""
    return StorageError(
        f"the database {address} is encoded in {encoding}, which cannot hold every text; make one "
        "with ENCODING 'UTF8'"
    )
