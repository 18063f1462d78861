"""Queue and log of one file in one transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from longshore.together import Settled
from longshore_adapters.sqlite import delivering, finishing, recording
from longshore_adapters.sqlite.drafting import drafts_of
from longshore_adapters.sqlite.limits import FIT
from longshore_adapters.sqlite.scalars import micros
from longshore_adapters.sqlite.task_log import refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Finished, Record, Recorded
    from longshore.together import Settlement
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.file import File


class SqliteTogether:
    """Rows and messages of an open file."""

    def __init__(self, file: File) -> None:
        """Serve the file's rows and messages."""
        self._file = file

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, all or none."""
        drafts = drafts_of(records, micros(self._file.clock.now()))
        states = await self._file.write(partial(recording.insert_drafts, drafts=drafts))
        return recording.answers(records, states)

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        """Finish attempts and settle their messages."""
        errors = [FIT.outcome(settlement.outcome) for settlement in settlements]
        if not any(errors):
            return await self._file.write(partial(_settle, settlements=settlements))
        pairs = list(zip(settlements, errors, strict=True))
        finished = iter(await self.settle([item for item, error in pairs if error is None]))
        return [
            next(finished) if error is None else await refused(self._file, item.outcome, error)
            for item, error in pairs
        ]


def _settle(transaction: Transaction, settlements: Sequence[Settlement]) -> list[Finished]:
    finished = finishing.finish(transaction, [item.outcome for item in settlements])
    settled = Settled.of(settlements, finished)
    if settled.acked:
        delivering.forget(transaction, settled.acked)
    if settled.released:
        delivering.give_back(transaction, settled.released)
    if settled.rejected:
        delivering.bury(transaction, settled.rejected)
    return finished
