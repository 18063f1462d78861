"""Rows that `longshore.protocol` decides about, written under the version they were seen at.

A row may be believed before it is seen: that a new task has none, that a claimed one stands as
its claim left it. The decision is then written without a read; where the belief was wrong, the
refused write answers the row that stands, and it is decided again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.errors import LongshoreError
from longshore.task import TaskState
from longshore_adapters.dynamodb.drafting import draft
from longshore_adapters.dynamodb.rounds import Pending, Round
from longshore_adapters.dynamodb.statements import Lost
from longshore_adapters.dynamodb.wire import ABSENT, Seen, id_of, row_key, to_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from longshore.clock import Clock
    from longshore.identity import TaskId
    from longshore_adapters.dynamodb.places import Places
    from longshore_adapters.dynamodb.rounds import Verb
    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.statements import Wrote
    from longshore_adapters.dynamodb.table import Table

A = TypeVar("A")
R = TypeVar("R")

_UNREAD: Final = frozenset({TaskState.RUNNING, TaskState.SUCCEEDED})
"""What a row may become that was claimed unread: it says too little of its place for the others."""


class Ledger:
    """Decides and writes rows of a table."""

    def __init__(self, table: Table, places: Places, clock: Clock) -> None:
        """Serve one connection."""
        self._table = table
        self._places = places
        self._clock = clock

    async def seen(self, ids: Iterable[TaskId]) -> dict[TaskId, Seen]:
        """Read rows as they stand."""
        wanted = dict.fromkeys(ids)
        items = await self._table.read([row_key(task_id) for task_id in wanted])
        found = {id_of(item): Seen(to_task(item), item) for item in items}
        return {task_id: found.get(task_id, ABSENT) for task_id in wanted}

    async def decide(
        self, verb: Verb[A, R], asked: Sequence[A], believed: Mapping[TaskId, Seen]
    ) -> tuple[list[R], dict[TaskId, Seen]]:
        """Do a verb to each; of two for one task, the second sees the first.

        Answers in order, and the rows as they were left.
        """
        rows = dict(believed)
        round_ = Round(verb, asked, rows)
        while round_.turns():
            unknown = [task_id for task_id in round_.turn if task_id not in rows]
            if unknown:
                rows |= await self.seen(unknown)
            now = self._clock.now()
            drafts = {
                place: made
                for place in round_.turn.values()
                if (made := self._draft(round_, place, now)) is not None
            }
            await self._write(round_, drafts)
        return round_.answers(), rows

    def _draft(self, round_: Round[A, R], place: int, now: datetime) -> Pending[R] | None:
        """Decide one; None where there is nothing to write, or it must be seen first."""
        verb, item = round_.verb, round_.asked[place]
        task_id = verb.key(item)
        seen = round_.rows[task_id]
        after, answer, attempt = verb.rule(seen.task, item, now)
        if after is None:
            if seen.sure:
                round_.done[place] = answer
            else:
                del round_.rows[task_id]
            return None
        if seen.item and "o" not in seen.item and after.state not in _UNREAD:
            del round_.rows[task_id]
            return None
        made = draft(seen, after, attempt, self._places.place(now, new=seen.task is None))
        error = made.oversize()
        if error is not None:
            round_.done[place] = verb.too_large(item, seen.task, error)
            return None
        return Pending(task_id, seen, after, answer, made)

    async def _write(self, round_: Round[A, R], drafts: Mapping[int, Pending[R]]) -> None:
        if not drafts:
            return
        await self._places.prepare(one.made.item for one in drafts.values() if not one.seen.item)
        parts = [
            item
            for one in drafts.values()
            for part in one.made.parts
            for item in part.items(one.made.item["p"])
        ]
        if parts:
            await self._table.put(parts)
        wrote = await self._table.write([one.write() for one in drafts.values()])
        await self._look(round_, drafts.values(), wrote)
        waste: list[Item] = []
        for (place, one), became in zip(drafts.items(), wrote, strict=True):
            if isinstance(became, LongshoreError):
                item = round_.asked[place]
                round_.done[place] = round_.verb.too_large(item, one.seen.task, became)
                waste += one.own_parts({})
            elif became is None or one.stands(round_):
                round_.done[place] = one.answer
                round_.rows[one.task_id] = Seen(one.after, one.made.item)
                waste += one.dropped_parts()
            else:
                waste += one.own_parts(round_.rows[one.task_id].item)
        if waste:
            await self._table.remove(waste)

    async def _look(
        self, round_: Round[A, R], pending: Iterable[Pending[R]], wrote: Sequence[Wrote]
    ) -> None:
        """Remember the rows that stand in the way; those that were not told are read."""
        untold: list[TaskId] = []
        for one, became in zip(pending, wrote, strict=True):
            if isinstance(became, Lost) and became.told:
                item = became.item
                round_.rows[one.task_id] = Seen(to_task(item), item) if item else ABSENT
            elif isinstance(became, Lost):
                untold.append(one.task_id)
        if untold:
            round_.rows |= await self.seen(untold)


def believed(seen: Seen) -> Seen:
    """Take a row for what still stands, to be found out by the write."""
    return replace(seen, sure=False)
