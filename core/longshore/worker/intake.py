"""From a delivery to a claim: decode, name, bid; and what becomes of what is not won."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.codec import decode
from longshore.errors import MessageError, UnknownTaskError
from longshore.identity import TaskId
from longshore.priority import NORMAL
from longshore.protocol import Answer, Change, Claim, Verb
from longshore.queue import Rejection, Release
from longshore.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.definition import TaskDefinition, TaskRegistry
    from longshore.message import Message
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.protocol import Claimed
    from longshore.queue import Delivery, Queue

LONGEST_RELEASE: Final = timedelta(minutes=15)
_SOON: Final = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Bid:
    """A readable delivery and the claim made for it. No definition: an unregistered name."""

    delivery: Delivery
    message: Message
    definition: TaskDefinition | None
    claim: Claim


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

    async def read(self, deliveries: Sequence[Delivery]) -> list[Bid]:
        """Decode deliveries; what cannot be read goes to the dead-letter queue with a reason."""
        now = self._ports.clock.now()
        bids: list[Bid] = []
        bad: list[Rejection] = []
        for delivery in deliveries:
            try:
                bids.append(self._bid(delivery, decode(delivery.body), now))
            except MessageError as error:
                bad.append(Rejection(delivery=delivery, reason=error.reason, detail=error.problem))
        if bad:
            await self._port.reject(bad)
        return bids

    async def settle(self, lost: Sequence[tuple[Bid, Claimed]]) -> None:
        """Acknowledge, release, park or bury what was not won (the table of protocol.md §5)."""
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
        if wait <= LONGEST_RELEASE and (longest is None or wait <= longest):
            releases.append(Release(delivery=bid.delivery, delay=wait))
        else:
            parks.append((bid, _change(bid, Verb.PARK)))

    def _bid(self, delivery: Delivery, message: Message, now: datetime) -> Bid:
        try:
            definition = self._registry.get(message.type)
        except UnknownTaskError:
            definition = None
        claim = Claim(
            spec=self._spec(delivery, message, definition, now),
            claim_id=self._ports.ids(),
            worker=self._worker,
            lease=self._policy.lease,
            due_at=message.notbefore or now,
            stamp=_stamp(delivery),
            max_rescues=self._max_rescues,
            lost_fails=definition is not None and definition.options.lost_fails,
        )
        return Bid(delivery, message, definition, claim)

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
    return int(text) if text.isascii() and text.isdigit() else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _change(bid: Bid, verb: Verb) -> Change:
    spec = bid.claim.spec
    return Change(task_id=spec.id, verb=verb, body=spec.body)


def _poison(bid: Bid, answer: Claimed) -> Rejection:
    detail = "its worker was lost on every try; the last one ran alone"
    return Rejection(delivery=bid.delivery, reason="poison", detail=detail, stamp=answer.run)
