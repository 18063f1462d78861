"""The write side and the read side of an application: enqueue, look, wait."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from longshore.errors import (
    EnqueueError,
    LongshoreError,
    TaskNotFoundError,
    TooLargeError,
    UnavailableError,
    WaitTimeoutError,
)
from longshore.plan import Plan
from longshore.policy import Policy
from longshore.protocol import Change, Verb
from longshore.queue import NO_DELAY, Outgoing
from longshore.quick import quick, replace
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, tzinfo

    from longshore.draft import Draft
    from longshore.identity import TaskId, TaskIds
    from longshore.plan import Moment
    from longshore.ports import Ports
    from longshore.protocol import Record, Recorded
    from longshore.queue import QueueCapabilities
    from longshore.task import Task
    from longshore.telemetry import Creations

_log = logging.getLogger("longshore.client")

OUTBOX_GRACE = timedelta(seconds=10)
"""How long the client has to send an outbox row before the scheduler does."""

PLANS = 1000
"""Plans kept at most; options made anew for each enqueue fill this up, and it starts over."""

_FIRST_LOOK = 0.005
_LONGEST_LOOK = 0.25


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """What an enqueue made, or, with a key that was taken, found."""

    id: TaskId
    name: str
    queue: str
    state: TaskState
    inserted: bool = True


class Preparer:
    """Makes records of drafts: pure, shared by the asynchronous and the synchronous client."""

    def __init__(self, ids: TaskIds, policy: Policy | None = None, zone: tzinfo = UTC) -> None:
        """`zone` reads schedules that name no offset."""
        self._ids = ids
        self._policy = policy or Policy()
        self._zone = zone
        self._plans: dict[tuple[int, int], Plan] = {}

    def records(
        self, drafts: Iterable[Draft], now: datetime, creations: Creations | None = None
    ) -> list[Record]:
        """Check and encode every draft before the first is sent. Thread-safe."""
        moments: dict[int, Moment] = {}
        records: list[Record] = []
        for draft in drafts:
            plan = self._plan(draft)
            moment = moments.get(id(plan))
            if moment is None:
                moment = moments[id(plan)] = plan.at(now)
            records.append(plan.record(draft.data, self._ids, moment, creations))
        return records

    def _plan(self, draft: Draft) -> Plan:
        """Find or make the plan; a plan keeps its options alive, so that their ids stay theirs."""
        shared = (id(draft.definition), id(draft.options))
        plan = self._plans.get(shared)
        if plan is None:
            plan = Plan(draft.definition, draft.options, policy=self._policy, zone=self._zone)
            if len(self._plans) >= PLANS:
                self._plans = {}
            self._plans[shared] = plan
        return plan


class Client:
    """Enqueues and inspects tasks. Safe for concurrent use on one event loop."""

    def __init__(self, ports: Ports, preparer: Preparer) -> None:
        """Use open ports; they stay the caller's to close."""
        self._ports = ports
        self._preparer = preparer

    async def enqueue(self, drafts: Sequence[Draft]) -> list[Enqueued]:
        """Enqueue tasks, one round trip for the batch; all are checked before one is sent.

        Raises `EnqueueError` where some could not be sent; those that were, run. Where none was
        and one error says why, it raises that: `UnavailableError`, `TooLargeError`.
        """
        now = self._ports.clock.now()
        telemetry = self._ports.telemetry
        if telemetry is None:
            return await self.submit(self._preparer.records(drafts, now))
        with telemetry.sending(len(drafts)) as creations, telemetry.quiet():
            return await self.submit(self._preparer.records(drafts, now, creations))

    async def submit(self, records: Sequence[Record]) -> list[Enqueued]:
        """Enqueue records that were prepared before; repeating it makes no second task."""
        if self._ports.together is not None:
            recorded = await self._ports.together.enqueue(records)
            return [answer_of(one, got) for one, got in zip(records, recorded, strict=True)]
        for record in records:
            refuse_large(record, self._capabilities(record))
        answers: dict[int, Enqueued] = {}
        failed: dict[int, LongshoreError] = {}
        direct = {
            i: one for i, one in enumerate(records) if is_direct(one, self._capabilities(one))
        }
        logged = {i: one for i, one in enumerate(records) if i not in direct}
        await self._send_first(direct, answers, failed)
        await self._record_first(logged, answers, failed)
        if failed:
            raise failure_of(failed, answers)
        return [answers[i] for i in range(len(records))]

    async def log(self, records: Sequence[Record]) -> None:
        """Record tasks whose messages are sent; where it fails, the claim makes it good (§4.1)."""
        try:
            await self._ports.task_log.record(records)
        except LongshoreError as error:
            _log.warning("%d sent tasks are not in the log yet: %s", len(records), error)

    async def get(self, task_id: TaskId) -> Task:
        """Read a task; `TaskNotFoundError` where the log has no row."""
        (task,) = await self._ports.task_log.get([task_id])
        if task is None:
            raise TaskNotFoundError(task_id)
        return task

    async def wait(self, task_id: TaskId, *, timeout: timedelta | None = None) -> Task:  # noqa: ASYNC109 - by the given Clock
        """Wait until the task is final; `WaitTimeoutError` when `timeout` passes first.

        A task that is not in the log yet is waited for too: its message may be on its way.
        """
        clock = self._ports.clock
        end = None if timeout is None else clock.monotonic() + timeout.total_seconds()
        pause = _FIRST_LOOK
        while True:
            (task,) = await self._ports.task_log.get([task_id])
            if task is not None and task.final:
                return task
            left = pause if end is None else end - clock.monotonic()
            if left <= 0:
                state = "unknown" if task is None else task.state.value
                raise WaitTimeoutError(task_id, state, clock.now())
            await clock.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_LOOK)

    def _capabilities(self, record: Record) -> QueueCapabilities:
        return self._ports.queue(record.spec.queue).capabilities

    async def _send_first(
        self,
        records: dict[int, Record],
        answers: dict[int, Enqueued],
        failed: dict[int, LongshoreError],
    ) -> None:
        """Protocol.md §4.1: send, confirmed; answer; then record."""
        by_queue: defaultdict[str, list[int]] = defaultdict(list)
        for i, record in records.items():
            by_queue[record.spec.queue].append(i)
        for queue, places in by_queue.items():
            sent = await self._sent(queue, [message_of(records[i]) for i in places])
            for i, error in zip(places, sent, strict=True):
                if error is None:
                    answers[i] = answer_of(records[i], None)
                else:
                    failed[i] = error
        kept = [records[i] for i in records if i in answers]
        if kept:
            await self.log(kept)

    async def _sent(
        self, queue: str, messages: Sequence[Outgoing]
    ) -> Sequence[LongshoreError | None]:
        """Send to one queue; an error of the whole call is every message's own."""
        try:
            return await self._send(queue, messages)
        except LongshoreError as error:
            return [error] * len(messages)

    async def _send(self, queue: str, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send; repeat once where nobody answered: an extra copy is one task by the log."""
        try:
            return await self._ports.queue(queue).send(messages)
        except UnavailableError:
            return await self._ports.queue(queue).send(messages)

    async def _record_first(
        self,
        records: dict[int, Record],
        answers: dict[int, Enqueued],
        failed: dict[int, LongshoreError],
    ) -> None:
        """Protocol.md §4.2 and §4.3: the row decides; the message follows, or waits."""
        if not records:
            return
        armed = {i: self._armed(record) for i, record in records.items()}
        try:
            recorded = await self._ports.task_log.record(list(armed.values()))
        except LongshoreError as error:
            failed.update(dict.fromkeys(records, error))
            return
        fresh: list[Record] = []
        for (i, record), got in zip(armed.items(), recorded, strict=True):
            if got.error is not None:
                failed[i] = got.error
                continue
            answers[i] = answer_of(records[i], got)
            if got.inserted and record.state is TaskState.CREATED:
                fresh.append(record)
        await self._send_outbox(fresh)

    def _armed(self, record: Record) -> Record:
        if record.state is TaskState.SCHEDULED:
            return replace(record, armed=True)
        wake_at = record.spec.created_at + OUTBOX_GRACE
        return replace(record, state=TaskState.CREATED, armed=True, wake_at=wake_at)

    async def _send_outbox(self, records: Sequence[Record]) -> None:
        """Send what the rows already promise; whatever fails here, the scheduler makes good."""
        by_queue: defaultdict[str, list[Record]] = defaultdict(list)
        for record in records:
            by_queue[record.spec.queue].append(record)
        for queue, group in by_queue.items():
            try:
                sent = await self._send(queue, [message_of(record) for record in group])
                done = [one for one, error in zip(group, sent, strict=True) if error is None]
                await self._ports.task_log.transition([_confirm(one) for one in done])
            except LongshoreError as error:
                _log.warning("%d tasks wait for the scheduler to send them: %s", len(group), error)


def is_direct(record: Record, capabilities: QueueCapabilities) -> bool:
    """Whether the message goes first: no key to be decided by the row, no long delay."""
    delay = record.due_at - record.spec.created_at
    longest = capabilities.max_delay
    return record.spec.key is None and (longest is None or delay <= longest)


def refuse_large(record: Record, capabilities: QueueCapabilities) -> None:
    """Raise `TooLargeError` for a message that its broker would not take."""
    size, limit = len(record.spec.body), capabilities.max_body
    if size > limit:
        what = f"the message of task {record.spec.name!r}"
        raise TooLargeError(what, size, limit, f"{capabilities.adapter}'s limit")


def answer_of(record: Record, recorded: Recorded | None) -> Enqueued:
    """Tell the caller what became of a record."""
    spec = record.spec
    return Enqueued(
        id=spec.id,
        name=spec.name,
        queue=spec.queue,
        state=record.state if recorded is None else recorded.state,
        inserted=recorded is None or recorded.inserted,
    )


def failure_of(failed: dict[int, LongshoreError], answers: dict[int, Enqueued]) -> LongshoreError:
    """The error of a batch of which some were not sent, by their places."""
    first, *others = failed.values()
    if not answers and all(other is first for other in others):
        return first
    return EnqueueError(failed, [answers[i].id for i in sorted(answers)])


def _confirm(record: Record) -> Change:
    task_id = record.spec.id
    return Change(task_id=task_id, verb=Verb.CONFIRM, state=TaskState.CREATED, token=0, wake_no=1)


def message_of(record: Record) -> Outgoing:
    """The message of a new task."""
    spec = record.spec
    return Outgoing(
        key=spec.id,
        body=spec.body,
        priority=spec.priority,
        delay=max(record.due_at - spec.created_at, NO_DELAY),
        group=spec.tenant,
    )
