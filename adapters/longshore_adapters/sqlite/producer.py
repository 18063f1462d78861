"""The way in for code without an event loop: one connection, used in the caller's thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from longshore.errors import ClosedError
from longshore_adapters.sqlite import recording
from longshore_adapters.sqlite.connection import connect, transaction
from longshore_adapters.sqlite.errors import translate
from longshore_adapters.sqlite.scalars import micros
from longshore_adapters.sqlite.together import drafts_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Sequence

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
        with self._exclusively():
            return

    def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, all or none."""
        drafts = drafts_of(records, micros(self._clock.now()))
        with (
            self._exclusively() as connection,
            translate(self._options.path),
            transaction(connection, self._clock, self._options.busy_timeout) as work,
        ):
            states = recording.insert_drafts(work, drafts)
        return recording.answers(records, states)

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

    @contextmanager
    def _exclusively(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            if not self._open:
                what = f"the SQLite database {self._options.path}"
                raise ClosedError(what)
            if self._connection is None:
                self._connection = connect(self._options, any_thread=True)
            yield self._connection
