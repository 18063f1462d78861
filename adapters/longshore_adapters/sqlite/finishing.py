"""The ends of attempts, and changes by scheduler and operator, inside one transaction.

A success is written here, for a whole batch with a few statements; every other end is decided by
`longshore.protocol`.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from longshore import protocol
from longshore.protocol import Changed, End, Finished
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.ledger import Ledger, insert
from longshore_adapters.sqlite.scalars import json_list, lines_text, moment, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.identity import TaskId
    from longshore.protocol import Change, Outcome
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.wire import Row

_NOTHING = (None, None, None)
"""What an end leaves behind whose handler returned nothing, and said nothing."""


def finish(transaction: Transaction, outcomes: Sequence[Outcome]) -> list[Finished]:
    """Decide each end; of two for one task in a batch, the second sees the first."""
    plain = {
        outcome.task_id: outcome
        for outcome in outcomes
        if outcome.end is End.SUCCESS and outcome.error is None
    }
    if len(plain) < len(outcomes) and len({o.task_id for o in outcomes}) < len(outcomes):
        return _decide(transaction, outcomes)
    runs = _succeed(transaction, plain)
    others = iter(_decide(transaction, [o for o in outcomes if o.task_id not in runs]))
    return [
        protocol.succeeded(outcome, runs[outcome.task_id])
        if outcome.task_id in runs
        else next(others)
        for outcome in outcomes
    ]


def _succeed(transaction: Transaction, outcomes: Mapping[TaskId, Outcome]) -> dict[TaskId, int]:
    """Write what ends well and is kept; answer the run of each."""
    now = transaction.now
    rows = [
        row
        for row in transaction.facts(statements.ENDING, (json_list(outcomes),))
        if _may_succeed(row, outcomes[row[0]])
    ]
    attempts = [_attempt(row, outcomes[row[0]], now) for row in rows]
    insert(transaction, statements.INSERT_ATTEMPTS, attempts)
    ended = [_ended(row[1], outcomes[row[0]]) for row in rows]
    silent = [end[0] for end in ended if end[1:] == _NOTHING]
    if silent:
        transaction.run(statements.SUCCEED_SILENTLY, (now, json_list(silent)))
    for portion in statements.portions([end for end in ended if end[1:] != _NOTHING]):
        values = chain.from_iterable(portion)
        transaction.run(statements.SUCCEED[len(portion)], (*values, now, now))
    return {row[0]: row[4] for row in rows}


def _may_succeed(row: Row, outcome: Outcome) -> bool:
    _id, _seq, state, token, *_, delete_on_complete = row
    return state == "running" and token == outcome.token and not delete_on_complete


def _attempt(row: Row, outcome: Outcome, now: int) -> Row:
    _id, seq, _state, token, run, number, worker, started_at, updated_at, _ = row
    began = updated_at if started_at is None else started_at
    lines = lines_text(outcome.lines) if outcome.lines else None
    return (seq, token, run, number, worker or "", "succeeded", began, now, None, lines)


def _ended(seq: int, outcome: Outcome) -> Row:
    return (seq, outcome.result, outcome.report, text(outcome.reason))


def _decide(transaction: Transaction, outcomes: Sequence[Outcome]) -> list[Finished]:
    if not outcomes:
        return []
    now = moment(transaction.now)
    ledger = Ledger(transaction, [outcome.task_id for outcome in outcomes])
    answers: list[Finished] = []
    for outcome in outcomes:
        after, answer, attempt = protocol.finish(ledger.get(outcome.task_id), outcome, now)
        ledger.write(after, attempt)
        answers.append(answer)
    ledger.flush()
    return answers


def transition(transaction: Transaction, changes: Sequence[Change]) -> list[Changed]:
    """Decide each change; the second of two for one task sees the first."""
    now = moment(transaction.now)
    ledger = Ledger(transaction, [wanted.task_id for wanted in changes])
    answers: list[Changed] = []
    for wanted in changes:
        row = ledger.get(wanted.task_id)
        after, forced = protocol.change(row, wanted, now)
        ledger.write(after, forced)
        applied = after is not None
        task = after if applied else row
        answers.append(Changed(task_id=wanted.task_id, applied=applied, task=task))
    ledger.flush()
    return answers
