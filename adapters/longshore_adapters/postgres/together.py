"""Queue and log of one database in one transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from longshore.together import Settled
from longshore_adapters.postgres import delivering, finishing, recording
from longshore_adapters.postgres.limits import FIT
from longshore_adapters.postgres.task_log import refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.identity import TaskId
    from longshore.protocol import Finished, Record, Recorded
    from longshore.queue import Delivery
    from longshore.together import Settlement
    from longshore_adapters.postgres.database import Database
    from longshore_adapters.postgres.session import Session


class PostgresTogether:
    """Rows and messages of an open database."""

    def __init__(self, database: Database) -> None:
        """Serve the database's rows and messages."""
        self._database = database

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, all or none."""
        return await self._database.run(partial(recording.record, records=records, sends=True))

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        """Finish attempts and settle their messages; each of them is one step."""
        errors = [FIT.outcome(settlement.outcome) for settlement in settlements]
        if not any(errors):
            return await self._settle(settlements)
        pairs = list(zip(settlements, errors, strict=True))
        finished = iter(await self.settle([item for item, error in pairs if error is None]))
        return [
            next(finished) if error is None else await refused(self._database, item.outcome, error)
            for item, error in pairs
        ]

    async def _settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        held: dict[TaskId, Delivery] = {
            item.outcome.task_id: item.delivery for item in settlements if item.delivery is not None
        }
        outcomes = [item.outcome for item in settlements]
        succeed = partial(finishing.succeed, outcomes=outcomes, held=held)
        done = await self._database.run(succeed)
        rest = [item for item in settlements if item.outcome.task_id not in done]
        decide = partial(_decide, settlements=rest)
        decided = iter(await self._database.run(decide) if rest else ())
        return [done.get(outcome.task_id) or next(decided) for outcome in outcomes]


async def _decide(session: Session, settlements: Sequence[Settlement]) -> list[Finished]:
    async with session.transaction():
        finished = await finishing.decide(session, [item.outcome for item in settlements])
        await _deliver(session, settlements, finished)
    return finished


async def _deliver(
    session: Session, settlements: Sequence[Settlement], finished: Sequence[Finished]
) -> None:
    """Settle each message as the answer says.

    A delivery that is in other hands is refused, and the row decides what becomes of it.
    """
    settled = Settled.of(settlements, finished)
    if settled.acked:
        await delivering.forget(session, settled.acked)
    if settled.released:
        await delivering.give_back(session, settled.released)
    if settled.rejected:
        await delivering.bury(session, settled.rejected)
