"""The same steps for the memory adapter and for SQLite: the same answers, the same rows."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longshore.clock import ManualClock
from longshore.identity import TaskId, task_key
from longshore.protocol import (
    Change,
    Claim,
    Claimed,
    End,
    Note,
    Outcome,
    Record,
    Renewal,
    Verb,
)
from longshore.queue import Delivery, Outgoing, Rejection, Release
from longshore.task import ALL, FINAL, LogLine, Task, TaskError, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore.together import Settlement
from longshore_adapters.memory import ADAPTER as MEMORY
from longshore_adapters.sqlite import ADAPTER as SQLITE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from longshore.protocol import Finished
    from longshore.queue import Queue
    from longshore.registry import Backend
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.together import Together

START = ManualClock().now()
QUEUE = "default"
IDS = tuple(task_key("task", str(number)) for number in range(3))
LEASE = timedelta(seconds=30)
WAITS = (timedelta(0), timedelta(seconds=1), timedelta(seconds=20))
ERROR = TaskError(type="ValueError", message="no order \udc80 Straße", traceback="…")
LINE = LogLine(at=START, level="info", text="half \ud800 way")


@dataclass
class Side:
    """One of the two adapters, and the deliveries it gave."""

    queue: Queue
    log: TaskLog
    store: Store
    together: Together
    deliveries: list[Delivery] = field(default_factory=list[Delivery])

    def delivery(self, number: int) -> Delivery | None:
        return self.deliveries[number % len(self.deliveries)] if self.deliveries else None


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


def errors(answers: Iterable[object]) -> list[type[object]]:
    return [type(answer) for answer in answers]


# ---------------------------------------------------------------------------------- the steps

ids = st.sampled_from(IDS)
batches = st.lists(ids, min_size=1, max_size=4)
moments = st.sampled_from([-4, -3, -2, -1, 0, 2, 20]).map(
    lambda seconds: START + timedelta(seconds=seconds, microseconds=7)
)
maybe_moments = st.none() | moments


@st.composite
def specs(draw: st.DrawFn) -> TaskSpec:
    task_id = draw(ids)
    return TaskSpec(
        id=task_id,
        name=draw(st.sampled_from(["render", "send"])),
        queue=QUEUE,
        body=task_id.encode(),
        created_at=draw(moments),
        priority=draw(st.sampled_from([1, 5, 10])),
        expires_at=draw(st.none() | st.none() | moments),
        tags=draw(st.sampled_from([(), ("red",), ("red", "blue \ud800")])),
        tenant=draw(st.sampled_from([None, "one", "lone \udfff"])),
        parent_id=draw(st.sampled_from([None, *IDS])),
        delete_on_complete=draw(st.booleans()),
    )


records = st.builds(
    Record,
    spec=specs(),
    state=st.sampled_from(
        [
            *(TaskState.QUEUED, TaskState.QUEUED, TaskState.QUEUED, TaskState.SCHEDULED),
            *(TaskState.CREATED, TaskState.BLOCKED, TaskState.CANCELLED, TaskState.PAUSED),
        ]
    ),
    due_at=moments,
    armed=st.sampled_from([False, False, False, True]),
    wake_at=maybe_moments,
)
claims = st.builds(
    Claim,
    spec=specs(),
    claim_id=st.sampled_from(["a", "b", "c"]),
    worker=st.sampled_from(["w1", "w2"]),
    lease=st.sampled_from([timedelta(seconds=1), LEASE]),
    due_at=moments,
    stamp=st.none() | st.integers(0, 2),
    early_ack=st.sampled_from([False, False, True]),
    max_rescues=st.integers(0, 2),
    lost_fails=st.booleans(),
)
outcomes = st.builds(
    Outcome,
    task_id=ids,
    token=st.sampled_from([1, 1, 2, 3]),
    end=st.sampled_from([End.SUCCESS, *End]),
    held=st.booleans(),
    retry_in=st.none() | st.sampled_from(WAITS),
    message_waits=st.booleans(),
    reason=st.sampled_from([None, "error"]),
    body=st.sampled_from([None, b"kept"]),
    result=st.sampled_from([None, b"", b"null"]),
    report=st.sampled_from([None, b"{}"]),
    error=st.sampled_from([None, None, ERROR]),
    lines=st.sampled_from([(), (LINE,)]),
)
changes = st.builds(
    Change,
    task_id=ids,
    verb=st.sampled_from(Verb),
    state=st.none() | st.none() | st.sampled_from(TaskState),
    token=st.none() | st.none() | st.integers(0, 3),
    wake_no=st.none() | st.none() | st.integers(0, 3),
    body=st.sampled_from([None, b"kept"]),
    reason=st.sampled_from([None, "purged"]),
)
numbers = st.integers(0, 20)


def recording(batch: list[Record]) -> Step:
    return lambda one: one.log.record(batch)


def enqueueing(batch: list[Record]) -> Step:
    return lambda one: one.together.enqueue(batch)


def claiming(batch: list[Claim]) -> Step:
    return lambda one: one.log.claim(batch)


def renewing(batch: list[tuple[TaskId, int]]) -> Step:
    renewals = [Renewal(task_id=task_id, token=token, lease=LEASE) for task_id, token in batch]
    return lambda one: one.log.renew(renewals)


def noting(batch: list[tuple[TaskId, int, float | None]]) -> Step:
    notes = [
        Note(task_id=task_id, token=token, progress=share, text=None if share else "so \ud800 far")
        for task_id, token, share in batch
    ]
    return lambda one: one.log.note(notes)


def finishing(batch: list[Outcome]) -> Step:
    return lambda one: one.log.finish(batch)


def changing(batch: list[Change]) -> Step:
    return lambda one: one.log.transition(batch)


def tombstone(spec: TaskSpec, verb: Verb) -> Step:
    return changing([Change(task_id=spec.id, verb=verb, spec=spec)])


def sending(batch: list[tuple[TaskId, int, timedelta]]) -> Step:
    sent = [
        Outgoing(
            key=task_id, body=b"copy", priority=priority, delay=delay, attributes={"n": "\ud800"}
        )
        for task_id, priority, delay in batch
    ]
    return lambda one: one.queue.send(sent)


def receiving(limit: int, lease: timedelta) -> Step:
    async def step(one: Side) -> object:
        got = await one.queue.receive(limit=limit, wait=timedelta(0), lease=lease)
        one.deliveries += got
        return [replace(delivery, receipt="", message_id=None) for delivery in got]

    return step


def working(limit: int, end: End, retry_in: timedelta | None) -> Step:
    """What a worker does: receive, claim, settle."""

    async def step(one: Side) -> object:
        got = await one.queue.receive(limit=limit, wait=timedelta(0), lease=LEASE)
        one.deliveries += got
        bids = [_bid(delivery) for delivery in got]
        claimed = await one.log.claim(bids)
        finished = await one.together.settle(
            [
                _settlement(delivery, claim, end, retry_in)
                for delivery, claim in zip(got, claimed, strict=True)
            ]
        )
        return claimed, finished

    return step


def _bid(delivery: Delivery) -> Claim:
    assert delivery.key is not None
    spec = TaskSpec(
        id=delivery.key, name="render", queue=QUEUE, body=delivery.body, created_at=START
    )
    return Claim(spec=spec, claim_id="d", worker="w3", lease=LEASE, due_at=START)


def _settlement(
    delivery: Delivery, claimed: Claimed, end: End, retry_in: timedelta | None
) -> Settlement:
    assert delivery.key is not None
    outcome = Outcome(
        task_id=delivery.key, token=claimed.token, end=end, retry_in=retry_in, reason="error"
    )
    return Settlement(outcome=outcome, delivery=delivery)


def settling(batch: list[Outcome], number: int) -> Step:
    async def step(one: Side) -> list[Finished]:
        settlements = [
            Settlement(outcome=outcome, delivery=one.delivery(number + index) if index else None)
            for index, outcome in enumerate(batch)
        ]
        return await one.together.settle(settlements)

    return step


def returning(verb: str, picks: list[int], wait: timedelta) -> Step:
    async def step(one: Side) -> object:
        held = [one.deliveries[pick % len(one.deliveries)] for pick in picks if one.deliveries]
        if verb == "ack":
            return errors(await one.queue.ack(held))
        if verb == "release":
            releases = [Release(delivery=delivery, delay=wait) for delivery in held]
            return errors(await one.queue.release(releases))
        if verb == "extend":
            return errors(await one.queue.extend(held, lease=wait))
        rejections = [
            Rejection(delivery=delivery, reason="decode", detail="\ud800", stamp=1)
            for delivery in held
        ]
        return errors(await one.queue.reject(rejections))

    return step


def redriving() -> Step:
    async def step(one: Side) -> object:
        letters = await one.queue.dead_letters(limit=10)  # type: ignore[attr-defined] # both are SupportsDeadLetters
        await one.queue.redrive([letter.id for letter in letters])  # type: ignore[attr-defined] # as above
        return [replace(letter, id="") for letter in letters]

    return step


def pruning(before: timedelta, limit: int) -> Step:
    # Rows with a message stay in SQLite; the memory adapter leaves that to its caller.
    async def step(one: Side) -> object:
        await one.queue.purge()  # type: ignore[attr-defined] # both are SupportsPurge
        await one.queue.ack(one.deliveries)
        return await one.log.prune(states=FINAL, before=START + before, limit=limit)

    return step


steps = st.one_of(
    st.lists(records, min_size=1, max_size=4).map(recording),
    st.lists(records, min_size=1, max_size=4).map(enqueueing),
    st.lists(records, min_size=1, max_size=4).map(enqueueing),
    st.lists(claims, min_size=1, max_size=4).map(claiming),
    st.lists(claims, min_size=1, max_size=4).map(claiming),
    st.lists(st.tuples(ids, st.integers(1, 3)), min_size=1, max_size=4).map(renewing),
    st.lists(
        st.tuples(ids, st.integers(1, 3), st.none() | st.floats(0, 1)), min_size=1, max_size=3
    ).map(noting),
    st.lists(outcomes, min_size=1, max_size=4).map(finishing),
    st.lists(changes, min_size=1, max_size=4).map(changing),
    st.builds(tombstone, specs(), st.sampled_from([Verb.CANCEL, Verb.PAUSE])),
    st.lists(
        st.tuples(ids, st.sampled_from([1, 5]), st.sampled_from(WAITS)), min_size=1, max_size=3
    ).map(sending),
    st.builds(receiving, st.integers(1, 3), st.sampled_from(WAITS)),
    st.builds(working, st.integers(1, 3), st.sampled_from(End), st.none() | st.sampled_from(WAITS)),
    st.builds(settling, st.lists(outcomes, min_size=1, max_size=3), numbers),
    st.builds(
        returning,
        st.sampled_from(["ack", "release", "extend", "reject"]),
        st.lists(numbers, min_size=1, max_size=3),
        st.sampled_from(WAITS),
    ),
    st.builds(redriving),
    st.builds(pruning, st.sampled_from([timedelta(0), timedelta(days=1)]), st.integers(1, 3)),
    st.sampled_from([timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=40)]),
)

QUERIES = (
    TaskQuery(),
    TaskQuery(states=FINAL),
    TaskQuery(states=ALL - FINAL, queues=(QUEUE, "other")),
    TaskQuery(include_deleted=True, include_archived=True, states=FINAL),
    TaskQuery(names=("send",), tags=("blue \ud800",)),
    TaskQuery(tenant="lone \udfff"),
    TaskQuery(error="STRASSE", include_deleted=True),
    TaskQuery(parent_id=IDS[0], ids=IDS[1:]),
    TaskQuery(created_after=START, created_before=START + timedelta(seconds=9), reason="error"),
)


async def seen(one: Side) -> list[object]:
    """Everything a log and a queue show."""
    found: list[object] = [[plain(task) for task in await one.log.get(IDS)]]
    for query in QUERIES:
        page = await one.log.find(query, limit=3)
        found += [[task.id for task in page.tasks], await one.log.count(query)]
        if page.cursor is not None:
            rest = await one.log.find(query, limit=3, cursor=page.cursor)
            found.append([task.id for task in rest.tasks])
    found += [await one.log.attempts(task_id) for task_id in IDS]
    late = await one.log.due(before=START + timedelta(days=1), limit=9)
    return [*found, await one.queue.depth(), await one.log.stats(), [task.id for task in late]]


async def compare(steps_: list[Step]) -> None:
    clock = ManualClock()
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            url = f"sqlite:///{folder}/longshore.db?synchronous=off"
            ours = side(await stack.enter_async_context(SQLITE.open(url, clock)))
            theirs = side(await stack.enter_async_context(MEMORY.open("memory://", clock)))
            for step in steps_:
                if isinstance(step, timedelta):
                    clock.advance(step)
                else:
                    assert await step(ours) == await step(theirs)
            assert await seen(ours) == await seen(theirs)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records, min_size=4, max_size=6), st.lists(steps, min_size=25, max_size=40))
def test_any_steps_answer_and_leave_what_they_do_in_memory(
    first: list[Record], steps: list[Step]
) -> None:
    asyncio.run(compare([enqueueing(first), *steps]))
