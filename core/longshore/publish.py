"""Publishing rows: send, confirmed, then clear the wake-up (protocol.md §9.1). Never before."""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
from longshore.protocol import MARGIN, Change, Verb
from longshore.queue import NO_DELAY, Outgoing
from longshore.task import OPEN, TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.ports import Ports
    from longshore.task import Task

_log = logging.getLogger("longshore.publish")
FROM_ROW: Final = "logged"
"""The attribute of a message that was published from a row, whatever its queue logs by now."""
_FROM_ROW: Final = {FROM_ROW: "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What one pass did, in rows; `left` are due and could not be sent."""

    sent: int = 0
    expired: int = 0
    postponed: int = 0
    left: int = 0

    @property
    def total(self) -> int:
        """All rows that were dealt with."""
        return self.sent + self.expired + self.postponed


class Publisher:
    """Sends the messages of rows whose wake-up has come.

    Two at once are harmless: a row published twice is one task, by the log.
    """

    def __init__(self, ports: Ports) -> None:
        """Use the application's ports."""
        self._ports = ports

    async def publish_due(self, *, limit: int = 500, crowd: int | None = None) -> Published:
        """Publish, expire or postpone up to `limit` rows; answer what was done.

        More than `crowd` rows that cannot be sent are deferred, to make room for what is due later.
        """
        now = self._ports.clock.now()
        rows = await self._ports.task_log.due(before=now, limit=limit)
        past = [row for row in rows if _past(row, now)]
        live = [row for row in rows if _live(row, now)]
        rest = [row for row in rows if _sendable(row, now)]
        await self._change(past, Verb.EXPIRE)
        await self._change(live, Verb.POSTPONE)
        sent, trouble = await self._publish(rest)
        left = [row for row in rest if row.id not in sent]
        if crowd is not None and len(left) > crowd:
            await self._change(left, Verb.DEFER)
        if trouble is not None:
            raise trouble
        return Published(sent=len(sent), expired=len(past), postponed=len(live), left=len(left))

    async def publish(self, rows: Sequence[Task]) -> int:
        """Send rows' messages and confirm them; answer how many were sent.

        A queue that does not answer keeps no other from its turn; then its error is raised.
        """
        sent, trouble = await self._publish(rows)
        if trouble is not None:
            raise trouble
        return len(sent)

    async def _publish(self, rows: Sequence[Task]) -> tuple[set[TaskId], LongshoreError | None]:
        """Answer what was sent, and the first error of a queue that took nothing."""
        by_queue: defaultdict[str, list[Task]] = defaultdict(list)
        for row in rows:
            if row.body is not None:
                by_queue[row.spec.queue].append(row)
        done: set[TaskId] = set()
        trouble: LongshoreError | None = None
        for name, group in by_queue.items():
            try:
                answers = await self._send(name, [message_of(row) for row in group])
            except LongshoreError as away:
                trouble = trouble or away
                continue
            sent = [row for row, error in zip(group, answers, strict=True) if error is None]
            _tell(name, answers)
            # Before the next queue is tried: if that fails, these are not sent a second time.
            await self._change(sent, Verb.CONFIRM)
            done.update(row.id for row in sent)
        return done, trouble

    async def _send(
        self, queue: str, messages: Sequence[Outgoing]
    ) -> Sequence[LongshoreError | None]:
        """Send, observed where somebody observes."""
        seam = self._ports.telemetry
        with nullcontext() if seam is None else seam.publishing(queue, messages):
            return await self._ports.queue(queue).send(messages)

    async def _change(self, rows: Sequence[Task], verb: Verb) -> None:
        if rows:
            await self._ports.task_log.transition(
                [
                    Change(
                        task_id=row.id,
                        verb=verb,
                        state=row.state,
                        token=row.token,
                        wake_no=row.wake_no,
                    )
                    for row in rows
                ]
            )


def _tell(queue: str, answers: Sequence[LongshoreError | None]) -> None:
    errors = [error for error in answers if error is not None]
    if errors:
        _log.error("%d tasks of queue %r cannot be published: %s", len(errors), queue, errors[0])


def message_of(row: Task) -> Outgoing:
    """The message that wakes a row."""
    return Outgoing(
        key=row.id,
        body=row.body or b"",
        priority=row.spec.priority,
        delay=NO_DELAY,
        group=row.spec.tenant,
        token=row.token,
        wake_no=row.wake_no,
        attributes=_FROM_ROW,
    )


def _past(row: Task, now: datetime) -> bool:
    return row.state in OPEN and row.expires_at is not None and row.expires_at <= now


def _live(row: Task, now: datetime) -> bool:
    lease = row.lease_until
    return row.state is TaskState.RUNNING and lease is not None and lease + MARGIN >= now


def _sendable(row: Task, now: datetime) -> bool:
    """Open and due, or running with a dead lease; a due date ahead waits for its own wake-up."""
    if row.state is TaskState.RUNNING:
        return not _live(row, now)
    return row.state in OPEN and not _past(row, now)
