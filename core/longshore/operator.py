"""What an operator does to tasks: each verb by ids or by filter, in batches (protocol.md §10)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError, TaskNotFoundError, TransitionError
from longshore.protocol import VERBS, Change, Verb
from longshore.publish import Publisher
from longshore.queue import SupportsPurge
from longshore.task import HELD, OPEN
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from longshore.identity import TaskId
    from longshore.ports import Ports
    from longshore.protocol import Changed
    from longshore.task import Task, TaskSpec

_log = logging.getLogger("longshore.operator")

BATCH = 500
_PUBLISHING = frozenset({Verb.RETRY, Verb.RESUME, Verb.UNBLOCK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a verb did to the tasks of a filter."""

    changed: int = 0
    refused: int = 0


class Operator:
    """Cancels, pauses, resumes, retries, forces, archives and deletes tasks."""

    def __init__(self, ports: Ports) -> None:
        """Use open ports; they stay the caller's to close."""
        self._ports = ports
        self._publisher = Publisher(ports)

    async def apply(self, verb: Verb, ids: Sequence[TaskId]) -> list[Changed]:
        """Do a verb to tasks; an answer each. A retried or resumed task is published at once."""
        return await self.change([Change(task_id=task_id, verb=verb) for task_id in ids])

    async def change(self, changes: Sequence[Change]) -> list[Changed]:
        """Make changes, with what the caller knows beside the id: a spec, a body, a guard."""
        answers = await self._ports.task_log.transition(changes)
        started = [
            answer.task
            for wanted, answer in zip(changes, answers, strict=True)
            if answer.applied and wanted.verb in _PUBLISHING
        ]
        if started:
            await self._publish(started)
        return answers

    async def one(self, verb: Verb, task_id: TaskId, *, spec: TaskSpec | None = None) -> Task:
        """Do a verb to one task and answer its row.

        `TaskNotFoundError` without a row; with a `spec`, cancel and pause then leave a tombstone
        for the message on its way. `TransitionError` where its state does not allow the verb.
        """
        (answer,) = await self.change([Change(task_id=task_id, verb=verb, spec=spec)])
        if answer.task is None:
            raise TaskNotFoundError(task_id)
        if not answer.applied:
            allowed = sorted(state.value for state in VERBS[verb])
            if verb is Verb.RETRY and answer.task.state in VERBS[verb]:
                allowed = ["a stored body"]
            raise TransitionError(task_id, verb.value, answer.task.state.value, allowed)
        return answer.task

    async def sweep(self, verb: Verb, query: TaskQuery) -> Swept:
        """Do a verb to every task that matches, page by page.

        The listing is by cursor, so tasks that come in meanwhile are left alone.
        """
        changed = refused = 0
        async for page in self._pages(query):
            answers = await self.apply(verb, [task.id for task in page])
            changed += sum(answer.applied for answer in answers)
            refused += sum(not answer.applied for answer in answers)
        return Swept(changed=changed, refused=refused)

    async def purge_queue(self, queue: str) -> int:
        """Cancel a queue's waiting tasks, then empty the queue itself; answer how many."""
        waiting = TaskQuery(queues=(queue,), states=OPEN | HELD)
        cancelled = 0
        async for page in self._pages(waiting):
            changes = [
                Change(task_id=task.id, verb=Verb.CANCEL, state=task.state, reason="purged")
                for task in page
            ]
            answers = await self._ports.task_log.transition(changes)
            cancelled += sum(answer.applied for answer in answers)
        port = self._ports.queue(queue)
        if isinstance(port, SupportsPurge):
            await port.purge()
        return cancelled

    async def _publish(self, tasks: Sequence[Task | None]) -> None:
        """Send what may start now; what is due later has its wake-up in the row.

        What cannot be sent has one too: the verb is done, and the scheduler sends it.
        """
        now = self._ports.clock.now()
        due = [task for task in tasks if task is not None and task.due_at <= now]
        try:
            await self._publisher.publish(due)
        except LongshoreError as error:
            _log.warning("%d tasks wait for the scheduler to send them: %s", len(due), error)

    async def _pages(self, query: TaskQuery) -> AsyncIterator[tuple[Task, ...]]:
        cursor: str | None = None
        while True:
            page = await self._ports.task_log.find(query, limit=BATCH, cursor=cursor)
            if page.tasks:
                yield page.tasks
            cursor = page.cursor
            if cursor is None:
                return
