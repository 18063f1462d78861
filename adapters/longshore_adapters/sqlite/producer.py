"""The way in for code without an event loop: one connection, used in the caller's thread."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

from longshore.errors import ClosedError
from longshore_adapters.sqlite import recording
from longshore_adapters.sqlite.connection import Transaction, begin, connect
from longshore_adapters.sqlite.drafting import drafts_of
from longshore_adapters.sqlite.errors import translated
from longshore_adapters.sqlite.scalars import micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.clock import Clock
    from longshore.protocol import Record, Recorded
    from longshore_adapters.sqlite.options import Options


class SqliteProducer:
    """Enqueues from any thread; one at a time writes, as SQLite would have it anyway.

    May be used on both sides of a fork: no connection is open while it happens.
    """

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; the file is opened when it is first needed."""
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._open = True
        self._connection: sqlite3.Connection | None = None

    def check(self) -> None:
        """Open the file; raise where that cannot be."""
        with self._lock:
            self._opened()

    def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, all or none."""
        drafts = drafts_of(records, micros(self._clock.now()))
        # Plain blocks, where context managers would cost a tenth of the whole.
        with self._lock:
            connection = self._opened()
            try:
                begin(connection, self._options.busy_timeout)
                work = Transaction(connection, micros(self._clock.now()))
                states = recording.insert_drafts(work, drafts)
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise translated(error, self._options.path) from error
                raise
        return recording.answers(records, states)

    def _opened(self) -> sqlite3.Connection:
        """Open the file where that was not done yet; the caller holds the lock."""
        if not self._open:
            what = f"the SQLite database {self._options.path}"
            raise ClosedError(what)
        if self._connection is None:
            self._connection = connect(self._options, any_thread=True)
        return self._connection

    def close(self) -> None:
        """Close the connection. Idempotent."""
        with self._lock:
            self._open = False
            self._drop()

    def before_fork(self) -> None:
        """Close the connection until the process has forked."""
        self._lock.acquire()
        self._drop()

    def after_fork(self, *, in_child: bool) -> None:
        """Let either side open its own."""
        if in_child:
            self._lock = threading.Lock()
        else:
            self._lock.release()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
