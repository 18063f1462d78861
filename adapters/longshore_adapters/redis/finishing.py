"""The ends of attempts, with or without a message, and the operator's changes.

A plain success (a running row of this token, without progress or error) is decided by the server,
for a whole batch at once; every other end by `longshore.protocol`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore import protocol
from longshore.protocol import Changed, End, Finished
from longshore_adapters.redis import scripts
from longshore_adapters.redis.ledger import Queues, Verb, move_of
from longshore_adapters.redis.letters import receipt_of
from longshore_adapters.redis.limits import FIT
from longshore_adapters.redis.scalars import micros, raw
from longshore_adapters.redis.wire import told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.protocol import Change, Outcome
    from longshore.task import Attempt, Task
    from longshore.together import Settlement
    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.ledger import Ledger

_SUCCEEDED: Final = told("succeeded", None, ())
_NO_MESSAGE: Final = (0, b"", b"", b"")


async def settle(
    connection: Connection, ledger: Ledger, ends: Sequence[Settlement]
) -> list[Finished]:
    """Decide each end; one that is above a limit is answered its error alone."""
    errors = [FIT.outcome(end.outcome) for end in ends]
    if any(errors):
        fitting = [end for end, error in zip(ends, errors, strict=True) if error is None]
        done = iter(await settle(connection, ledger, fitting))
        refused = await _refused(ledger, ends, errors)
        return [next(done) if one is None else one for one in refused]
    if not ends or len({end.outcome.task_id for end in ends}) < len(ends):
        return await ledger.decide(FINISH, ends)
    plain = [place for place, end in enumerate(ends) if _is_plain(end.outcome)]
    told = await _succeed(connection, [ends[place] for place in plain])
    answers = {place: one for place, one in zip(plain, told, strict=True) if one is not None}
    others = [place for place in range(len(ends)) if place not in answers]
    decided = await ledger.decide(FINISH, [ends[place] for place in others])
    answers |= dict(zip(others, decided, strict=True))
    return [answers[place] for place in range(len(ends))]


def _is_plain(outcome: Outcome) -> bool:
    return outcome.end is End.SUCCESS and outcome.reason is None and outcome.error is None


async def _succeed(connection: Connection, ends: Sequence[Settlement]) -> list[Finished | None]:
    if not ends:
        return []
    queues, arguments = Queues(connection.keys), list[bytes | int]()
    for end in ends:
        arguments += _success(end, queues)
    runs = await connection.run(scripts.SUCCEED, queues.keys(), *queues.names(), *arguments)
    return [
        protocol.succeeded(end.outcome, run - 1) if run else None
        for end, run in zip(ends, runs, strict=True)
    ]


def _success(end: Settlement, queues: Queues) -> list[bytes | int]:
    outcome, delivery = end.outcome, end.delivery
    acked = delivery if outcome.held else None
    return [
        raw(outcome.task_id),
        outcome.token,
        b"" if outcome.started_at is None else micros(outcome.started_at),
        b"" if outcome.result is None else b"=" + outcome.result,
        b"" if outcome.report is None else b"=" + outcome.report,
        told("succeeded", None, outcome.lines) if outcome.lines else _SUCCEEDED,
        *(_NO_MESSAGE if acked is None else (queues.place(acked.queue), *receipt_of(acked))),
    ]


async def _refused(
    ledger: Ledger, ends: Sequence[Settlement], errors: Sequence[LongshoreError | None]
) -> list[Finished | None]:
    ids = [end.outcome.task_id for end, error in zip(ends, errors, strict=True) if error]
    _, seen = await ledger.seen(ids, whole=False)
    return [
        None
        if error is None
        else protocol.refused(end.outcome, seen[end.outcome.task_id].task, error)
        for end, error in zip(ends, errors, strict=True)
    ]


def _finish(
    row: Task | None, end: Settlement, now: datetime
) -> tuple[Task | None, Finished, Attempt | None]:
    return protocol.finish(row, end.outcome, now)


def _change(
    row: Task | None, wanted: Change, now: datetime
) -> tuple[Task | None, Changed, Attempt | None]:
    after, ended = protocol.change(row, wanted, now)
    applied = after is not None
    task = after if applied else row
    return after, Changed(task_id=wanted.task_id, applied=applied, task=task), ended


FINISH: Final[Verb[Settlement, Finished]] = Verb(
    lambda end: end.outcome.task_id,
    _finish,
    lambda end, answer: move_of(end.outcome, end.delivery, answer),
)
CHANGE: Final[Verb[Change, Changed]] = Verb(lambda wanted: wanted.task_id, _change, whole=True)
