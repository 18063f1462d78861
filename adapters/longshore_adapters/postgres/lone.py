"""A lone task by libpq itself: its row, its message, and who waits for it, in one packet.

psycopg takes three times as long for it, most of that for a pipeline's coroutines and for types
that are known here.
"""

from __future__ import annotations

import re
import select
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
from psycopg.pq import ConnStatus, ExecStatus

from longshore_adapters.postgres import connection as connections
from longshore_adapters.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.pq.abc import PGresult

    from longshore_adapters.postgres.connection import Bounded

_MS: Final = 1000
_BINARY: Final = {"bodies"}
_DONE: Final = {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}


def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Write a statement as libpq takes it; its values in their order."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)[sb]", statement)))
    text = re.sub(r"%\((\w+)\)[sb]", lambda found: f"${names.index(found[1]) + 1}", statement)
    return text.encode(), tuple(names)


_RECORD, _VALUES = _numbered(statements.RECORD_ONE_PLAIN)
_WAKE, _WAKING = _numbered(statements.WAKE)
_FORMATS: Final = [int(name in _BINARY) for name in _VALUES]


class Lone:
    """A connection's way to insert one plain task, prepared when it is first used."""

    def __init__(self, connection: Bounded) -> None:
        """Nothing is sent yet."""
        self.connection = connection
        self._is_prepared = False

    def write(self, values: Mapping[str, Any], waking: Mapping[str, Any]) -> bool:
        """Insert a row with its message, and wake who waits; whether it was not there.

        Whatever is raised but by the server about this statement ends the connection.
        """
        of = self.connection.pgconn
        try:
            of.enter_pipeline_mode()
            sections = 2
            if not self._is_prepared:
                of.send_prepare(b"longshore_lone", _RECORD)
                of.send_prepare(b"longshore_wake", _WAKE)
                of.pipeline_sync()
                sections = 3
            given = [_written(values[name]) for name in _VALUES]
            of.send_query_prepared(b"longshore_lone", given, _FORMATS)
            of.pipeline_sync()
            woken = [_written(waking[name]) for name in _WAKING]
            of.send_query_prepared(b"longshore_wake", woken)
            of.pipeline_sync()
            answers = self._answers(sections)
            of.exit_pipeline_mode()
        except BaseException:
            of.finish()
            raise
        failed = _failed(answers)
        if failed:
            if not self._is_prepared:
                of.finish()  # half of it may be
            raise failed
        self._is_prepared = True
        return answers[-2].ntuples == 1

    def _answers(self, sections: int) -> list[PGresult]:
        """Read everything, as long as there is patience."""
        of = self.connection.pgconn
        patience = self.connection.patience or connections.ANSWER
        end = time.monotonic() + patience
        answers: list[PGresult] = []
        while sections:
            self._progress(end, patience)
            found = of.get_result()
            if found is None:
                if of.status != ConnStatus.OK:
                    raise _failed(answers) or psycopg.OperationalError("the connection was lost")
            elif found.status == ExecStatus.PIPELINE_SYNC:
                sections -= 1
            else:
                answers.append(found)
        return answers

    def _progress(self, end: float, patience: float) -> None:
        """Write what is not written, and wait for the next answer."""
        of = self.connection.pgconn
        poll = select.poll()
        while (writes := of.flush()) or of.is_busy():
            left = end - time.monotonic()
            poll.register(of.socket, select.POLLIN | (select.POLLOUT if writes else 0))
            if left <= 0 or not poll.poll(left * _MS):
                message = f"no answer within {patience:g} s"
                raise psycopg.OperationalError(message)
            of.consume_input()


def _failed(answers: Sequence[PGresult]) -> psycopg.Error | None:
    """What the server said first of what it did not do."""
    for each in answers:
        if each.status not in _DONE:
            return psycopg.errors.error_from_result(each)
    return None


def _written(value: object) -> bytes | None:
    """Write a value as the server reads it."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, datetime):
        return value.isoformat().encode()
    if isinstance(value, list):
        return f"{{{','.join(map(str, cast('list[int]', value)))}}}".encode()
    return str(value).encode()
