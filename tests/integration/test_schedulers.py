"""Schedulers on one SQLite file: as processes that are killed, and beside many waiting rows."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.clock import ManualClock
from longshore.conformance import FaultPlan, FlakyTaskLog
from longshore.identity import TaskIds
from longshore.ports import Ports
from longshore.protocol import Record
from longshore.queue import SupportsPurge
from longshore.registry import find_adapter
from longshore.scheduler import Scheduler, SchedulerOptions, leader_of
from longshore.scheduler.audit import PAGE
from longshore.scheduler.publishing import BATCH
from longshore.settings import Settings
from longshore.task import TaskSpec, TaskState
from longshore.wiring import open_ports

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from datetime import datetime
    from pathlib import Path

    from longshore.identity import TaskId
    from longshore.task import Task

PATIENCE = 30.0
TWO_LEASES = 2 * SchedulerOptions().lease.total_seconds()
WAITING, DUE = 45_000, 5_000


@dataclass
class File:
    """A SQLite file, and the scheduler processes beside it."""

    folder: Path
    url: str
    ports: Ports

    @asynccontextmanager
    async def scheduler(self, *words: str) -> AsyncGenerator[Process]:
        rest = {name: v for name, v in os.environ.items() if not name.startswith("LONGSHORE_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "longshore", "schedule", *words),
            cwd=self.folder,
            env={**rest, "LONGSHORE_URL": self.url},
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def leader(self) -> str:
        assert self.ports.store is not None
        return await leader_of(self.ports.store) or "nobody"

    async def leads(self, process: Process) -> bool:
        assert process.returncode is None, await process.communicate()
        return (await self.leader()).endswith(f":{process.pid}")

    async def waiting(self, wait: timedelta, count: int = 1) -> list[TaskId]:
        """Leave tasks that wait in the log, as where the broker cannot delay."""
        now = self.ports.clock.now()
        records = [
            Record(
                spec=TaskSpec(
                    id=self.ports.ids(), name="note", queue="default", body=b"{}", created_at=now
                ),
                state=TaskState.SCHEDULED,
                due_at=now + wait,
                armed=True,
            )
            for _ in range(count)
        ]
        for start in range(0, count, 5000):
            await self.ports.task_log.record(records[start : start + 5000])
        return [record.spec.id for record in records]

    async def state(self, task_id: TaskId) -> TaskState | None:
        (row,) = await self.ports.task_log.get([task_id])
        return None if row is None else row.state


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[File]:
    url = f"sqlite:///{tmp_path}/tasks.db"
    async with open_ports(Settings.load(url=url)) as ports:
        yield File(tmp_path, url, ports)


async def until(condition: Callable[[], Awaitable[bool]], *, patience: float = PATIENCE) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while not await condition():
        if loop.time() > end:
            pytest.fail("the condition was not met in time")
        await asyncio.sleep(0.05)


async def test_when_the_leader_is_killed_another_takes_over_within_two_leases(file: File) -> None:
    async with file.scheduler() as one, file.scheduler() as other:
        await until(lambda: either(file, one, other))
        leader, heir = (other, one) if await file.leads(other) else (one, other)

        leader.send_signal(signal.SIGKILL)
        await leader.wait()
        (task,) = await file.waiting(timedelta(seconds=1))
        await until(lambda: file.leads(heir), patience=TWO_LEASES)
        await until(lambda: is_queued(file, task))
        heir.terminate()
        code = await heir.wait()

    depth = await file.ports.queue("default").depth()
    assert code == 0
    assert depth.ready == 1


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
async def test_a_signal_ends_it_and_leaves_the_lead_to_others(file: File, name: str) -> None:
    (task,) = await file.waiting(timedelta(0))
    async with file.scheduler("--json") as process:
        await until(lambda: file.leads(process))
        await until(lambda: is_queued(file, task))

        process.send_signal(signal.Signals[name])
        out, _ = await process.communicate()

    assert process.returncode == 0
    assert json.loads(out)["published"] == 1
    assert await file.leader() == "nobody"


async def test_a_pass_holds_no_more_than_a_batch_however_many_rows_wait(tmp_path: Path) -> None:
    """Nor does the audit hold more than a page, of those that have no wake-up."""
    clock, url = ManualClock(), f"sqlite:///{tmp_path}/tasks.db"
    async with find_adapter(url).open(url, clock) as backend:
        assert backend.queue is not None
        assert backend.task_log is not None
        log = Measuring(backend.task_log, FaultPlan())
        ports = Ports(queue=backend.queue, task_log=log, clock=clock, ids=TaskIds())
        file = File(tmp_path, url, ports)
        await file.waiting(timedelta(days=1), WAITING)
        await file.waiting(timedelta(minutes=1), DUE)
        scheduler = Scheduler(ports)

        await scheduler.once()
        clock.advance(timedelta(minutes=3))
        published = (await scheduler.once()).published
        queue = backend.queue("default")
        assert isinstance(queue, SupportsPurge)
        await queue.purge()
        clock.advance(timedelta(minutes=20))
        await scheduler.once()
        clock.advance(timedelta(minutes=3))
        done = await scheduler.once()

    assert max(log.held["due"]) == BATCH
    assert max(log.held["find"]) == PAGE
    assert sum(log.held["find"]) == DUE
    assert (published, done.armed, done.published) == (DUE, DUE, 2 * DUE)


class Measuring(FlakyTaskLog):
    """A log that notes how many rows each answer holds."""

    held: dict[str, list[int]]

    def __init__(self, log: Any, plan: FaultPlan) -> None:
        super().__init__(log, plan)
        self.held = {"due": [], "find": []}

    async def due(self, *, before: datetime, limit: int) -> list[Task]:
        rows = await super().due(before=before, limit=limit)
        self.held["due"].append(len(rows))
        return rows

    async def find(self, *given: Any, **options: Any) -> Any:
        page = await super().find(*given, **options)
        self.held["find"].append(len(page.tasks))
        return page


async def either(file: File, *processes: Process) -> bool:
    """Whether one of them leads."""
    return any([await file.leads(process) for process in processes])


async def is_queued(file: File, task: TaskId) -> bool:
    return await file.state(task) is TaskState.QUEUED
