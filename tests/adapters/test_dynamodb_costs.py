"""What a task costs: write units as DynamoDB Local counts them, indexes included.

The figures are the exact ones of the README. Run with -s to see them.
"""

# ruff: noqa: T201 - the figures are there to be read

from __future__ import annotations

import gc
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from longshore.clock import ManualClock
from longshore.identity import TaskIds
from longshore.protocol import Answer, Claim, End, Outcome, Record, Renewal
from longshore.task import Task, TaskError, TaskSpec, TaskState
from longshore_adapters.dynamodb import ADAPTER, counting
from longshore_adapters.dynamodb.connection import Connection
from longshore_adapters.dynamodb.options import parse_url
from longshore_adapters.dynamodb.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from longshore.registry import Backend
    from longshore.task_log import TaskLog
    from longshore_adapters.dynamodb.scalars import Item

pytestmark = pytest.mark.once

TASKS = 10
LEASE = timedelta(seconds=30)
WRITES = ("PutItem", "UpdateItem", "BatchWriteItem", "BatchExecuteStatement")
TRACEBACK = "Traceback (most recent call last):\n" + '  File "/srv/app/shop/orders.py"\n' * 60


@pytest.fixture
def url(dynamodb_url: str, aws_environment: None) -> Iterator[str]:
    """A table that tells units, which DynamoDB Local does not do for batches of statements."""
    assert aws_environment is None
    table = f"longshore-{uuid4().hex}"
    url = f"dynamodb://{table}?endpoint_url={dynamodb_url}&skew=ignore&capacity=on&batch=off"
    ADAPTER.init(url)
    yield url
    ADAPTER.deinit(url)


class Meter:
    """Lives of tasks, and the write units each step of them took."""

    def __init__(self, backend: Backend) -> None:
        assert backend.task_log is not None
        assert backend.calls is not None
        self.log: TaskLog = backend.task_log
        self._calls = backend.calls
        self._seen: Counter[str] = Counter()
        self.used()

    def used(self, kinds: tuple[str, ...] = WRITES) -> float:
        """Units per task since the last look."""
        now = Counter({name: n for name, n in self._calls().items() if name.endswith(".units")})
        since = now - self._seen
        self._seen = now
        return sum(since[f"{kind}.units"] for kind in kinds) / TASKS

    async def record(self, specs: list[TaskSpec]) -> float:
        await self.log.record(
            [Record(spec=one, state=TaskState.QUEUED, due_at=one.created_at) for one in specs]
        )
        return self.used()

    async def claim(self, specs: list[TaskSpec]) -> float:
        answers = await self.log.claim([bid(one) for one in specs])
        assert {answer.answer for answer in answers} == {Answer.WON}
        return self.used()

    async def finish(self, specs: list[TaskSpec], end: End = End.SUCCESS, token: int = 1) -> float:
        error = TaskError(type="ValueError", message="no", traceback=TRACEBACK)
        answers = await self.log.finish(
            [
                Outcome(
                    task_id=one.id,
                    token=token,
                    end=end,
                    result=b"null" if end is End.SUCCESS else None,
                    error=None if end is End.SUCCESS else error,
                    retry_in=LEASE if end is End.FAILURE else None,
                )
                for one in specs
            ]
        )
        assert all(answer.accepted for answer in answers)
        return self.used()


@asynccontextmanager
async def metered(url: str) -> AsyncGenerator[Meter]:
    """Open the log when it has seen a few tasks go by, and its buckets are there."""
    async with ADAPTER.open(url, ManualClock()) as backend:
        meter = Meter(backend)
        await meter.record(specs(8))
        meter.used()
        yield meter


def specs(count: int = TASKS, size: int = 300) -> list[TaskSpec]:
    now = ManualClock().now()
    return [
        TaskSpec(
            id=TaskIds()(),
            name="shop.orders.send_receipt",
            queue="orders",
            body=b"x" * size,
            created_at=now,
            max_attempts=5,
        )
        for _ in range(count)
    ]


def bid(of: TaskSpec) -> Claim:
    return Claim(
        spec=of,
        claim_id=f"{uuid4()}.17",
        worker="worker-7d9c5b6f4-x2x9z.4242.3",
        lease=LEASE,
        due_at=of.created_at,
    )


async def test_a_recorded_task_costs_four_write_units(url: str) -> None:
    async with metered(url) as meter:
        first, tasks = specs(), specs()
        await meter.record(first)
        await meter.claim(first)

        steps = [await meter.record(tasks), await meter.claim(tasks), await meter.finish(tasks)]

    print("recorded: record, claim, finish", steps)
    assert steps == [2, 1, 1]


async def test_a_task_claimed_first_costs_three_write_units(url: str) -> None:
    async with metered(url) as meter:
        await meter.claim(specs())
        tasks = specs()

        steps = [await meter.claim(tasks), await meter.finish(tasks)]

    print("claimed first: claim, finish", steps)
    assert steps == [2, 1]


async def test_once_a_queue_is_known_a_claim_reads_nothing(url: str) -> None:
    async with metered(url) as meter:
        first, tasks = specs(), specs()
        await meter.record(first + tasks)
        await meter.claim(first)
        reads = ("BatchGetItem",)
        before = meter.used(reads)

        await meter.claim(tasks)

    assert before == 0
    assert meter.used(reads) == 0


async def test_a_renewal_costs_a_write_unit(url: str) -> None:
    async with metered(url) as meter:
        tasks = specs()
        await meter.claim(tasks)

        await meter.log.renew([Renewal(task_id=one.id, token=1, lease=LEASE) for one in tasks])

        units = meter.used()
    print("renewal", units)
    assert units == 1


async def test_a_long_body_is_paid_for_once(url: str) -> None:
    async with metered(url) as meter:
        await meter.claim(specs())
        tasks = specs(size=10_000)

        steps = [await meter.claim(tasks), await meter.finish(tasks)]

    print("claimed first, 10 KB body: claim, finish", steps)
    assert steps == [12, 1]


async def test_a_failure_with_a_traceback_pays_for_it_once(url: str) -> None:
    async with metered(url) as meter:
        await meter.claim(specs())
        tasks = specs()
        await meter.claim(tasks)

        steps = [await meter.finish(tasks, End.FAILURE)]

    print("failure to be retried, traceback of 2 KB", steps)
    assert steps == [4]


async def test_statistics_keep_no_more_rows_than_those_of_a_page_in_memory(url: str) -> None:
    """The scheduler asks for them each day, of a table that holds the tasks of a month."""

    class Paged(Table):
        most = 0

        async def pages(
            self, operation: str, asked: Mapping[str, Any]
        ) -> AsyncGenerator[tuple[list[Item], Item | None]]:
            async for page in super().pages(operation, {**asked, "Limit": 20}):
                self.most = max(self.most, rows_in_memory() - before)
                yield page

    async with metered(url) as meter:
        tasks = specs(100)
        await meter.record(tasks)
        async with Connection(parse_url(url), ManualClock()).opened() as connection:
            table = Paged(connection)
            before = rows_in_memory()
            [stats] = await counting.stats(table)

    assert stats.by_state == {TaskState.QUEUED: 108}
    assert stats.oldest_open == tasks[0].created_at
    assert table.most <= 40


def rows_in_memory() -> int:
    return sum(type(each) is Task for each in gc.get_objects())
