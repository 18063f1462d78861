"""New rows, with or without a message: what `record` and `enqueue` write."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, cast

from longshore.protocol import Recorded
from longshore.task import OPEN
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.scalars import json_list, text
from longshore_adapters.sqlite.wire import STATES, record_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.protocol import Record
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.wire import Row


class Draft(NamedTuple):
    """A record as rows: its own, its body's, and its message's before and after the task's number.

    Made before the transaction, so that nobody waits for the lock while it is made.
    """

    row: Row
    body: bytes
    message: Row = ()
    rest: Row = ()


def draft(record: Record, now: int) -> Draft:
    """Write a record without a message."""
    return Draft(record_row(record, now), record.spec.body)


def draft_with_message(record: Record, now: int) -> Draft:
    """Write a record and its message; one that is armed or not open gets none."""
    row, spec = record_row(record, now), record.spec
    if record.armed or record.state not in OPEN:
        return Draft(row, spec.body)
    due_at: int = row[_DUE_AT]
    ready = due_at <= now
    message = (spec.id, spec.queue, spec.priority, ready, now if ready else due_at, now)
    # The message shares the body of its row, except where success strips the row.
    own = spec.body if spec.delete_on_complete else None
    return Draft(row, spec.body, message, (text(spec.tenant), None, own))


def insert_drafts(transaction: Transaction, drafts: Sequence[Draft]) -> list[str | None]:
    """Insert what is absent; for what was there already, answer its state."""
    if len(drafts) == 1:
        return [_insert_one(transaction, drafts[0])]
    [(first,)] = transaction.all(statements.NEXT_SEQ)
    plain = all(draft.row[statements.PLAIN_RECORD :] == statements.NOTHING for draft in drafts)
    end = statements.PLAIN_RECORD if plain else None
    sized = statements.INSERT_PLAIN_RECORDS if plain else statements.INSERT_RECORDS
    rows = [(seq, *draft.row[:end]) for seq, draft in enumerate(drafts, first)]
    inserted = _insert(transaction, sized, rows)
    new = list(enumerate(drafts, first))
    states: list[str | None] = [None] * len(drafts)
    if inserted < len(drafts):
        ids = [draft.row[0] for draft in drafts]
        seqs = dict(transaction.all(statements.SEQS_BY_ID, (json_list(ids),)))
        new = [(seq, draft) for seq, draft in new if seqs[draft.row[0]] == seq]
        states = _known(transaction, drafts, {draft.row[0] for _, draft in new})
    _insert(transaction, statements.INSERT_PAYLOADS, [(seq, draft.body) for seq, draft in new])
    sent = [(seq, draft) for seq, draft in new if draft.message]
    if all(draft.rest == (None, None, None) for _, draft in sent):
        messages = [(*draft.message, seq) for seq, draft in sent]
        _insert(transaction, statements.INSERT_PLAIN_MESSAGES, messages)
    else:
        messages = [(*draft.message, seq, *draft.rest) for seq, draft in sent]
        _insert(transaction, statements.INSERT_MESSAGES, messages)
    transaction.touched.update({cast("str", message[1]) for message in messages})
    return states


def _insert(transaction: Transaction, sized: Mapping[int, str], rows: Sequence[Row]) -> int:
    """Insert rows that return nothing; answer how many were."""
    count = 0
    for portion in statements.portions(rows):
        values = list(chain.from_iterable(portion))
        count += transaction.run(sized[len(portion)], values).rowcount
    return count


def answers(records: Sequence[Record], states: Sequence[str | None]) -> list[Recorded]:
    """Say what `insert_drafts` did."""
    if len(states) == 1 and states[0] is None:
        return [Recorded(task_id=records[0].spec.id, inserted=True, state=records[0].state)]
    return [
        Recorded(
            task_id=record.spec.id,
            inserted=state is None,
            state=record.state if state is None else STATES[state],
        )
        for record, state in zip(records, states, strict=True)
    ]


def _insert_one(transaction: Transaction, draft: Draft) -> str | None:
    """Do the same for one, with less around it."""
    row = draft.row
    if row[statements.PLAIN_RECORD :] == statements.NOTHING:
        cursor = transaction.run(statements.INSERT_PLAIN_RECORD, row[: statements.PLAIN_RECORD])
    else:
        cursor = transaction.run(statements.INSERT_RECORD, row)
    if cursor.rowcount == 0:
        [state] = transaction.run(statements.STATE_BY_ID, (draft.row[0],)).fetchone()
        return str(state)
    seq = cursor.lastrowid
    transaction.run(statements.INSERT_PAYLOADS[1], (seq, draft.body))
    if draft.message:
        if draft.rest == (None, None, None):
            transaction.run(statements.INSERT_PLAIN_MESSAGES[1], (*draft.message, seq))
        else:
            values = (*draft.message, seq, *draft.rest)
            transaction.run(statements.INSERT_MESSAGES[1], values)
        transaction.touched.add(draft.message[1])
    return None


def _known(
    transaction: Transaction, drafts: Sequence[Draft], inserted: set[str]
) -> list[str | None]:
    """Find the states of rows that were there; the second of two equal ids finds the first."""
    ids = [draft.row[0] for draft in drafts]
    rows = transaction.all(statements.STATES_BY_ID, (json_list(ids),))
    states: dict[str, str] = {row[0]: row[1] for row in rows}
    found: list[str | None] = []
    for task_id in ids:
        found.append(None if task_id in inserted else states[task_id])
        inserted.discard(task_id)
    return found


_DUE_AT = statements.RECORD_COLUMNS.index("due_at")
