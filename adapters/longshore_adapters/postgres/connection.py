"""Connections to a server: opening one, and not waiting for ever for its answers."""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from longshore_adapters.postgres import errors

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import timedelta

    from psycopg.abc import PQGen

    from longshore_adapters.postgres.options import Options

T = TypeVar("T")

_TooLate = psycopg.errors._WaitTimeout  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it asks to be converted

ANSWER: Final = 10.0
"""Seconds that the server has for an answer."""
LONG_ANSWER: Final = 30.0
"""The same where many rows are read or removed."""
_SHORTEST: Final = 1.0
_STATEMENT: Final = "25s"
_LOCK: Final = "5s"
"""The server gives up by itself before, and says why."""

_TIMEOUTS: Final = {
    "statement_timeout": _STATEMENT,
    "lock_timeout": _LOCK,
    "idle_in_transaction_session_timeout": _STATEMENT,
}
_SETTINGS: Final = {
    "timezone": "UTC",
    "client_encoding": "UTF8",
    "default_transaction_isolation": r"read\ committed",
    # Each statement has its index, and no plan that was made while the tables were empty may
    # read them whole once they are full: so they are planned once, and always by the index.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class Bounded(psycopg.Connection[Any]):
    """Waits `patience` seconds for an answer, where psycopg would wait for ever."""

    patience: float | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for what is being done; `OperationalError` when it takes too long."""
        patience = self.patience or ANSWER
        with _said_in_seconds(patience):
            return super().wait(gen, interval, patience if timeout is None else timeout)


class AsyncBounded(psycopg.AsyncConnection[Any]):
    """The same for a loop."""

    patience: float | None = None

    async def wait(
        self,
        gen: PQGen[T],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's own parameter
    ) -> T:
        """Wait for what is being done; `OperationalError` when it takes too long."""
        patience = self.patience or ANSWER
        with _said_in_seconds(patience):
            return await super().wait(gen, interval, patience if timeout is None else timeout)


@contextmanager
def _said_in_seconds(patience: float) -> Generator[None]:
    try:
        yield
    except _TooLate as error:
        message = f"no answer within {patience:g} s"
        raise psycopg.OperationalError(message) from error


def patience_for(lease: timedelta) -> float:
    """Seconds for an answer to who holds on to something: enough are left to ask once more."""
    return min(max(lease.total_seconds() / 4, _SHORTEST), ANSWER)


def connect(options: Options) -> Bounded:
    """Open a connection for use without a loop."""
    with _said(options):
        return Bounded.connect(**_parameters(options, _TIMEOUTS))


def connect_patiently(options: Options) -> psycopg.Connection[Any]:
    """Open a connection for changes to tables, which take as long as they take."""
    with _said(options):
        return psycopg.connect(**_parameters(options, {}))


async def aconnect(options: Options) -> AsyncBounded:
    """Open a connection for the running loop."""
    with _said(options):
        return await AsyncBounded.connect(**_parameters(options, _TIMEOUTS))


@contextmanager
def _said(options: Options) -> Generator[None]:
    try:
        yield
    except psycopg.ProgrammingError as error:
        raise errors.bad_uri() from error
    except psycopg.Error as error:
        raise errors.refused(error, options.address) from error


def is_idle(connection: Bounded | AsyncBounded) -> bool:
    """Whether nothing was begun that was not ended."""
    return connection.info.transaction_status is TransactionStatus.IDLE


def is_quiet(connection: Bounded | AsyncBounded) -> bool:
    """Whether nothing came unasked: of a connection that lay idle that is its end."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _parameters(options: Options, more: Mapping[str, str]) -> dict[str, Any]:
    settings = {"search_path": f"{options.schema},pg_catalog", **_SETTINGS, **more}
    told = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return {"conninfo": options.uri, "options": told, "autocommit": True}
