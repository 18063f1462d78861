"""From a delivery to a claim: decode, name, bid; and what becomes of what is not won."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.codec.cloudevents import read_event
from longshore.codec.parse import is_own, parse
from longshore.codec.pointing import points
from longshore.codec.raw import Pointer
from longshore.errors import MessageError, UnavailableError, UnknownTaskError
from longshore.identity import TaskId
from longshore.message import Message
from longshore.priority import NORMAL
from longshore.protocol import Answer, Change, Claim, Verb
from longshore.publish import FROM_ROW
from longshore.queue import Rejection, Release
from longshore.task import Reason, TaskSpec
from longshore.worker.foreign import Foreign, Part
from longshore.worker.pointing import Pointing, fetch
from longshore.worker.spread import Spread, spread

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
    from longshore.worker.foreign import Parts

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
Unbid: TypeAlias = "Unreadable | Spread | Pointing"
"""A delivery that is no task yet: it cannot be read, means several or none, or lies elsewhere."""


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
        self._foreign = Foreign(self._policy, registry, ports.ids)
        self._claims = ports.ids()
        self._numbers = count()

    def read(self, deliveries: Sequence[Delivery]) -> tuple[list[Bid], list[Unbid]]:
        """Decode deliveries; answer bids, and what no bid can be made for at once."""
        now = self._ports.clock.now()
        bids: list[Bid] = []
        rest: list[Unbid] = []
        for delivery in deliveries:
            try:
                document = parse(delivery.body)
                if is_own(document) and not points(document):
                    message = read_event(document)
                    part = Part(message.key(delivery.queue), message, delivery.body)
                    bids.append(self._bid(delivery, part, now))
                else:
                    self._read_foreign(delivery, document, now, bids, rest)
            except MessageError as error:
                rest.append((delivery, error))
        return bids, rest

    def _read_foreign(
        self,
        delivery: Delivery,
        document: object,
        now: datetime,
        bids: list[Bid],
        rest: list[Unbid],
    ) -> None:
        """Read another producer's message, or one of ours whose data lies elsewhere."""
        if is_own(document):
            rest.append(Pointing(delivery, self._foreign.read_own(delivery, document)))
            return
        found = self._foreign.read(delivery, document)
        if isinstance(found, Pointer):
            rest.append(Pointing(delivery, found))
        else:
            self._take(delivery, found, now, bids, rest)

    def _take(
        self, delivery: Delivery, parts: Parts, now: datetime, bids: list[Bid], rest: list[Unbid]
    ) -> None:
        """Bid for a message's one task; what is settled of it carries the task's key."""
        if len(parts) == 1:
            part = parts[0]
            self._refuse_large(part)
            bids.append(self._bid(replace(delivery, key=part.key), part, now))
        else:
            rest.append(Spread(delivery, [self._task(delivery, part, now) for part in parts]))

    async def _fetch(self, pointing: Pointing, bids: list[Bid], rest: list[Unbid]) -> None:
        """Fetch what a message holds, and read it; what does not come is left to its lease."""
        delivery, pointer = pointing.delivery, pointing.pointer
        try:
            content = await fetch(self._ports.fetcher, pointer.url, self._policy.fetch_from)
            parts = self._foreign.fetched(pointer, content)
            self._take(delivery, parts, self._ports.clock.now(), bids, rest)
        except MessageError as error:
            rest.append((delivery, error))
        except UnavailableError as error:
            _log.warning("a message is left to its lease, because of what it holds: %s", error)

    def _refuse_large(self, part: Part) -> None:
        """Refuse what could not be published again: its row would keep it for nothing."""
        size, limit = len(part.body), self._port.capabilities.max_body
        if size > limit:
            problem = f"as a task it is {size:,} bytes, and its queue takes at most {limit:,}"
            raise MessageError(problem)

    def _task(self, delivery: Delivery, part: Part, now: datetime) -> tuple[TaskSpec, datetime]:
        definition, _ = self._definition(part.message.type)
        spec = self._spec(delivery, part, definition, now)
        return spec, part.message.notbefore or now

    async def known(
        self,
        rest: Sequence[Unbid],
        asked: Callable[[Callable[[], Awaitable[Rows]]], Awaitable[Rows]],
    ) -> list[Bid]:
        """Deal with deliveries that no bid was made for; answer bids for what turned out a task.

        What lies elsewhere is fetched, several tasks are sent each by itself. What cannot be read
        goes to the dead-letter queue with a reason, at once, unless it is a logged task: its row is
        to end with it. `asked` repeats a question until the log answers.
        """
        bids: list[Bid] = []
        pointings = [one for one in rest if isinstance(one, Pointing)]
        rest = list(rest)
        await asyncio.gather(*[self._fetch(one, bids, rest) for one in pointings])
        spreads = [one for one in rest if isinstance(one, Spread)]
        unreadable = [one for one in rest if isinstance(one, tuple)]
        bad: list[Rejection] = []
        if spreads:
            bad = await spread(self._port, self._ports.task_log, spreads, self._ports.clock.now())
        keys = [delivery.key for delivery, _ in unreadable if delivery.key is not None]
        rows = await asked(lambda: self._ports.task_log.get(keys)) if keys else []
        by_key = {row.id: row for row in rows if row is not None and not row.final}
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

    def _bid(self, delivery: Delivery, part: Part, now: datetime) -> Bid:
        message = part.message
        definition, problem = self._definition(message.type)
        spec = self._spec(delivery, part, definition, now)
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

    def _spec(
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
