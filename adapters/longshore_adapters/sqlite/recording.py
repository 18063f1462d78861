"""New rows, with or without a message: what `record` and `enqueue` write."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from longshore.protocol import Recorded
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.scalars import json_list
from longshore_adapters.sqlite.wire import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Record
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.drafting import Drafts
    from longshore_adapters.sqlite.statements import Numbered


def insert_drafts(transaction: Transaction, drafts: Drafts) -> list[str | None]:
    """Insert what is absent; for what was there already, answer its state."""
    count = len(drafts.ids)
    if count == 1:
        return [_insert_one(transaction, drafts)]
    [(first,)] = transaction.all(statements.NEXT_SEQ)
    records = statements.PLAIN_RECORDS if drafts.plain else statements.RECORDS
    inserted = _insert(transaction, records, first, drafts.rows)
    states: list[str | None] = [None] * count
    new: Sequence[int] = range(count)
    if inserted < count:
        numbers = dict(transaction.all(statements.SEQS_BY_ID, (json_list(drafts.ids),)))
        new = [place for place in new if numbers[drafts.ids[place]] == first + place]
        states = _known(transaction, drafts.ids, {drafts.ids[place] for place in new})
    if inserted == count and not drafts.silent:
        _insert(transaction, statements.PAYLOADS, first, drafts.bodies)
        messages = _messages(drafts)
        _insert(transaction, messages, first, drafts.messages)
        transaction.touched.update(cast("list[str]", drafts.messages[1 :: messages.width]))
    else:
        for place in new:
            _follow(transaction, drafts, place, first + place)
    return states


def answers(records: Sequence[Record], states: Sequence[str | None]) -> list[Recorded]:
    """Say what `insert_drafts` did."""
    return [
        Recorded(
            task_id=record.spec.id,
            inserted=state is None,
            state=record.state if state is None else STATES[state],
        )
        for record, state in zip(records, states, strict=True)
    ]


def _insert(
    transaction: Transaction, insert: Numbered, first: int, values: Sequence[object]
) -> int:
    """Insert rows that return nothing, numbered from `first` on; answer how many were."""
    sized, width = insert
    count = 0
    for part in statements.portions(range(len(values) // width)):
        some = values[part[0] * width : (part[-1] + 1) * width]
        count += transaction.run(sized[len(part)], [first + part[0], *some]).rowcount
    return count


def _insert_one(transaction: Transaction, drafts: Drafts) -> str | None:
    """Do the same for one, with less around it."""
    insert = statements.INSERT_PLAIN_RECORD if drafts.plain else statements.INSERT_RECORD
    cursor = transaction.run(insert, drafts.rows)
    if cursor.rowcount == 0:
        [state] = transaction.run(statements.STATE_BY_ID, drafts.ids).fetchone()
        return str(state)
    _follow(transaction, drafts, 0, cast("int", cursor.lastrowid))
    return None


def _follow(transaction: Transaction, drafts: Drafts, place: int, number: int) -> None:
    """Insert the body of one record, and its message where it gets one."""
    transaction.run(statements.PAYLOADS.sized[1], (number, drafts.bodies[place]))
    if place in drafts.silent:
        return
    sized, width = _messages(drafts)
    message = drafts.messages[place * width : (place + 1) * width]
    transaction.run(sized[1], (number, *message))
    transaction.touched.add(cast("str", message[1]))


def _messages(drafts: Drafts) -> Numbered:
    return statements.PLAIN_TASK_MESSAGES if drafts.plain else statements.TASK_MESSAGES


def _known(transaction: Transaction, ids: Sequence[str], inserted: set[str]) -> list[str | None]:
    """Find the states of rows that were there; the second of two equal ids finds the first."""
    rows = transaction.all(statements.STATES_BY_ID, (json_list(ids),))
    states: dict[str, str] = {row[0]: row[1] for row in rows}
    found: list[str | None] = []
    for task_id in ids:
        found.append(None if task_id in inserted else states[task_id])
        inserted.discard(task_id)
    return found
