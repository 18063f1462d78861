"""The same steps for the memory adapter and for another one: the same answers, the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from longshore.clock import ManualClock
from longshore.identity import TaskId, task_key
from longshore.protocol import (
    Change,
    Claim,
    End,
    Note,
    Outcome,
    Record,
    Renewal,
    Verb,
)
from longshore.queue import (
    Delivery,
    Outgoing,
    Rejection,
    Release,
    SupportsDeadLetters,
)
from longshore.task import ALL, FINAL, LogLine, Task, TaskError, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore.together import Settlement
from longshore_adapters.memory import ADAPTER as MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from longshore.queue import Queue
    from longshore.registry import Adapter, Backend
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.together import Together

T = TypeVar("T")

STEPS = 60
START = ManualClock().now()
QUEUE = "default"
IDS = tuple(task_key("task", str(number)) for number in range(4))
LEASE = timedelta(seconds=30)
WAITS = (timedelta(0), timedelta(seconds=1), timedelta(seconds=20))
ERROR = TaskError(type="ValueError", message="no order \udc80 Straße", traceback="…")
RECORDED = (
    *(TaskState.CREATED, TaskState.SCHEDULED, TaskState.BLOCKED),
    *(TaskState.CANCELLED, TaskState.PAUSED),
)
LINE = LogLine(at=START, level="info", text="half \ud800 way")


@dataclass
class Side:
    """One of the two adapters, and the deliveries it gave."""

    queue: Queue
    log: TaskLog
    store: Store
    together: Together
    deliveries: list[Delivery] = field(default_factory=list[Delivery])

    def picked(self, picks: list[int]) -> list[Delivery]:
        """Some of the last deliveries."""
        last = self.deliveries[-8:]
        return [last[pick % len(last)] for pick in picks if last]


if TYPE_CHECKING:
    Step: TypeAlias = "Callable[[Side], Coroutine[None, None, object]] | timedelta"


def side(backend: Backend) -> Side:
    assert backend.queue is not None
    assert backend.task_log is not None
    assert backend.store is not None
    assert backend.together is not None
    return Side(backend.queue(QUEUE), backend.task_log, backend.store, backend.together)


def plain(task: Task | None) -> Task | None:
    """A row without what is a log's own affair: whether a stripped row's spec has a body."""
    return None if task is None else replace(task, spec=replace(task.spec, body=b""))


class Walk:
    """Makes steps up: the same from the same seed."""

    def __init__(self, seed: int) -> None:
        self.now = START
        self.random = Random(seed)  # noqa: S311 - the same walk every time
        self.kinds = [
            *(self.enqueueing, self.enqueueing, self.recording, self.claiming, self.claiming),
            *(self.working, self.working, self.finishing, self.finishing, self.settling),
            *(self.renewing, self.noting, self.changing, self.changing, self.tombstone),
            *(self.sending, self.receiving, self.returning, self.redriving, self.pruning),
            *(self.waiting, self.waiting),
        ]

    def step(self) -> Step:
        return self.random.choice(self.kinds)()

    def one_of(self, *values: T) -> T:
        return self.random.choice(values)

    def maybe(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, make: Callable[[], T]) -> list[T]:
        return [make() for _ in range(self.random.randint(1, 4))]

    def moment(self) -> datetime:
        seconds = self.one_of(-4, -3, -2, -1, -1, 0, 2, 60)
        return self.now + timedelta(seconds=seconds, microseconds=7)

    def spec(self) -> TaskSpec:
        task_id = self.one_of(*IDS)
        return TaskSpec(
            id=task_id,
            name=self.one_of("render", "send"),
            queue=QUEUE,
            body=task_id.encode(),
            created_at=self.moment(),
            priority=self.one_of(1, 5, 10),
            expires_at=self.one_of(None, None, None, self.moment()),
            tags=self.one_of((), ("red",), ("red", "blue \ud800")),
            tenant=self.one_of(None, "one", "lone \udfff"),
            parent_id=self.one_of(None, *IDS),
            delete_on_complete=self.maybe(0.3),
        )

    def record(self) -> Record:
        state = self.one_of(*[TaskState.QUEUED] * 6, *RECORDED)
        return Record(
            spec=self.spec(),
            state=state,
            due_at=self.moment(),
            armed=self.maybe(0.25),
            wake_at=self.one_of(None, self.moment()),
        )

    def bid(self) -> Claim:
        return Claim(
            spec=self.spec(),
            claim_id=self.one_of("a", "b", "c"),
            worker=self.one_of("w1", "w2"),
            lease=self.one_of(*WAITS, LEASE),
            due_at=self.moment(),
            stamp=self.one_of(None, None, 0, 1),
            early_ack=self.maybe(0.3),
            max_rescues=self.one_of(0, 1, 2),
            lost_fails=self.maybe(0.3),
        )

    def outcome(self) -> Outcome:
        return Outcome(
            task_id=self.one_of(*IDS),
            token=self.one_of(1, 1, 2, 3),
            end=self.one_of(End.SUCCESS, *End),
            held=self.maybe(0.7),
            retry_in=self.one_of(None, *WAITS),
            message_waits=self.maybe(0.5),
            reason=self.one_of(None, "error"),
            body=self.one_of(None, b"kept"),
            result=self.one_of(None, b"", b"null"),
            report=self.one_of(None, b"{}"),
            error=self.one_of(None, None, ERROR),
            lines=self.one_of((), (LINE,)),
        )

    def change(self) -> Change:
        return Change(
            task_id=self.one_of(*IDS),
            verb=self.one_of(*Verb),
            state=self.one_of(None, None, None, *TaskState),
            token=self.one_of(None, None, None, 0, 1, 2),
            wake_no=self.one_of(None, None, None, 0, 1, 2),
            body=self.one_of(None, b"kept"),
            reason=self.one_of(None, "purged"),
        )

    def recording(self) -> Step:
        batch = self.some(self.record)
        return lambda one: one.log.record(batch)

    def enqueueing(self) -> Step:
        batch = self.some(self.record)
        return lambda one: one.together.enqueue(batch)

    def claiming(self) -> Step:
        batch = self.some(self.bid)
        return lambda one: one.log.claim(batch)

    def renewing(self) -> Step:
        batch = self.some(
            lambda: Renewal(task_id=self.one_of(*IDS), token=self.one_of(1, 2), lease=LEASE)
        )
        return lambda one: one.log.renew(batch)

    def noting(self) -> Step:
        batch = self.some(
            lambda: Note(
                task_id=self.one_of(*IDS),
                token=self.one_of(1, 2),
                progress=self.one_of(None, 0.0, 0.5),
                text=self.one_of(None, "so \ud800 far"),
            )
        )
        return lambda one: one.log.note(batch)

    def finishing(self) -> Step:
        batch = self.some(self.outcome)
        return lambda one: one.log.finish(batch)

    def changing(self) -> Step:
        batch = self.some(self.change)
        return lambda one: change(one, batch)

    def tombstone(self) -> Step:
        spec = self.spec()
        verb = self.one_of(Verb.CANCEL, Verb.PAUSE)
        return lambda one: change(one, [Change(task_id=spec.id, verb=verb, spec=spec)])

    def sending(self) -> Step:
        batch = self.some(
            lambda: Outgoing(
                key=self.one_of(*IDS),
                body=b"copy",
                priority=self.one_of(1, 5),
                delay=self.one_of(*WAITS),
                attributes={"n": "\ud800"},
            )
        )
        return lambda one: one.queue.send(batch)

    def receiving(self) -> Step:
        limit, lease = self.one_of(1, 2, 3), self.one_of(*WAITS)
        return lambda one: receive(one, limit, lease)

    def working(self) -> Step:
        limit, end = self.one_of(1, 2, 3), self.one_of(End.SUCCESS, *End)
        retry_in = self.one_of(None, *WAITS)
        return lambda one: work(one, limit, end, retry_in)

    def settling(self) -> Step:
        batch, pick = self.some(self.outcome), self.random.randrange(20)
        return lambda one: settle(one, batch, pick)

    def returning(self) -> Step:
        verb = self.one_of(ack, release, extend, reject)
        picks, wait = self.some(lambda: self.random.randrange(20)), self.one_of(*WAITS)
        return lambda one: verb(one.queue, one.picked(picks), wait)

    def redriving(self) -> Step:
        return redrive

    def pruning(self) -> Step:
        before, limit = self.one_of(self.now, self.now + LEASE), self.one_of(1, 2, 9)
        return lambda one: prune(one, before, limit)

    def waiting(self) -> Step:
        step = timedelta(seconds=self.one_of(1, 3, 10, 40))
        self.now += step
        return step


# ---------------------------------------------------------------------------- steps of several


async def change(one: Side, batch: list[Change]) -> object:
    changed = await one.log.transition(batch)
    return [replace(answer, task=plain(answer.task)) for answer in changed]


async def receive(one: Side, limit: int, lease: timedelta) -> object:
    got = await one.queue.receive(limit=limit, wait=timedelta(0), lease=lease)
    one.deliveries += got
    return [replace(delivery, receipt="", message_id=None) for delivery in got]


async def work(one: Side, limit: int, end: End, retry_in: timedelta | None) -> object:
    """What a worker does: receive, claim, settle."""
    got = await one.queue.receive(limit=limit, wait=timedelta(0), lease=LEASE)
    one.deliveries += got
    claimed = await one.log.claim([bid_of(delivery) for delivery in got])
    settlements = [
        Settlement(
            outcome=Outcome(
                task_id=key_of(delivery), token=answer.token, end=end, retry_in=retry_in
            ),
            delivery=delivery,
        )
        for delivery, answer in zip(got, claimed, strict=True)
    ]
    return claimed, await one.together.settle(settlements)


def key_of(delivery: Delivery) -> TaskId:
    assert delivery.key is not None
    return delivery.key


def bid_of(delivery: Delivery) -> Claim:
    spec = TaskSpec(
        id=key_of(delivery), name="render", queue=QUEUE, body=delivery.body, created_at=START
    )
    return Claim(spec=spec, claim_id="d", worker="w3", lease=LEASE, due_at=START)


async def settle(one: Side, batch: list[Outcome], pick: int) -> object:
    deliveries = [None, *one.picked([pick, pick + 1, pick + 2])]
    return await one.together.settle(
        [
            Settlement(outcome=outcome, delivery=delivery)
            for outcome, delivery in zip(batch, deliveries, strict=False)
        ]
    )


async def ack(queue: Queue, held: list[Delivery], _wait: timedelta) -> object:
    return list(map(type, await queue.ack(held)))


async def release(queue: Queue, held: list[Delivery], wait: timedelta) -> object:
    return list(map(type, await queue.release([Release(delivery=d, delay=wait) for d in held])))


async def extend(queue: Queue, held: list[Delivery], wait: timedelta) -> object:
    return list(map(type, await queue.extend(held, lease=wait)))


async def reject(queue: Queue, held: list[Delivery], _wait: timedelta) -> object:
    rejections = [Rejection(delivery=d, reason="decode", detail="\ud800", stamp=1) for d in held]
    return list(map(type, await queue.reject(rejections)))


async def redrive(one: Side) -> object:
    assert isinstance(one.queue, SupportsDeadLetters)
    letters = await one.queue.dead_letters(limit=3)
    redriven = await one.queue.redrive([letter.id for letter in letters])
    return [replace(letter, id="") for letter in letters], list(map(type, redriven))


async def prune(one: Side, before: datetime, limit: int) -> object:
    return await one.log.prune(states=FINAL, before=before, limit=limit)


# ----------------------------------------------------------------------------------- comparing

QUERIES = (
    TaskQuery(),
    TaskQuery(states=FINAL),
    TaskQuery(states=ALL - FINAL, queues=(QUEUE, "other")),
    TaskQuery(include_deleted=True, include_archived=True, states=FINAL),
    TaskQuery(names=("send",), tags=("blue \ud800",)),
    TaskQuery(tenant="lone \udfff"),
    TaskQuery(error="STRASSE", include_deleted=True),
    TaskQuery(armed=True, states=ALL - FINAL),
    TaskQuery(armed=False, updated_before=START + timedelta(seconds=20)),
    TaskQuery(parent_id=IDS[0], ids=IDS[1:]),
    TaskQuery(created_after=START, created_before=START + timedelta(seconds=9), reason="error"),
)


async def seen(one: Side) -> list[object]:
    """Everything a log and a queue show."""
    found: list[object] = [plain(task) for task in await one.log.get(IDS)]
    for query in QUERIES:
        page = await one.log.find(query, limit=2)
        found += [[task.id for task in page.tasks], await one.log.count(query)]
        if page.cursor is not None:
            rest = await one.log.find(query, limit=2, cursor=page.cursor)
            found.append([task.id for task in rest.tasks])
    found += [await one.log.attempts(task_id) for task_id in IDS]
    late = await one.log.due(before=START + timedelta(days=1), limit=9)
    return [*found, await one.queue.depth(), await one.log.stats(), [task.id for task in late]]


async def compare(seed: int, adapter: Adapter, url: str) -> None:
    """Walk the same way through both; they are looked at after each step."""
    clock, walk = ManualClock(), Walk(seed)
    async with adapter.open(url, clock) as one, MEMORY.open("memory://", clock) as other:
        ours, theirs = side(one), side(other)
        for _ in range(STEPS):
            step = walk.step()
            if isinstance(step, timedelta):
                clock.advance(step)
            else:
                assert await step(ours) == await step(theirs)
            assert await seen(ours) == await seen(theirs)
