"""Claims, renewals and notes: what is believed before it is written, and what is remembered.

A claim of a queue whose last claims all adopted is written as an adoption without a read; where
they all found the row as its client had recorded it, as a start of that row. Rows claimed here
are remembered until they end, so that their finish is written without a read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore import protocol
from longshore.protocol import Answer, Claimed, Renewed
from longshore.quick import replace
from longshore.task import TaskState
from longshore_adapters.dynamodb.beliefs import Beliefs
from longshore_adapters.dynamodb.drafting import fits
from longshore_adapters.dynamodb.ledger import believed
from longshore_adapters.dynamodb.limits import MAX_HEAD
from longshore_adapters.dynamodb.rounds import Verb
from longshore_adapters.dynamodb.scalars import LATEST, micros, number, text
from longshore_adapters.dynamodb.specs import spec_text
from longshore_adapters.dynamodb.statements import Kind, Lost, Write
from longshore_adapters.dynamodb.wire import (
    ABSENT,
    Seen,
    row_key,
    to_task,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.identity import TaskId
    from longshore.protocol import Claim, Note, Renewal
    from longshore.task import Attempt, Task, TaskSpec
    from longshore_adapters.dynamodb.ledger import Ledger
    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.table import Table

REMEMBERED: Final = 10_000
"""Claimed rows that a connection remembers; of more, the oldest are read again."""


class Claims:
    """The claims of one connection."""

    def __init__(self, ledger: Ledger, table: Table, skewed: Callable[[], bool]) -> None:
        """`skewed` tells whether this host's clock is too far from the service's."""
        self._ledger = ledger
        self._table = table
        self._skewed = skewed
        self._held: dict[TaskId, Seen] = {}
        self._beliefs = Beliefs()
        self._claim = Verb(lambda bid: bid.spec.id, self._decide, _unfit)

    async def claim(self, bids: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim."""
        before = self._beliefs.of(bids)
        rest = [bid.spec.id for bid in bids if bid.spec.id not in before]
        if rest:
            before |= await self._ledger.seen(rest)
        answers, after = await self._ledger.decide(self._claim, bids, before)
        self._beliefs.learn(bids, before, answers, after)
        for bid, answer in zip(bids, answers, strict=True):
            if answer.answer is Answer.WON:
                self._remember(after[bid.spec.id], bid.spec.id)
        return answers

    def held(self, ids: Iterable[TaskId]) -> dict[TaskId, Seen]:
        """Give the rows that were claimed here, as they were left."""
        return {task_id: self._held[task_id] for task_id in ids if task_id in self._held}

    def forget(self, ids: Iterable[TaskId]) -> None:
        """Let go of rows that ended, or were lost."""
        for task_id in ids:
            self._held.pop(task_id, None)

    async def note(self, notes: Sequence[Note]) -> list[bool]:
        """Write progress under the token."""
        rows = self.held([note.task_id for note in notes])
        answers, after = await self._ledger.decide(_NOTE, notes, rows)
        for task_id, row in after.items():
            if task_id in self._held:
                self._held[task_id] = believed(row)
        return answers

    async def renew(self, renewals: Sequence[Renewal], now: datetime) -> list[Renewed]:
        """Move the ends of leases, without a read where token and state are as they were."""
        found: dict[TaskId, Renewal] = {renewal.task_id: renewal for renewal in renewals}
        plain = list(found.values()) if len(found) == len(renewals) else []
        wrote = await self._table.write([_renewing(renewal, now) for renewal in plain])
        answers: dict[int, Renewed] = {}
        rows: dict[TaskId, Seen] = {}
        for place, (renewal, became) in enumerate(zip(plain, wrote, strict=True)):
            if became is None:
                answers[place] = Renewed(task_id=renewal.task_id, ok=True)
            elif isinstance(became, Lost):
                item = became.item
                rows[renewal.task_id] = Seen(to_task(item), item) if item else ABSENT
        left = [place for place in range(len(renewals)) if place not in answers]
        decided, _ = await self._ledger.decide(_RENEW, [renewals[place] for place in left], rows)
        answers |= zip(left, decided, strict=True)
        return [answers[place] for place in range(len(renewals))]

    def _remember(self, row: Seen, task_id: TaskId) -> None:
        self._held.pop(task_id, None)
        self._held[task_id] = believed(row)
        if len(self._held) > REMEMBERED:
            del self._held[next(iter(self._held))]

    def _decide(
        self, row: Task | None, bid: Claim, now: datetime
    ) -> tuple[Task | None, Claimed, Attempt | None]:
        """Decide as the protocol does; with a clock that is off, take nothing over."""
        if row is None:
            after, answer, _ = protocol.claim(None, replace(bid, spec=_fitting(bid.spec)), now)
            return *_lean(after, answer), None
        if row.state is not TaskState.RUNNING or not self._skewed():
            after, answer, attempt = protocol.claim(row, bid, now)
            return *_lean(after, answer), attempt
        early = min(now, row.lease_until or now)
        after, answer, attempt = protocol.claim(row, bid, early)
        if answer.answer is Answer.BUSY:
            answer = replace(answer, until=now + bid.lease)
        return after, answer, attempt


def _fitting(spec: TaskSpec) -> TaskSpec:
    """Leave out what a stranger's message says of a task in more words than a row can hold."""
    longest = 6  # bytes of JSON for a character
    if len(spec.body) * longest <= MAX_HEAD or len(spec_text(spec)) <= MAX_HEAD:
        return spec
    return replace(
        spec, tags=(), category=None, tenant=None, owner=None, label=None, parent_id=None, key=None
    )


def _lean(after: Task | None, answer: Claimed) -> tuple[Task | None, Claimed]:
    """Keep a body out that is above the limit; then the message must stay, and nothing is armed."""
    if after is None or after.body is None or fits(after.body):
        return after, answer
    lean = replace(after, body=None, wake_at=None)
    return lean, replace(answer, has_body=False, armed=False)


def _unfit(_bid: Claim, _row: Task | None, error: LongshoreError) -> Claimed:
    raise error


def _renewing(renewal: Renewal, now: datetime) -> Write:
    until = min(micros(now) + int(renewal.lease.total_seconds() * 1_000_000), LATEST)
    sets: Item = {"l": number(until), "u": number(micros(now))}
    where: Item = {"k": text(str(renewal.token))}
    return Write(Kind.UPDATE, row_key(renewal.task_id), sets, where=where)


def _renewed(
    row: Task | None, renewal: Renewal, now: datetime
) -> tuple[Task | None, Renewed, Attempt | None]:
    after, answer = protocol.renew(row, renewal, now)
    return after, answer, None


def _noted(row: Task | None, note: Note, now: datetime) -> tuple[Task | None, bool, Attempt | None]:
    if row is None or row.state is not TaskState.RUNNING or row.token != note.token:
        return None, False, None
    noted = replace(
        row,
        progress=row.progress if note.progress is None else note.progress,
        progress_note=row.progress_note if note.text is None else note.text,
        updated_at=now,
    )
    return noted, True, None


_RENEW: Final[Verb[Renewal, Renewed]] = Verb(
    lambda renewal: renewal.task_id,
    _renewed,
    lambda renewal, _row, _error: Renewed(task_id=renewal.task_id, ok=False),
)
_NOTE: Final[Verb[Note, bool]] = Verb(
    lambda note: note.task_id, _noted, lambda _note, _row, _error: False
)
