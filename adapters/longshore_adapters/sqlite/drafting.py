"""Records as rows, made before the transaction, so that nobody waits for the lock meanwhile.

A batch is a few flat lists, in which rows stand one behind the other: a thousand rows as tuples are
a thousand objects that the collector of garbage looks through, again and again while they live.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longshore.task import OPEN
from longshore_adapters.sqlite.limits import FIT
from longshore_adapters.sqlite.scalars import text
from longshore_adapters.sqlite.wire import rest_of, times_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Record


@dataclass(slots=True)
class Drafts:
    """What a batch writes, but for the numbers its tasks will have.

    `plain` where every record is. Each has its place in all the lists; one whose place is in
    `silent` gets no message.
    """

    plain: bool
    ids: list[str] = field(default_factory=list[str])
    rows: list[object] = field(default_factory=list[object])
    bodies: list[bytes] = field(default_factory=list[bytes])
    messages: list[object] = field(default_factory=list[object])
    silent: set[int] = field(default_factory=set[int])

    def add(self, record: Record, times: tuple[int, str, int, int]) -> None:
        """Write one record, with a message."""
        spec = record.spec
        _, _, due_at, now = times
        self.ids.append(spec.id)
        self.bodies.append(spec.body)
        self.rows += (spec.id, spec.queue, spec.name, spec.priority, spec.max_attempts, *times)
        ready = due_at <= now
        visible_at = now if ready else due_at
        self.messages += (spec.id, spec.queue, spec.priority, ready, visible_at, now)
        if not self.plain:
            self.rows += rest_of(record)
            # The message shares the body of its row, except where success strips the row.
            self.messages += (text(spec.tenant), spec.body if spec.delete_on_complete else None)


def silent_drafts(records: Sequence[Record], now: int) -> Drafts:
    """Write records without messages."""
    drafts = _drafts(records, now)
    drafts.silent.update(range(len(records)))
    return drafts


def drafts_of(records: Sequence[Record], now: int) -> Drafts:
    """Write records with their messages, but for those that are armed or not open.

    Raises for one that is too long.
    """
    drafts = _drafts(records, now)
    for place, record in enumerate(records):
        if record.armed or record.state not in OPEN:
            drafts.silent.add(place)
            error = FIT.record(record)
        else:
            error = FIT.record(record, sends=True)
        if error is not None:
            raise error
    return drafts


def _drafts(records: Sequence[Record], now: int) -> Drafts:
    drafts = Drafts(plain=all(record.is_plain for record in records))
    state = created_at = due_at = times = None
    for record in records:
        spec = record.spec
        if times is None or not (
            record.state is state and spec.created_at is created_at and record.due_at is due_at
        ):
            state, created_at, due_at = record.state, spec.created_at, record.due_at
            times = times_of(record, now)
        drafts.add(record, times)
    return drafts
