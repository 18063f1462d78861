"""A claim for each delivery: what its task is, as far as the message says."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from longshore.errors import UnknownTaskError
from longshore.identity import TaskId
from longshore.message import Message
from longshore.priority import NORMAL
from longshore.protocol import Claim
from longshore.publish import FROM_ROW
from longshore.quick import quick
from longshore.task import Reason, TaskSpec

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.definition import TaskDefinition, TaskRegistry
    from longshore.errors import LongshoreError, MessageError
    from longshore.identity import TaskIds
    from longshore.policy import Policy
    from longshore.queue import Delivery
    from longshore.task import Task
    from longshore.worker.foreign import Part

_log = logging.getLogger("longshore.worker")
_LONGEST_STAMP: Final = 9


@quick
@dataclass(frozen=True, slots=True)
class Bid:
    """A delivery and the claim made for it.

    `problem` is why its task cannot be run, and `unfit` the reason to record: the claim is made
    all the same, because the task's row is to end, and its message to leave the queue.
    """

    delivery: Delivery
    message: Message
    definition: TaskDefinition | None
    claim: Claim
    problem: LongshoreError | None = None
    unfit: Reason | None = None


class Bidder:
    """Bids for what was read from one queue."""

    def __init__(
        self, queue: str, registry: TaskRegistry, policy: Policy, *, worker: str, ids: TaskIds
    ) -> None:
        """`ids` make the claims' own ids, for one worker."""
        self._registry = registry
        self._policy = policy.of(queue)
        self._max_rescues = policy.max_rescues
        self._worker = worker
        self._claims = ids()
        self._numbers = count()

    def bid(self, delivery: Delivery, part: Part, now: datetime) -> Bid:
        """Bid for a task, also for one that nobody knows: its row is to end."""
        message = part.message
        definition, problem = self._definition(message.type)
        spec = self._spec_of(delivery, part, definition, now)
        lost_fails = definition is not None and definition.options.lost_fails
        claim = self._claim(delivery, spec, message.notbefore or now, lost_fails=lost_fails)
        unfit = None if problem is None else Reason.UNKNOWN_TASK
        return Bid(delivery, message, definition, claim, problem, unfit)

    def task(self, delivery: Delivery, part: Part, now: datetime) -> tuple[TaskSpec, datetime]:
        """Say what a task is that is to be sent by itself, and when it is due."""
        definition, _ = self._definition(part.message.type)
        spec = self._spec_of(delivery, part, definition, now)
        return spec, part.message.notbefore or now

    def ending(self, delivery: Delivery, error: MessageError, row: Task) -> Bid:
        """Bid for a row whose message cannot be read: it is to fail, and say why."""
        message = Message(id=row.id, type=row.spec.name)
        claim = self._claim(delivery, row.spec, row.due_at, lost_fails=False)
        return Bid(delivery, message, None, claim, error, Reason(error.reason))

    def _claim(
        self, delivery: Delivery, spec: TaskSpec, due_at: datetime, *, lost_fails: bool
    ) -> Claim:
        return Claim(
            spec=spec,
            claim_id=f"{self._claims}.{next(self._numbers)}",
            worker=self._worker,
            lease=self._policy.lease,
            due_at=due_at,
            stamp=_stamp(delivery),
            max_rescues=self._max_rescues,
            lost_fails=lost_fails,
            receives=delivery.receives,
            logged=FROM_ROW in delivery.attributes,
        )

    def _definition(self, name: str) -> tuple[TaskDefinition | None, LongshoreError | None]:
        """Find a definition; a module that cannot be imported is as good as an unknown name."""
        try:
            return self._registry.get(name), None
        except UnknownTaskError as error:
            return None, error
        except Exception as error:  # noqa: BLE001 - a name from the wire may import a broken module
            _log.warning("task %r cannot be resolved: %s", name, error)
            unknown = UnknownTaskError(name)
            unknown.__cause__ = error
            return None, unknown

    def _spec_of(
        self,
        delivery: Delivery,
        part: Part,
        definition: TaskDefinition | None,
        now: datetime,
    ) -> TaskSpec:
        """What the task is, as far as its message says; a row that exists is not changed."""
        message = part.message
        extras = message.extensions
        retry = None if definition is None else definition.options.retry
        policy = (retry or self._policy.retry).attempts
        parent = message.causationid
        return TaskSpec(
            id=part.key,
            name=message.type,
            queue=delivery.queue,
            body=part.body,
            created_at=message.time or delivery.sent_at or now,
            priority=NORMAL if message.taskpriority is None else message.taskpriority,
            max_attempts=message.taskattempts or policy,
            expires_at=message.expirytime,
            tags=message.tasktags,
            category=_text(extras.get("taskcategory")),
            tenant=message.partitionkey,
            owner=_text(extras.get("taskowner")),
            label=_text(extras.get("tasklabel")),
            parent_id=None if parent is None else TaskId(parent),
            key=message.taskkey,
            delete_on_complete=extras.get("taskdelete") is True,
        )


def _stamp(delivery: Delivery) -> int | None:
    text = delivery.attributes.get("stamp")
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_STAMP):
        return None
    return int(text)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
