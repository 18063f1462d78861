"""The floor: bare psycopg, two tables, and nothing around them.

A task is a row and a message, written in one transaction. The worker takes a hundred messages in
another, runs them, removes them and marks their rows.
`python -m tests.bench.postgres.apps.psycopg_app` is its worker.
"""

# ruff: noqa: S608 - every piece of every statement is a constant of this module

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from tests.bench import journal
from tests.bench.load import HOW, load
from tests.bench.postgres.apps.server import AT_ONCE, URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS task (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL, done timestamptz);
CREATE TABLE IF NOT EXISTS message (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task bigint NOT NULL);
"""
_SENT: Final = """
sent AS (INSERT INTO message (task) SELECT id FROM new)
SELECT pg_notify(current_schema(), '')
"""
_MANY: Final = f"""
WITH new AS (INSERT INTO task (body) SELECT unnest(%b::bytea[]) RETURNING id),
{_SENT}
"""
_ONE: Final = f"WITH new AS (INSERT INTO task (body) VALUES (%b) RETURNING id), {_SENT}"
_TAKE: Final = """
SELECT m.seq, m.task, (SELECT t.body FROM task AS t WHERE t.id = m.task) FROM message AS m
ORDER BY m.seq LIMIT 100 FOR UPDATE OF m SKIP LOCKED
"""
_END: Final = """
WITH gone AS (DELETE FROM message WHERE seq = ANY(%s))
UPDATE task SET done = now() WHERE id = ANY(%s)
"""
_PATIENCE: Final = 0.5


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Insert a thousand at once, or one by one."""
    with psycopg.connect(URL, autocommit=True) as to:
        to.execute(_TABLES)

        def many(numbers: range) -> None:
            for start in range(0, len(numbers), AT_ONCE):
                to.execute(_MANY, ([_body(each) for each in numbers[start : start + AT_ONCE]],))

        def one_by_one(numbers: range) -> None:
            for number in numbers:
                to.execute(_ONE, (_body(number),))

        yield one_by_one if HOW == "one" else many


def _body(number: int) -> bytes:
    return "{} {} {}".format(*load(number)).encode()


def main() -> None:
    """Take and finish until the process is told to end; look again when something was sent."""
    ends: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ends.append(number))
    with psycopg.connect(URL, autocommit=True) as of:
        of.execute("SET enable_seqscan = off")
        [(schema,)] = of.execute("SELECT current_schema()").fetchall()
        of.execute(sql.SQL("LISTEN {}").format(sql.Identifier(schema)))
        while not ends:
            if not _round(of):
                list(of.notifies(timeout=_PATIENCE, stop_after=1))


def _round(of: psycopg.Connection[Any]) -> int:
    with of.transaction():
        taken = of.execute(_TAKE, binary=True).fetchall()
        if taken:
            for _, _, body in taken:
                number, sent, _ = body.split(maxsplit=2)
                journal.ran(int(number), int(sent))
            of.execute(_END, ([row[0] for row in taken], [row[1] for row in taken]))
    return len(taken)


if __name__ == "__main__":
    main()
