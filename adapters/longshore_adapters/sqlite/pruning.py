"""Removing old final rows, in two steps: the reader looks for them, the writer removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.scalars import json_list

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from longshore.task import TaskState
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.wire import Row

_PAGE = 1000


class Candidates(NamedTuple):
    """Rows as (updated_at, seq, id), and the newest message there was when they were found."""

    rows: Sequence[Row]
    newest_message: int


def look(
    transaction: Transaction, states: Collection[TaskState], before: int, limit: int
) -> Candidates:
    """Find the oldest rows of which no message stands: such a message would run its task again.

    There is no index of the messages' keys, for each message would pay for it; a look reads
    through the messages once for each thousand rows.
    """
    [(newest,)] = transaction.all(statements.NEWEST_MESSAGE)
    rows = [row for state in states for row in _of(transaction, state.value, before, limit)]
    return Candidates(sorted(rows)[:limit], newest)


def _of(transaction: Transaction, state: str, before: int, limit: int) -> list[Row]:
    found: list[Row] = []
    past: Row = (-(2**63), 0)
    while len(found) < limit:
        page = transaction.all(statements.OLD, (state, before, *past[:2], _PAGE))
        if not page:
            break
        standing = _standing(transaction, 0, page)
        found += [row for row in page if row[2] not in standing]
        past = page[-1]
    return found[:limit]


def prune(transaction: Transaction, found: Candidates, before: int) -> int:
    """Remove what was found, unless it was written or sent again meanwhile.

    Their dead letters go with them: a copy that came back later would run its task again.
    """
    standing = _standing(transaction, found.newest_message, found.rows)
    seqs = json_list(seq for _, seq, task_id in found.rows if task_id not in standing)
    removed = transaction.all(statements.PRUNE, (seqs, before))
    gone = json_list(row[0] for row in removed)
    transaction.run(statements.DROP_ATTEMPTS, (gone,))
    transaction.run(statements.DROP_PAYLOADS, (gone,))
    transaction.run(statements.DROP_LETTERS, (json_list(row[1] for row in removed),))
    return len(removed)


def _standing(transaction: Transaction, past: int, rows: Sequence[Row]) -> set[str]:
    ids = json_list(row[2] for row in rows)
    return {row[0] for row in transaction.all(statements.STANDING_KEYS, (past, ids))}
