"""The same steps for the memory adapter and for DynamoDB: the same answers, the same rows.

What the kit's agreement holds one item at a time is done here in batches, with one task twice, and
seen through every listing; and the store is walked as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import pytest

from longshore.clock import ManualClock
from longshore.identity import task_key
from longshore.protocol import Change, Claim, End, Note, Outcome, Record, Renewal, Verb
from longshore.store import ABSENT, Add, Delete, Put
from longshore.task import ALL, FINAL, LogLine, Task, TaskError, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore_adapters.dynamodb import ADAPTER as DYNAMODB
from longshore_adapters.memory import ADAPTER as MEMORY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime
    from typing import TypeAlias

    from longshore.registry import Backend
    from longshore.store import Entry, Store
    from longshore.task_log import TaskLog

    Step: TypeAlias = "Callable[[Side], Awaitable[object]]"

pytestmark = pytest.mark.once

T = TypeVar("T")

WALKS = 4
STEPS = 30
START = ManualClock().now()
IDS = tuple(task_key("task", str(number)) for number in range(4))
KEYS = ("a", "a/1", "a/2", "b:1", "b")
LEASE = timedelta(seconds=30)
WAITS = (timedelta(0), timedelta(seconds=1), timedelta(seconds=20))
LONG = "Straße \ud800 " * 600
ERRORS = (None, None, *(TaskError(type="E", message="no", traceback=text) for text in ("", LONG)))
LINES = ((), (), (LogLine(at=START, level="info", text="half \ud800 way"),))
RECORDED = (TaskState.CREATED, TaskState.SCHEDULED, TaskState.BLOCKED, TaskState.PAUSED)


@dataclass
class Side:
    """One of the two adapters, and the versions its store gave."""

    log: TaskLog
    store: Store
    versions: dict[str, int] = field(default_factory=dict[str, int])

    def version(self, key: str, kind: str) -> int | None:
        known = self.versions.get(key, 1)
        return {"any": None, "absent": ABSENT, "right": known, "wrong": known + 1}[kind]

    def seen(self, entry: Entry | None) -> Entry | None:
        """An entry without its version, which is an adapter's own affair."""
        if entry is None:
            return None
        self.versions[entry.key] = entry.version
        return replace(entry, version=1)


