"""Claims, renewals and notes.

A plain start (an open row, due, not expired, without a wake-up) is decided by the server, for a
whole batch in one statement; every other claim is decided by `longshore.protocol`. The conformance
kit and a comparison with the memory adapter hold both to the same answers.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from longshore import protocol
from longshore.protocol import Answer, Claimed, Renewed
from longshore.task import TaskState
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.ledger import Ledger
from longshore_adapters.postgres.scalars import span, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from longshore.identity import TaskId
    from longshore.protocol import Claim, Note, Renewal
    from longshore_adapters.postgres.database import Database
    from longshore_adapters.postgres.session import Session
    from longshore_adapters.postgres.wire import Row


async def claim(database: Database, bids: Sequence[Claim]) -> list[Claimed]:
    """Decide each claim; of two for one task in a batch, the second sees the first.

    Each step is done again by itself where somebody was in its way: what was won stays won.
    """
    if not bids or len({bid.spec.id for bid in bids}) < len(bids):
        return await database.run(partial(_decide, bids=bids))
    won: dict[TaskId, Claimed] = {}
    for some in _alike(bids):
        won |= await database.run(partial(_start, bids=some))
    others = [bid for bid in bids if bid.spec.id not in won]
    if others:
        answers = await database.run(partial(_decide, bids=others))
        won |= zip((bid.spec.id for bid in others), answers, strict=True)
    return [won[bid.spec.id] for bid in bids]


def _alike(bids: Sequence[Claim]) -> Iterable[Sequence[Claim]]:
    """Put together what one statement may start: nearly always all there is."""
    alike: defaultdict[tuple[str, timedelta, int], list[Claim]] = defaultdict(list)
    for bid in bids:
        if not bid.early_ack:
            alike[bid.worker, bid.lease, bid.max_rescues].append(bid)
    return alike.values()


async def _start(session: Session, bids: Sequence[Claim]) -> dict[TaskId, Claimed]:
    one = bids[0]
    started = await session.all(
        statements.START,
        ids=[bid.spec.id for bid in bids],
        claims=[text(bid.claim_id) for bid in bids],
        worker=text(one.worker),
        lease=span(one.lease),
    )
    return {row[0]: _won(row, one.max_rescues) for row in started}


def _won(row: Row, max_rescues: int) -> Claimed:
    _id, token, attempts, run, rescues, has_body = row
    return Claimed(
        answer=Answer.WON,
        state=TaskState.RUNNING,
        token=token,
        attempt=attempts,
        run=run,
        rescues=rescues,
        alone=0 < max_rescues <= rescues,
        has_body=has_body,
    )


async def _decide(session: Session, bids: Sequence[Claim]) -> list[Claimed]:
    async with session.transaction():
        ledger = await Ledger.read(session, [bid.spec.id for bid in bids])
        answers: list[Claimed] = []
        for bid in bids:
            after, answer, lost = protocol.claim(ledger.get(bid.spec.id), bid, ledger.now)
            ledger.write(after, lost)
            answers.append(answer)
        await ledger.flush()
    return answers


async def renew(session: Session, renewals: Sequence[Renewal]) -> list[Renewed]:
    """Move the ends of leases, all with one statement."""
    rows = await session.all(
        statements.RENEW,
        ids=[item.task_id for item in renewals],
        tokens=[item.token for item in renewals],
        leases=[span(item.lease) for item in renewals],
    )
    kept = {(task_id, token): cancelled for task_id, token, cancelled in rows}
    return [
        Renewed(
            task_id=item.task_id,
            ok=(item.task_id, item.token) in kept,
            cancel_requested=kept.get((item.task_id, item.token), False),
        )
        for item in renewals
    ]


async def note(session: Session, notes: Sequence[Note]) -> list[bool]:
    """Write progress under the token."""
    return [
        await session.run(
            statements.NOTE,
            progress=item.progress,
            note=text(item.text),
            id=item.task_id,
            token=item.token,
        )
        == 1
        for item in notes
    ]
