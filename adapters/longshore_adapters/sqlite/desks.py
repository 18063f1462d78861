"""What the two threads do: the writer commits groups and watches the file, the reader reads."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.connection import Transaction, begin, connect, connect_reader
from longshore_adapters.sqlite.errors import translated
from longshore_adapters.sqlite.scalars import micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.clock import Clock
    from longshore_adapters.sqlite.lane import Operation
    from longshore_adapters.sqlite.options import Options
    from longshore_adapters.sqlite.waiting import Waiting
    from longshore_adapters.sqlite.watching import Watch

_NOW_AND_THEN: Final = 0.5


class Writer:
    """Commits what many callers ask for together, and wakes those who wait for messages.

    While somebody waits it looks whether another connection has committed: when the watch says
    that the log file was written to, or every `poll` milliseconds where nothing tells.
    `PRAGMA data_version` answers exactly; size and time of the log file would not (a commit may
    change neither), and the writer's own commits do not count.
    """

    def __init__(self, options: Options, clock: Clock, waiting: Waiting, watch: Watch) -> None:
        """Write by `clock`, and wake who is in `waiting`."""
        self._options = options
        self._clock = clock
        self._waiting = waiting
        self._watch = watch
        self._told = False
        self._version = 0

    def connect(self) -> sqlite3.Connection:
        """Open the file; make it where it is not there."""
        return connect(self._options)

    def serve(self, connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
        """Do all operations in one transaction; where one raises, each in its own.

        So an operation that raises has changed nothing, and its neighbours are not undone with
        it. A lock that cannot be had is an error for all, without waiting for it again.
        """
        wanted = [operation for operation in operations if not operation.future.cancelled()]
        try:
            begin(connection, self._options.busy_timeout)
        except sqlite3.Error as error:
            self._fail(wanted, error)
            return
        try:
            self._commit(connection, wanted)
        except Exception as error:  # noqa: BLE001 - it is raised again, in the caller's loop
            if len(wanted) == 1:
                self._fail(wanted, error)
            else:
                for operation in wanted:
                    self.serve(connection, [operation])
        self._notice(connection)

    def patience(self) -> float | None:
        """Poll while somebody waits; now and then even where the watch tells."""
        if not self._waiting:
            return None
        return _NOW_AND_THEN if self._told else self._options.poll / 1000

    def idle(self, connection: sqlite3.Connection) -> None:
        """Look whether another connection has committed."""
        self._notice(connection)

    def leave(self, connection: sqlite3.Connection | None) -> None:
        """Wake who still waits, and bring the log into the file as far as nobody needs it."""
        for waiter in self._waiting.all():
            waiter.wake()
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _commit(self, connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
        work = Transaction(connection, micros(self._clock.now()))
        try:
            results = [operation.work(work) for operation in operations]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        for operation, result in zip(operations, results, strict=True):
            operation.result = result
        if work.touched and self._waiting:
            for waiter in self._waiting.of(work.touched):
                waiter.wake()

    def _fail(self, operations: Sequence[Operation], error: Exception) -> None:
        for operation in operations:
            operation.error = _said(error, self._options.path)

    def _notice(self, connection: sqlite3.Connection) -> None:
        if not self._waiting:
            return
        self._told = self._watch.arm()
        with suppress(sqlite3.Error):  # the next operation meets it, and says so
            [version] = connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._version = version
                self._look(connection)

    def _look(self, connection: sqlite3.Connection) -> None:
        """Wake who would find something, or has to look sooner than planned."""
        now = micros(self._clock.now())
        waiters = self._waiting.all()
        seen = {
            queue: connection.execute(statements.LOOK, (queue,)).fetchone()
            for queue in {waiter.queue for waiter in waiters}
        }
        for waiter in waiters:
            ready, soonest = seen[waiter.queue]
            sooner = soonest is not None and (waiter.soonest is None or soonest < waiter.soonest)
            if ready or sooner or (soonest is not None and soonest <= now):
                waiter.wake()


class Reader:
    """Does each operation by itself; a long one delays other reads, and no write."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Read by `clock`."""
        self._options = options
        self._clock = clock

    def connect(self) -> sqlite3.Connection:
        """Open the file, which the writer has made."""
        return connect_reader(self._options)

    def serve(self, connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
        """Let each operation see the file as it is at one moment."""
        for operation in operations:
            if not operation.future.cancelled():
                self._read(connection, operation)

    def patience(self) -> float | None:
        """Wait without end: there is nothing else to do."""
        return None

    def idle(self, connection: sqlite3.Connection) -> None:
        """Do nothing."""

    def leave(self, connection: sqlite3.Connection | None) -> None:
        """Leave nothing behind."""

    def _read(self, connection: sqlite3.Connection, operation: Operation) -> None:
        try:
            connection.execute("BEGIN")
            try:
                operation.result = operation.work(
                    Transaction(connection, micros(self._clock.now()))
                )
            finally:
                connection.execute("ROLLBACK")
        except Exception as error:  # noqa: BLE001 - it is raised again, in the caller's loop
            operation.error = _said(error, self._options.path)


def _said(error: Exception, path: str) -> Exception:
    """Say what SQLite raised in our words; other errors are the caller's own."""
    if not isinstance(error, sqlite3.Error):
        return error
    said = translated(error, path)
    said.__cause__ = error
    return said
