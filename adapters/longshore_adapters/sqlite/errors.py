"""What SQLite raises, said in Longshore's words: one table, and the next step in each sentence."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError, StorageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

APPLICATION_ID: Final = 0x4C4F_4E47
"""`LONG`, written into the header of each file of ours."""

_STORAGE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check its path, that this user may read and write "
    "its folder, and that the disk is not read-only",
    sqlite3.SQLITE_CORRUPT: "is damaged; stop its workers, and recover it with: "
    "sqlite3 FILE .recover, or restore a backup",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full, or a size limit is reached; free some "
    "space on the disk, or move the database",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database, or is damaged; give another path",
    sqlite3.SQLITE_PERM: "may not be used by this user; check the rights of file and folder",
    sqlite3.SQLITE_READONLY: "cannot be written; the user needs to write the file and its folder",
    sqlite3.SQLITE_ERROR: "does not hold Longshore's tables as they should be; was it replaced "
    "or changed while open? Open it again, or restore a backup",
}
_UNAVAILABLE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "stayed locked by another process; try again, end what holds it, or "
    "give it longer: ?busy_timeout=SECONDS",
    sqlite3.SQLITE_LOCKED: "stayed locked by another connection; try again",
    sqlite3.SQLITE_PROTOCOL: "could not be locked in time; try again, with fewer processes",
    sqlite3.SQLITE_IOERR: "could not be read or written: the disk answered with an error; free "
    "space where it is full, see df, else look into the system's log; then try again",
    sqlite3.SQLITE_NOMEM: "could not be used: memory is short; try again",
    sqlite3.SQLITE_INTERRUPT: "was interrupted; try again",
}


@contextmanager
def translate(path: str) -> Generator[None]:
    """Turn what SQLite raises about the file `path` into a `LongshoreError`, from the original."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error


def translated(error: sqlite3.Error, path: str) -> LongshoreError:
    """Find the sentence for an error; one that is not in the table says what SQLite said."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    said = f" (SQLite: {error})"
    if primary in _UNAVAILABLE:
        return UnavailableError(f"the database {path} {_UNAVAILABLE[primary]}{said}")
    problem = _STORAGE.get(primary, "cannot be used; give another path, or restore a backup")
    return StorageError(f"the database {path} {problem}{said}")


def is_locked_out(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock that was asked for."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY


def no_folder(path: str, folder: str) -> StorageError:
    """The folder of a file to be made is not there."""
    return StorageError(
        f"the database {path} cannot be made: there is no folder {folder}; create it, or give "
        "another path"
    )


def is_folder(path: str) -> StorageError:
    """The path names a folder."""
    return StorageError(f"{path} is a folder; give the path of a file, such as {path}/longshore.db")


def not_ours(path: str) -> StorageError:
    """The file belongs to another program."""
    return StorageError(
        f"the database {path} belongs to another program; give Longshore a file of its own"
    )


def too_new(path: str, found: int, known: int) -> StorageError:
    """The file was written by a later version."""
    return StorageError(
        f"the database {path} was written by a newer Longshore (schema {found}, this one knows "
        f"{known}); upgrade this installation"
    )


def no_wal(path: str, mode: str) -> StorageError:
    """The file system cannot share memory between processes."""
    return StorageError(
        f"the database {path} cannot use write-ahead logging (it stays in {mode!r} mode); put it "
        "on a local disk, network file systems cannot serve it"
    )


def too_old(found: Sequence[int], needed: Sequence[int]) -> StorageError:
    """The SQLite library is too old, or was built without JSON."""
    versions = [".".join(map(str, version)) for version in (found, needed)]
    return StorageError(
        f"this Python has SQLite {versions[0]}, and Longshore needs {versions[1]} or newer, with "
        "JSON; install a newer Python or SQLite, or use another adapter"
    )
