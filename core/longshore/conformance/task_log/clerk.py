"""What the log's tests share: a log of their own, and a clerk who brings rows into a state."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.clock import ManualClock
from longshore.conformance.contract import DEADLINE, LONG, Contract, Opened, Time
from longshore.identity import TaskIds
from longshore.protocol import (
    MARGIN,
    Answer,
    Change,
    Changed,
    Claim,
    Claimed,
    End,
    Finished,
    Outcome,
    Record,
    Recorded,
    Verb,
)
from longshore.task import Task, TaskSpec, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from longshore.task_log import TaskLog

LEASE = timedelta(seconds=0.3)
"""A lease that a test lets end; the log honours it for `MARGIN` longer."""
NO_TIME = timedelta(0)
_MOMENT = timedelta(milliseconds=1)


class Clerk:
    """Writes to a log as clients, workers and operators do, one item at a time."""

    def __init__(self, log: TaskLog, time: Time, ticks: Iterator[int]) -> None:
        self.log = log
        self.time = time
        self._ticks = ticks

    def now(self) -> datetime:
        """Read the clock; a log with a clock of its own differs by less than `tolerance`."""
        return self.time.clock.now()

    @property
    def tolerance(self) -> timedelta:
        """How far a time the log wrote may be from ours."""
        return NO_TIME if isinstance(self.time.clock, ManualClock) else DEADLINE / 4

    def past(self) -> datetime:
        """A moment that has come by any clock."""
        return self.now() - timedelta(seconds=10)

    def near(self, seen: datetime | None, expected: datetime | None) -> bool:
        """Whether a time the log wrote is the one expected."""
        if seen is None or expected is None:
            return seen is expected
        return abs(seen - expected) <= self.tolerance

    def spec(self, queue: str = "conformance") -> TaskSpec:
        """Make a task of its own, created later than all before."""
        return TaskSpec(
            id=TaskIds()(),
            name="conformance.task",
            queue=queue,
            body=b'{"n": 1}',
            created_at=self.now() + next(self._ticks) * _MOMENT,
        )

    def bid(self, spec: TaskSpec) -> Claim:
        """Make a claim under a fresh id; vary it with `dataclasses.replace`."""
        return Claim(
            spec=spec,
            claim_id=uuid4().hex,
            worker="conformance-worker",
            lease=LONG,
            due_at=self.past(),
        )

    def entry(self, state: TaskState = TaskState.QUEUED) -> Record:
        """Make a record of a new task that is due."""
        return Record(spec=self.spec(), state=state, due_at=self.past())

    async def record(self, entry: Record) -> Recorded:
        """Record one."""
        [answer] = await self.log.record([entry])
        return answer

    async def recorded(
        self, state: TaskState = TaskState.QUEUED, queue: str = "conformance"
    ) -> TaskSpec:
        """Leave a row in a state that a record can have."""
        entry = Record(spec=self.spec(queue), state=state, due_at=self.past())
        assert (await self.record(entry)).inserted
        return entry.spec

    async def claim(self, bid: Claim) -> Claimed:
        """Claim one."""
        [answer] = await self.log.claim([bid])
        return answer

    async def won(self, bid: Claim) -> Claimed:
        """Claim what must be won."""
        answer = await self.claim(bid)
        assert answer.answer is Answer.WON
        return answer

    async def running(self, *, lease: timedelta = LONG) -> TaskSpec:
        """Leave a row running under token 1, adopted from a message."""
        spec = self.spec()
        await self.won(replace(self.bid(spec), lease=lease))
        return spec

    async def lapsed(self) -> TaskSpec:
        """Leave a row running whose lease is dead."""
        spec = await self.running(lease=LEASE)
        await self.lease_ends()
        return spec

    async def lease_ends(self) -> None:
        """Let a lease of `LEASE` die, its margin included."""
        await self.time.passes(LEASE + MARGIN + LEASE)

    async def finish(self, outcome: Outcome) -> Finished:
        """Finish one."""
        [answer] = await self.log.finish([outcome])
        return answer

    async def ended(self, end: End = End.SUCCESS) -> TaskSpec:
        """Leave a row that ended by itself, at its first attempt."""
        spec = await self.running()
        assert (await self.finish(Outcome(task_id=spec.id, token=1, end=end))).accepted
        return spec

    async def retrying(self) -> TaskSpec:
        """Leave a row that waits for its next attempt, due now."""
        spec = await self.running()
        outcome = Outcome(task_id=spec.id, token=1, end=End.FAILURE, retry_in=NO_TIME)
        assert (await self.finish(outcome)).accepted
        return spec

    async def expired(self) -> TaskSpec:
        """Leave a row that came too late."""
        spec = self.spec()
        late = replace(spec, expires_at=self.past())
        assert (await self.claim(self.bid(late))).answer is Answer.EXPIRED
        return late

    async def change(self, wanted: Change) -> Changed:
        """Change one."""
        [answer] = await self.log.transition([wanted])
        return answer

    async def changed(self, spec: TaskSpec, verb: Verb) -> Task:
        """Make a change that must apply; the row after it."""
        answer = await self.change(Change(task_id=spec.id, verb=verb))
        assert answer.applied
        assert answer.task is not None
        return answer.task

    async def find_row(self, spec: TaskSpec) -> Task | None:
        """Read a row that may not be there."""
        [task] = await self.log.get([spec.id])
        return task

    async def row(self, spec: TaskSpec) -> Task:
        """Read a row that must be there."""
        task = await self.find_row(spec)
        assert task is not None
        return task

    def differences(self, seen: Task | None, expected: Task | None) -> list[str]:
        """Say in which fields a row is not as expected; times may differ by `tolerance`.

        The body is compared once, as `body`: whether `spec.body` repeats it is the log's affair.
        """
        if seen is None or expected is None:
            return [] if seen is expected else [f"{seen} is not {expected}"]
        return [
            f"{field.name}: {getattr(seen, field.name)!r} is not {getattr(expected, field.name)!r}"
            for field in fields(Task)
            if not self._alike(getattr(seen, field.name), getattr(expected, field.name))
        ]

    def _alike(self, seen: object, expected: object) -> bool:
        if isinstance(seen, datetime) and isinstance(expected, datetime):
            return self.near(seen, expected)
        if isinstance(seen, TaskSpec) and isinstance(expected, TaskSpec):
            return replace(seen, body=b"") == replace(expected, body=b"")
        return type(seen) is type(expected) and seen == expected


class LogSetting(Contract):
    """The fixtures of the log's tests."""

    @pytest.fixture
    def task_log(self, backend: Opened) -> TaskLog:
        """The log under test."""
        assert backend.task_log is not None
        return backend.task_log

    @pytest.fixture
    def second(self, other: Opened) -> TaskLog:
        """Reach the same log by another connection."""
        assert other.task_log is not None
        return other.task_log

    @pytest.fixture
    def ticks(self) -> Iterator[int]:
        """Count tasks, so that each is created later than the one before."""
        return itertools.count()

    @pytest.fixture
    def clerk(self, task_log: TaskLog, time: Time, ticks: Iterator[int]) -> Clerk:
        """Write by the first connection."""
        return Clerk(task_log, time, ticks)

    @pytest.fixture
    def others_clerk(self, second: TaskLog, time: Time, ticks: Iterator[int]) -> Clerk:
        """Write by the second."""
        return Clerk(second, time, ticks)

    @pytest.fixture
    def ways(self, clerk: Clerk) -> dict[TaskState, Callable[[], Coroutine[None, None, TaskSpec]]]:
        """For each state that the port's verbs can reach, how a row gets there."""
        states = TaskState
        recorded = (states.CREATED, states.SCHEDULED, states.QUEUED, states.BLOCKED)
        return {
            **{state: _recording(clerk, state) for state in (*recorded, states.PAUSED)},
            states.RUNNING: clerk.running,
            states.RETRYING: clerk.retrying,
            states.SUCCEEDED: clerk.ended,
            states.FAILED: lambda: clerk.ended(End.FAILURE),
            states.CANCELLED: lambda: clerk.ended(End.CANCEL),
            states.EXPIRED: clerk.expired,
        }


def _recording(clerk: Clerk, state: TaskState) -> Callable[[], Coroutine[None, None, TaskSpec]]:
    return lambda: clerk.recorded(state)
