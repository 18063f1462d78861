"""The ends of attempts, and changes by scheduler and operator.

A success is written by one statement for a whole batch, with the messages; every other end is
decided by `longshore.protocol`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from longshore import protocol
from longshore.protocol import Changed, End, Finished
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.delivering import receipt_of
from longshore_adapters.postgres.ledger import Ledger
from longshore_adapters.postgres.scalars import lines_text, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.identity import TaskId
    from longshore.protocol import Change, Outcome
    from longshore.queue import Delivery
    from longshore_adapters.postgres.database import Database
    from longshore_adapters.postgres.session import Session


async def succeed(
    session: Session, outcomes: Sequence[Outcome], held: Mapping[TaskId, Delivery]
) -> dict[TaskId, Finished]:
    """Write what ends well and is kept, and remove its message; answer those alone.

    Nothing where two are of one task: the second would have to see the first.
    """
    plain = [each for each in outcomes if each.end is End.SUCCESS and each.error is None]
    if not plain or len({each.task_id for each in outcomes}) < len(outcomes):
        return {}
    receipts = [
        receipt_of(held[each.task_id]) if each.task_id in held else (None, None) for each in plain
    ]
    rows = await session.all(
        statements.SUCCEED,
        ids=[each.task_id for each in plain],
        tokens=[each.token for each in plain],
        results=[each.result for each in plain],
        reports=[each.report for each in plain],
        reasons=[text(each.reason) for each in plain],
        lines=[lines_text(each.lines) for each in plain],
        seqs=[seq for seq, _ in receipts],
        receipts=[receipt for _, receipt in receipts],
    )
    ended = {each.task_id: each for each in plain}
    return {task_id: protocol.succeeded(ended[task_id], run) for task_id, run in rows}


async def finish(database: Database, outcomes: Sequence[Outcome]) -> list[Finished]:
    """Decide each end; of two for one task in a batch, the second sees the first.

    Each step is done again by itself where somebody was in its way.
    """
    done = await database.run(partial(succeed, outcomes=outcomes, held={}))
    rest = [outcome for outcome in outcomes if outcome.task_id not in done]
    decided = iter(await database.run(partial(_decide_all, outcomes=rest)) if rest else ())
    return [done.get(outcome.task_id) or next(decided) for outcome in outcomes]


async def _decide_all(session: Session, outcomes: Sequence[Outcome]) -> list[Finished]:
    async with session.transaction():
        return await decide(session, outcomes)


async def decide(session: Session, outcomes: Sequence[Outcome]) -> list[Finished]:
    """Decide ends by the protocol, inside a transaction."""
    ledger = await Ledger.read(session, [outcome.task_id for outcome in outcomes])
    answers: list[Finished] = []
    for outcome in outcomes:
        after, answer, attempt = protocol.finish(ledger.get(outcome.task_id), outcome, ledger.now)
        ledger.write(after, attempt)
        answers.append(answer)
    await ledger.flush()
    return answers


async def transition(session: Session, changes: Sequence[Change]) -> list[Changed]:
    """Decide each change; the second of two for one task sees the first."""
    async with session.transaction():
        ledger = await Ledger.read(session, [wanted.task_id for wanted in changes])
        answers: list[Changed] = []
        for wanted in changes:
            row = ledger.get(wanted.task_id)
            after, forced = protocol.change(row, wanted, ledger.now)
            ledger.write(after, forced)
            applied = after is not None
            task = after if applied else row
            answers.append(Changed(task_id=wanted.task_id, applied=applied, task=task))
        await ledger.flush()
    return answers
