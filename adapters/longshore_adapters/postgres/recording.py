"""New rows, with or without a message: what `record` and `enqueue` write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.protocol import Recorded
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.drafting import draft_of
from longshore_adapters.postgres.wire import STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from longshore.identity import TaskId
    from longshore.protocol import Record
    from longshore_adapters.postgres.session import Session
    from longshore_adapters.postgres.wire import Row


async def record(session: Session, records: Sequence[Record], *, sends: bool) -> list[Recorded]:
    """Insert what is absent, with `sends` with messages; answer the states of what was there."""
    firsts = first_of_each(records)
    if not firsts:
        return []
    draft = draft_of(list(firsts.values()), sends=sends)
    rows = await session.woken(draft.queues, draft.statement, **draft.values)
    inserted = {row[0] for row in rows}
    found: list[Row] = []
    if len(inserted) < len(records):
        found = await session.all(statements.STATES_BY_ID, ids=list(firsts))
    return answers(records, inserted, found)


def first_of_each(records: Sequence[Record]) -> Mapping[TaskId, Record]:
    """Leave out records whose ids came before: the first of equal ids is what the others find."""
    firsts: dict[TaskId, Record] = {}
    for each in records:
        firsts.setdefault(each.spec.id, each)
    return firsts


def answers(
    records: Sequence[Record], inserted: set[TaskId], found: Iterable[Row]
) -> list[Recorded]:
    """Say of each what became of it; a row that was pruned meanwhile had ended as it is told."""
    states = {row[0]: STATES[row[1]] for row in found}
    said: list[Recorded] = []
    for record in records:
        task_id = record.spec.id
        new = task_id in inserted
        inserted.discard(task_id)
        state = record.state if new else states.get(task_id, record.state)
        said.append(Recorded(task_id=task_id, inserted=new, state=state))
    return said
