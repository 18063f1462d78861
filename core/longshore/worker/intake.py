"""From a delivery to a claim: decode, name, bid; and what becomes of what is not won."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.codec import decode
from longshore.errors import MessageError, UnavailableError, UnknownTaskError
from longshore.identity import TaskId
from longshore.message import Message
from longshore.priority import NORMAL
from longshore.protocol import Answer, Change, Claim, Verb
from longshore.queue import Rejection, Release
from longshore.task import Reason, TaskSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from longshore.definition import TaskDefinition, TaskRegistry
    from longshore.errors import LongshoreError
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.protocol import Claimed
    from longshore.queue import Delivery, Queue
    from longshore.task import Task

    Rows: TypeAlias = list[Task | None]

_log = logging.getLogger("longshore.worker")
LONGEST_RELEASE: Final = timedelta(minutes=15)
OFTEN: Final = 50
"""Receives after which a message is parked, not released: half of the usual brokers' limit."""
_SOON: Final = timedelta(milliseconds=100)
_LONGEST_STAMP: Final = 9


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


Unreadable: TypeAlias = "tuple[Delivery, MessageError]"


class Intake:
    """Reads deliveries of one queue and settles those that are not to run."""

    def __init__(
        self, port: Queue, ports: Ports, registry: TaskRegistry, policy: Policy, worker: str
    ) -> None:
        """Serve one queue for one worker."""
        self._port = port
        self._ports = ports
        self._registry = registry
        self._policy = policy.of(port.name)
        self._max_rescues = policy.max_rescues
        self._worker = worker
        self._claims = ports.ids()
        self._numbers = count()

    def read(self, deliveries: Sequence[Delivery]) -> tuple[list[Bid], list[Unreadable]]:
        """Decode deliveries; answer bids, and what cannot be read."""
        now = self._ports.clock.now()
        bids: list[Bid] = []
        bad: list[Unreadable] = []
        for delivery in deliveries:
            try:
                bids.append(self._bid(delivery, decode(delivery.body), now))
            except MessageError as error:
                bad.append((delivery, error))
        return bids, bad

    async def known(
        self,
        unreadable: Sequence[Unreadable],
        asked: Callable[[Callable[[], Awaitable[Rows]]], Awaitable[Rows]],
    ) -> list[Bid]:
        """Bid for unreadable messages of logged tasks, whose rows are to end with them.

        The others go to the dead-letter queue with a reason, at once. `asked` repeats a question
        until the log answers.
        """
        keys = [delivery.key for delivery, _ in unreadable if delivery.key is not None]
        rows = await asked(lambda: self._ports.task_log.get(keys)) if keys else []
        by_key = {row.id: row for row in rows if row is not None and not row.final}
        bids: list[Bid] = []
        bad: list[Rejection] = []
        for delivery, error in unreadable:
            row = None if delivery.key is None else by_key.get(delivery.key)
            if row is not None:
                bids.append(self._ending(delivery, error, row))
                continue
            bad.append(Rejection(delivery=delivery, reason=error.reason, detail=error.problem))
        if bad:
            _log.warning(
                "%d unreadable messages of queue %r go to its dead letters: %s",
                len(bad),
                self._port.name,
                bad[0].detail,
            )
            await self._bury(bad)
        return bids

    async def _bury(self, bad: Sequence[Rejection]) -> None:
        try:
            await self._port.reject(bad)
        except UnavailableError as error:
            _log.warning("%d unreadable messages are left to their leases: %s", len(bad), error)

    async def settle(self, lost: Sequence[tuple[Bid, Claimed]]) -> None:
        """Acknowledge, release, park or bury what was not won (the table of protocol.md §5).

        What cannot be done now is left to its lease: the next claim is answered alike.
        """
        try:
            await self._settle(lost)
        except UnavailableError as error:
            _log.warning("%d messages are left to their leases: %s", len(lost), error)

    async def _settle(self, lost: Sequence[tuple[Bid, Claimed]]) -> None:
        acks: list[Delivery] = []
        releases: list[Release] = []
        rejections: list[Rejection] = []
        parks: list[tuple[Bid, Change]] = []
        for bid, answer in lost:
            if answer.answer is Answer.POISON:
                rejections.append(_poison(bid, answer))
            elif answer.answer is Answer.HELD and not answer.has_body:
                parks.append((bid, _change(bid, Verb.KEEP_BODY)))
            elif answer.until is None or answer.armed:
                acks.append(bid.delivery)
            else:
                self._wait(bid, answer.until, releases, parks)
        await self._store(parks, acks, releases)
        if acks:
            await self._port.ack(acks)
        if releases:
            await self._port.release(releases)
        if rejections:
            await self._port.reject(rejections)

    async def _store(
        self,
        parks: Sequence[tuple[Bid, Change]],
        acks: list[Delivery],
        releases: list[Release],
    ) -> None:
        """Put wake-ups or bodies into rows; a refused one is released, to be claimed again."""
        if not parks:
            return
        answers = await self._ports.task_log.transition([change for _, change in parks])
        for (bid, _), answer in zip(parks, answers, strict=True):
            if answer.applied:
                acks.append(bid.delivery)
            else:
                releases.append(Release(delivery=bid.delivery, delay=_SOON))

    def _wait(
        self,
        bid: Bid,
        until: datetime,
        releases: list[Release],
        parks: list[tuple[Bid, Change]],
    ) -> None:
        """Release where the broker can hold the message back for so long, else park."""
        wait = max(until - self._ports.clock.now(), _SOON)
        longest = self._port.capabilities.max_release_delay
        can = wait <= LONGEST_RELEASE and (longest is None or wait <= longest)
        if can and bid.delivery.receives < OFTEN:
            releases.append(Release(delivery=bid.delivery, delay=wait))
        else:
            parks.append((bid, _change(bid, Verb.PARK)))

    def _bid(self, delivery: Delivery, message: Message, now: datetime) -> Bid:
        definition, problem = self._definition(message.type)
        spec = self._spec(delivery, message, definition, now)
        lost_fails = definition is not None and definition.options.lost_fails
        claim = self._claim(delivery, spec, message.notbefore or now, lost_fails=lost_fails)
        unfit = None if problem is None else Reason.UNKNOWN_TASK
        return Bid(delivery, message, definition, claim, problem, unfit)

    def _ending(self, delivery: Delivery, error: MessageError, row: Task) -> Bid:
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

    def _spec(
        self,
        delivery: Delivery,
        message: Message,
        definition: TaskDefinition | None,
        now: datetime,
    ) -> TaskSpec:
        """What the task is, as far as its message says; a row that exists is not changed."""
        extras = message.extensions
        retry = None if definition is None else definition.options.retry
        policy = (retry or self._policy.retry).attempts
        parent = message.causationid
        return TaskSpec(
            id=message.key(delivery.queue),
            name=message.type,
            queue=delivery.queue,
            body=delivery.body,
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
    text = delivery.attributes.get("stamp", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_STAMP else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _change(bid: Bid, verb: Verb) -> Change:
    spec = bid.claim.spec
    return Change(task_id=spec.id, verb=verb, body=spec.body)


def _poison(bid: Bid, answer: Claimed) -> Rejection:
    reason = Reason.LOST if bid.claim.lost_fails else Reason.POISON
    detail = "its worker was lost on every try; the last one ran alone"
    if bid.claim.lost_fails:
        detail = "its worker was lost, and the task is not to be run again"
    return Rejection(delivery=bid.delivery, reason=reason, detail=detail, stamp=answer.run)