class Walk:
    """Makes steps up: the same from the same seed."""

    def __init__(self, seed: int, clock: ManualClock) -> None:
        self.clock = clock
        self.random = Random(seed)  # noqa: S311 - the same walk every time
        self.kinds = [
            *(self.recording, self.recording, self.claiming, self.claiming, self.claiming),
            *(self.finishing, self.finishing, self.changing, self.changing, self.renewing),
            *(self.noting, self.pruning, self.putting, self.deleting, self.adding),
        ]

    def step(self) -> Step:
        if self.maybe(0.15):
            self.clock.advance(self.one_of(1.0, 3.0, 10.0, 40.0))
        return self.one_of(*self.kinds)()

    def one_of(self, *values: T) -> T:
        return self.random.choice(values)

    def maybe(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, make: Callable[[], T]) -> list[T]:
        return [make() for _ in range(self.random.randint(1, 4))]

    def moment(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.one_of(-4, -2, -1, 0, 2, 60))

    def spec(self) -> TaskSpec:
        return TaskSpec(
            id=self.one_of(*IDS),
            name=self.one_of("render", "send"),
            queue=self.one_of("one", "two"),
            body=self.one_of(b"", b"body", b"long" * 1500),
            created_at=self.one_of(START, self.moment()),
            expires_at=self.one_of(None, None, None, self.moment()),
            tags=self.one_of((), ("red", "blue \ud800")),
            delete_on_complete=self.maybe(0.3),
        )

    def recording(self) -> Step:
        batch = self.some(
            lambda: Record(
                spec=self.spec(),
                state=self.one_of(*[TaskState.QUEUED] * 6, *RECORDED),
                due_at=self.moment(),
                armed=self.maybe(0.3),
            )
        )
        return lambda one: one.log.record(batch)

    def claiming(self) -> Step:
        batch = self.some(
            lambda: Claim(
                spec=self.spec(),
                claim_id=self.one_of("a", "b", "c", "d", "e"),
                worker=self.one_of("w1", "w\udfff"),
                lease=self.one_of(*WAITS, LEASE),
                due_at=self.moment(),
                stamp=self.one_of(None, None, 0, 1),
                early_ack=self.maybe(0.3),
                max_rescues=self.one_of(0, 1, 2),
                lost_fails=self.maybe(0.3),
            )
        )
        return lambda one: one.log.claim(batch)

    def finishing(self) -> Step:
        batch = self.some(
            lambda: Outcome(
                task_id=self.one_of(*IDS),
                token=self.one_of(1, 1, 2, 3),
                end=self.one_of(End.SUCCESS, *End),
                held=self.maybe(0.7),
                retry_in=self.one_of(None, *WAITS),
                message_waits=self.maybe(0.5),
                body=self.one_of(None, b"kept"),
                result=self.one_of(None, b"", b"r" * 5000),
                report=self.one_of(None, b"{}"),
                error=self.one_of(*ERRORS),
                lines=self.one_of(*LINES),
            )
        )
        return lambda one: one.log.finish(batch)

    def changing(self) -> Step:
        batch = self.some(
            lambda: Change(
                task_id=self.one_of(*IDS),
                verb=self.one_of(*Verb),
                token=self.one_of(None, None, 0, 1),
                wake_no=self.one_of(None, None, 0, 1),
                body=self.one_of(None, b"kept", b"kept" * 2000),
                reason=self.one_of(None, "purged"),
            )
        )
        return lambda one: change(one, batch)

    def renewing(self) -> Step:
        batch = self.some(
            lambda: Renewal(
                task_id=self.one_of(*IDS), token=self.one_of(1, 2), lease=self.one_of(*WAITS, LEASE)
            )
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

    def pruning(self) -> Step:
        before = self.moment()
        return lambda one: one.log.prune(states=FINAL, before=before, limit=9)

    def putting(self) -> Step:
        key, kind = self.one_of(*KEYS), self.one_of("any", "absent", "right", "wrong")
        ttl = self.one_of(None, *WAITS[1:])
        return lambda one: put(one, Put(key=key, value=b"v", ttl=ttl), kind)

    def deleting(self) -> Step:
        key, kind = self.one_of(*KEYS), self.one_of("any", "right", "wrong")
        return lambda one: one.store.delete([Delete(key=key, if_version=one.version(key, kind))])

    def adding(self) -> Step:
        batch = self.some(
            lambda: Add(key=f"n/{self.one_of(1, 2)}", ttl=self.one_of(None, *WAITS[1:]))
        )
        return lambda one: one.store.add(batch)


async def change(one: Side, batch: list[Change]) -> object:
    changed = await one.log.transition(batch)
    return [replace(answer, task=plain(answer.task)) for answer in changed]


async def put(one: Side, wanted: Put, kind: str) -> object:
    version = one.version(wanted.key, kind)
    [entry] = await one.store.put([replace(wanted, if_version=version)])
    return one.seen(entry)


def plain(task: Task | None) -> Task | None:
    """A row without what is a log's own affair: whether a stripped row's spec has a body."""
    return None if task is None else replace(task, spec=replace(task.spec, body=b""))


QUERIES = (
    TaskQuery(),
    TaskQuery(states=FINAL),
    TaskQuery(states=frozenset({TaskState.FAILED})),
    TaskQuery(states=ALL - FINAL, queues=("one",)),
    TaskQuery(include_deleted=True, include_archived=True, states=FINAL),
    TaskQuery(error="STRASSE", include_deleted=True),
    TaskQuery(armed=True),
    TaskQuery(ids=IDS[1:]),
)


async def seen(one: Side) -> list[object]:
    """Everything a log and a store show."""
    found: list[object] = [plain(task) for task in await one.log.get(IDS)]
    for query in QUERIES:
        page = await one.log.find(query, limit=2)
        found += [[task.id for task in page.tasks], await one.log.count(query)]
        if page.cursor is not None:
            rest = await one.log.find(query, limit=2, cursor=page.cursor)
            found.append([task.id for task in rest.tasks])
    found += [await one.log.attempts(task_id) for task_id in IDS]
    late = await one.log.due(before=START + timedelta(days=1), limit=9)
    entries = [one.seen(entry) for entry in await one.store.scan("")]
    return [*found, await one.log.stats(), {(task.wake_at, task.id) for task in late}, entries]


@pytest.fixture
def url(dynamodb_url: str, aws_environment: None) -> Iterator[str]:
    assert aws_environment is None
    url = f"dynamodb://longshore-{uuid4().hex}?endpoint_url={dynamodb_url}&skew=ignore"
    DYNAMODB.init(url)
    yield url
    DYNAMODB.deinit(url)


def side(backend: Backend) -> Side:
    assert backend.task_log is not None
    assert backend.store is not None
    return Side(backend.task_log, backend.store)


@pytest.mark.parametrize("seed", range(WALKS))
async def test_any_steps_answer_and_leave_what_they_do_in_memory(seed: int, url: str) -> None:
    clock = ManualClock()
    walk = Walk(seed, clock)

    async with MEMORY.open("memory://", clock) as one, DYNAMODB.open(url, clock) as other:
        theirs, ours = side(one), side(other)
        for place in range(STEPS):
            step = walk.step()
            assert await step(ours) == await step(theirs)
            if place % 5 == 0:  # a look costs sixty calls
                assert await seen(ours) == await seen(theirs)
