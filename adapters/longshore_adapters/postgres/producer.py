"""The way in for code without an event loop: one connection, used in the caller's thread."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import ClosedError, UnavailableError
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.connection import connect, is_idle, is_quiet
from longshore_adapters.postgres.drafting import draft_of
from longshore_adapters.postgres.errors import AGAIN, translate
from longshore_adapters.postgres.recording import answers, first_of_each
from longshore_adapters.postgres.session import part, waking
from longshore_adapters.postgres.standing import ASK, Standing, check, table_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from longshore.clock import Clock
    from longshore.protocol import Record, Recorded
    from longshore_adapters.postgres.connection import Bounded
    from longshore_adapters.postgres.drafting import Draft
    from longshore_adapters.postgres.options import Options
    from longshore_adapters.postgres.wire import Row

_TRIES: Final = 10


class PostgresProducer:
    """Enqueues from any thread, one at a time. Either side of a fork has its own connection."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; nothing is touched yet."""
        self._options = options
        self._clock = clock
        self._open = True
        self._inherited: list[Bounded] = []
        self._connection: Bounded | None = None
        self._begin()

    def check(self) -> None:
        """Connect; raise where server or tables cannot be used, though not where it is away."""
        with self._lock, suppress(UnavailableError), self._guarded():
            self._opened()

    def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, all or none."""
        firsts = first_of_each(records)
        draft = draft_of(list(firsts.values()), sends=True)
        if self._pid != os.getpid():
            self._begin()
        with self._lock, self._guarded():
            inserted = {row[0] for row in self._written(draft)}
            found: list[Row] = []
            if len(inserted) < len(records):
                found = self._all(statements.STATES_BY_ID, {"ids": list(firsts)})
        return answers(records, inserted, found)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        with self._lock:
            self._open = False
            if self._connection is not None:
                self._connection.close()

    def _begin(self) -> None:
        """Start without a connection; one that a parent has is kept, for closing would end it."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        if self._connection is not None:
            self._inherited.append(self._connection)
            self._connection = None

    def _written(self, draft: Draft) -> list[Row]:
        for _ in range(_TRIES):
            try:
                return self._write(draft)
            except AGAIN:
                continue
        message = f"the database {self._options.address} is too busy with these rows; try again"
        raise UnavailableError(message)

    def _write(self, draft: Draft) -> list[Row]:
        """Insert rows and messages, and wake who waits for them: both go to the server at once."""
        values = {**draft.values, "now": self._now()}
        connection = self._opened()
        with connection.pipeline() as pipeline:
            done = connection.execute(draft.statement.encode(), values, binary=True)
            if draft.queues:
                part(pipeline)
                connection.execute(statements.WAKE, waking(self._options.channel, draft.queues))
        return done.fetchall()

    def _all(self, statement: str, values: dict[str, Any]) -> list[Row]:
        return self._opened().execute(statement.encode(), values, binary=True).fetchall()

    def _opened(self) -> Bounded:
        """Connect where that was not done yet, or has ended; the caller holds the lock."""
        if not self._open:
            what = f"the database {self._options.address}"
            raise ClosedError(what)
        if self._connection is not None and not is_quiet(self._connection):
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._connection = self._connected()
        return self._connection

    def _connected(self) -> Bounded:
        connection = connect(self._options)
        try:
            [row] = connection.execute(ASK, {"table": table_of(self._options)}).fetchall()
            check(Standing(*row), self._options)
        except BaseException:  # whatever it was goes on, and leaves nothing open
            connection.close()
            raise
        return connection

    @contextmanager
    def _guarded(self) -> Generator[None]:
        """Translate what is raised, and use no connection again that was left in the middle."""
        try:
            with translate(self._options.address):
                yield
        except BaseException:  # whatever it was goes on, and leaves nothing open
            if self._connection is not None and not is_idle(self._connection):
                self._connection.close()
                self._connection = None
            raise

    def _now(self) -> object:
        return self._clock.now() if self._options.clock == "host" else None
