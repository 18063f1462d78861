"""Claims, renewals and notes, inside one transaction.

A plain start (an open row, due, not expired, without a wake-up) is decided here, for a whole
batch with two statements; every other claim is decided by `longshore.protocol`. The conformance
kit and a comparison with the memory adapter hold both to the same answers.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from longshore import protocol
from longshore.protocol import Answer, Claimed, Renewed
from longshore.task import OPEN, TaskState
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.ledger import Ledger
from longshore_adapters.sqlite.scalars import json_list, later, legible, moment, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from longshore.protocol import Claim, Note, Renewal
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.wire import Row

_OPEN = frozenset(state.value for state in OPEN)


def claim(transaction: Transaction, bids: Sequence[Claim]) -> list[Claimed]:
    """Decide each claim; of two for one task in a batch, the second sees the first."""
    ids = {bid.spec.id for bid in bids}
    if len(ids) < len(bids):
        return _decide(transaction, bids)
    found = transaction.facts(statements.STARTABLE, (json_list(ids),))
    rows = {row[0]: row for row in found if _may_start(row, transaction.now)}
    plain = [bid for bid in bids if bid.spec.id in rows and not bid.early_ack]
    won = _start(transaction, plain, rows)
    others = [bid for bid in bids if bid.spec.id not in won]
    won |= zip((bid.spec.id for bid in others), _decide(transaction, others), strict=True)
    return [won[bid.spec.id] for bid in bids]


def _may_start(row: Row, now: int) -> bool:
    _id, _seq, state, due_at, expires_at, wake_at, *_ = row
    expired = expires_at is not None and expires_at <= now
    return state in _OPEN and due_at <= now and not expired and wake_at is None


def _start(
    transaction: Transaction, bids: Sequence[Claim], rows: Mapping[str, Row]
) -> dict[str, Claimed]:
    now = transaction.now
    started: defaultdict[tuple[str, timedelta], list[tuple[int, str]]] = defaultdict(list)
    for bid in bids:
        started[bid.worker, bid.lease].append((rows[bid.spec.id][1], bid.claim_id))
    for (worker, lease), items in started.items():
        values = (legible(worker), later(now, lease), now, now, json_list(items))
        transaction.run(statements.START, values)
    # Most answers of a batch are equal, and a frozen value may be given out many times.
    same: dict[Row, Claimed] = {}
    won: dict[str, Claimed] = {}
    for bid in bids:
        facts = (*rows[bid.spec.id][6:], bid.max_rescues)
        if facts not in same:
            same[facts] = _won(facts)
        won[bid.spec.id] = same[facts]
    return won


def _won(facts: Row) -> Claimed:
    token, attempts, run, rescues, has_body, max_rescues = facts
    return Claimed(
        answer=Answer.WON,
        state=TaskState.RUNNING,
        token=token + 1,
        attempt=attempts + 1,
        run=run,
        rescues=rescues,
        alone=0 < max_rescues <= rescues,
        has_body=bool(has_body),
    )


def _decide(transaction: Transaction, bids: Sequence[Claim]) -> list[Claimed]:
    if not bids:
        return []
    now = moment(transaction.now)
    ledger = Ledger(transaction, [bid.spec.id for bid in bids])
    answers: list[Claimed] = []
    for bid in bids:
        after, answer, lost = protocol.claim(ledger.get(bid.spec.id), bid, now)
        ledger.write(after, lost)
        answers.append(answer)
    ledger.flush()
    return answers


def renew(transaction: Transaction, renewals: Sequence[Renewal]) -> list[Renewed]:
    """Move the ends of leases, all with one statement."""
    now = transaction.now
    items = [(item.task_id, item.token, later(now, item.lease)) for item in renewals]
    kept = {
        (task_id, token): cancel_requested_at is not None
        for task_id, token, cancel_requested_at in transaction.all(
            statements.RENEW, (now, json_list(items))
        )
    }
    return [
        Renewed(
            task_id=item.task_id,
            ok=(item.task_id, item.token) in kept,
            cancel_requested=kept.get((item.task_id, item.token), False),
        )
        for item in renewals
    ]


def note(transaction: Transaction, notes: Sequence[Note]) -> list[bool]:
    """Write progress under the token."""
    return [
        transaction.run(
            statements.NOTE,
            (item.progress, text(item.text), transaction.now, item.task_id, item.token),
        ).rowcount
        == 1
        for item in notes
    ]
