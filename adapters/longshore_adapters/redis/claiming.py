"""Claims, renewals and notes.

A plain start (an open row, due, not expired, without a wake-up) is decided by the server, for a
whole batch at once; every other claim by `longshore.protocol`. The conformance kit and a comparison
with the memory adapter hold both to the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore import protocol
from longshore.protocol import Answer, Claimed, Renewed
from longshore.quick import replace
from longshore.task import TaskState
from longshore_adapters.redis import scripts
from longshore_adapters.redis.ledger import Verb
from longshore_adapters.redis.scalars import raw, span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.protocol import Claim, Note, Renewal
    from longshore.task import Attempt, Task
    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.ledger import Ledger

_CANCELLED: Final = 2


class Claims:
    """What starts attempts, and keeps them."""

    def __init__(self, connection: Connection, ledger: Ledger) -> None:
        """Serve one connection."""
        self._connection = connection
        self._ledger = ledger
        self._keys = (*connection.keys.common, *connection.keys.log)

    async def claim(self, bids: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim; of two for one task in a batch, the second sees the first."""
        plain = not any(bid.early_ack for bid in bids)
        if not bids or not plain or len({bid.spec.id for bid in bids}) < len(bids):
            return await self._ledger.decide(CLAIM, bids)
        won = await self._start(bids)
        others = [place for place, answer in enumerate(won) if answer is None]
        decided = iter(await self._ledger.decide(CLAIM, [bids[place] for place in others]))
        return [next(decided) if answer is None else answer for answer in won]

    async def _start(self, bids: Sequence[Claim]) -> list[Claimed | None]:
        arguments: list[bytes | int] = []
        for bid in bids:
            arguments += (raw(bid.spec.id), span(bid.lease), raw(bid.claim_id), raw(bid.worker))
        found = await self._connection.run(scripts.CLAIM, self._keys, *arguments)
        return [_won(bid, row) if row else None for bid, row in zip(bids, found, strict=True)]

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Move the ends of leases."""
        arguments: list[bytes | int] = []
        for renewal in renewals:
            arguments += (raw(renewal.task_id), renewal.token, span(renewal.lease))
        told = await self._connection.run(scripts.RENEW, self._keys, *arguments)
        return [
            Renewed(task_id=each.task_id, ok=answer > 0, cancel_requested=answer == _CANCELLED)
            for each, answer in zip(renewals, told, strict=True)
        ]

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress under the token; a part that is None stays as it was."""
        return await self._ledger.decide(NOTE, notes)


def _won(bid: Claim, row: bytes) -> Claimed:
    token, attempt, run, rescues, has_body = map(int, row.split())
    return Claimed(
        answer=Answer.WON,
        state=TaskState.RUNNING,
        token=token,
        attempt=attempt,
        run=run,
        rescues=rescues,
        alone=0 < bid.max_rescues <= rescues,
        has_body=bool(has_body),
    )


def _note(row: Task | None, note: Note, now: datetime) -> tuple[Task | None, bool, Attempt | None]:
    if row is None or row.state is not TaskState.RUNNING or row.token != note.token:
        return None, False, None
    noted = replace(
        row,
        progress=row.progress if note.progress is None else note.progress,
        progress_note=row.progress_note if note.text is None else note.text,
        updated_at=now,
    )
    return noted, True, None


CLAIM: Final[Verb[Claim, Claimed]] = Verb(lambda bid: bid.spec.id, protocol.claim)
NOTE: Final[Verb[Note, bool]] = Verb(lambda note: note.task_id, _note)
