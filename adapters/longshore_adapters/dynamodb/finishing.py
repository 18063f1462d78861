"""Records, ends of attempts, and changes: what each verb decides, and says of too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore import protocol
from longshore.protocol import Changed, Finished, Recorded
from longshore_adapters.dynamodb.rounds import Verb

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.protocol import Change, Outcome, Record
    from longshore.task import Attempt, Task


def _record(
    row: Task | None, entry: Record, now: datetime
) -> tuple[Task | None, Recorded, Attempt | None]:
    task_id = entry.spec.id
    if row is not None:
        return None, Recorded(task_id=task_id, inserted=False, state=row.state), None
    answer = Recorded(task_id=task_id, inserted=True, state=entry.state)
    return protocol.record(entry, now), answer, None


def _not_recorded(entry: Record, _row: Task | None, error: LongshoreError) -> Recorded:
    return Recorded(task_id=entry.spec.id, inserted=False, state=entry.state, error=error)


def _change(
    row: Task | None, wanted: Change, now: datetime
) -> tuple[Task | None, Changed, Attempt | None]:
    after, ended = protocol.change(row, wanted, now)
    applied = after is not None
    task = after if applied else row
    return after, Changed(task_id=wanted.task_id, applied=applied, task=task), ended


def _not_changed(wanted: Change, row: Task | None, _error: LongshoreError) -> Changed:
    return Changed(task_id=wanted.task_id, applied=False, task=row)


RECORD: Final[Verb[Record, Recorded]] = Verb(
    lambda entry: entry.spec.id, _record, _not_recorded, inserts=True
)
FINISH: Final[Verb[Outcome, Finished]] = Verb(
    lambda outcome: outcome.task_id, protocol.finish, protocol.refused
)
CHANGE: Final[Verb[Change, Changed]] = Verb(lambda wanted: wanted.task_id, _change, _not_changed)
