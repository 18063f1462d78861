"""Several processes on one file."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from textwrap import dedent
from typing import TYPE_CHECKING, TypeAlias, cast

import pytest

from longshore.clock import SystemClock
from longshore.identity import TaskId, TaskIds
from longshore.protocol import Record
from longshore.task import TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore_adapters.sqlite import ADAPTER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from pathlib import Path

    from longshore.queue import Queue
    from longshore.registry import Backend

LEASE = timedelta(seconds=60)
LONG = timedelta(seconds=40)
SUCCEEDED = TaskQuery(states=frozenset({TaskState.SUCCEEDED}))

PRELUDE = dedent("""
    import asyncio, json, os, sys, threading, time
    from datetime import timedelta
    from longshore.clock import SystemClock
    from longshore.errors import ClosedError
    from longshore.identity import TaskIds
    from longshore.protocol import Claim, End, Outcome, Record
    from longshore.queue import Outgoing
    from longshore.task import TaskSpec, TaskState
    from longshore.together import Settlement
    from longshore_adapters.sqlite import ADAPTER

    URL, CLOCK, IDS = sys.argv[1], SystemClock(), TaskIds()
    LEASE, SECOND = timedelta(seconds=60), timedelta(seconds=1)

    def record():
        now = CLOCK.now()
        spec = TaskSpec(id=IDS(), name="render", queue="default", body=b"{}", created_at=now)
        return Record(spec=spec, state=TaskState.QUEUED, due_at=now)

    def say(value):
        print(json.dumps(value), flush=True)

    async def worker(backend, enough=lambda: False):
        queue, log, together = backend.queue("default"), backend.task_log, backend.together
        while True:
            got = await queue.receive(limit=20, wait=SECOND, lease=LEASE)
            if not got and enough():
                return
            bids = [
                Claim(
                    spec=TaskSpec(
                        id=delivery.key, name="render", queue="default", body=delivery.body,
                        created_at=CLOCK.now(),
                    ),
                    claim_id=f"{os.getpid()}:{delivery.receipt}", worker=str(os.getpid()),
                    lease=LEASE, due_at=CLOCK.now(),
                )
                for delivery in got
            ]
            claimed = await log.claim(bids)
            say([d.key for d, c in zip(got, claimed) if c.answer == "won"])
            await together.settle([
                Settlement(
                    outcome=Outcome(task_id=d.key, token=c.token, end=End.SUCCESS), delivery=d
                )
                for d, c in zip(got, claimed) if c.answer == "won"
            ])
""")

WORKER = """
    async def main():
        async with ADAPTER.open(URL, CLOCK) as backend:
            await worker(backend, enough=lambda: True)

    asyncio.run(main())
"""

PRODUCER = """
    def produce(producer):
        for _ in range(25):
            records = [record() for _ in range(4)]
            producer.enqueue(records)
            said.extend(each.spec.id for each in records)

    said = []
    with ADAPTER.open_sync(URL, CLOCK) as producer:
        threads = [threading.Thread(target=produce, args=(producer,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    say(said)
"""

ENDLESS_PRODUCER = """
    with ADAPTER.open_sync(URL, CLOCK) as producer:
        while True:
            records = [record() for _ in range(50)]
            producer.enqueue(records)
            say([each.spec.id for each in records])
"""

SENDER = """
    async def main():
        async with ADAPTER.open(URL, CLOCK) as backend:
            await backend.queue("default").send([Outgoing(key="key", body=b"from afar")])

    asyncio.run(main())
"""

OPENER = """
    sys.stdin.readline()
    with ADAPTER.open_sync(URL, CLOCK) as producer:
        producer.enqueue([record()])
"""

FORKING_PRODUCER = """
    with ADAPTER.open_sync(URL, CLOCK) as producer:
        producer.enqueue([record()])
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            producer.enqueue([record()])
            os.read(told, 1)  # the parent has closed the file
            producer.enqueue([record()])
            os._exit(0)
        producer.enqueue([record()])
    os.write(tell, b".")
    say(["ended", os.waitpid(child, 0)[1]])
"""

FORKING_BACKEND = """
    async def main():
        async with ADAPTER.open(URL, CLOCK) as backend:
            queue = backend.queue("default")
            await queue.send([Outgoing(key="parent", body=b"before")])
            told, tell = os.pipe()
            child = os.fork()
            if child == 0:
                os._exit(in_child(queue, told))
            await queue.send([Outgoing(key="parent", body=b"after")])
        os.write(tell, b".")
        say(["ended", os.waitpid(child, 0)[1]])

    def in_child(queue, told):
        sending = queue.send([Outgoing(key="child", body=b"through the parent's")])
        try:
            sending.send(None)
        except ClosedError as error:
            if "before a fork" not in str(error):
                return 1
        with ADAPTER.open_sync(URL, CLOCK) as producer:
            producer.enqueue([record()])
            os.read(told, 1)  # the parent has closed the file
            producer.enqueue([record()])
        return 0

    asyncio.run(main())
"""


Start: TypeAlias = "Callable[[str], Awaitable[Child]]"


@dataclass
class Child:
    """A process that runs a script and says what it did, a line of JSON each time."""

    process: asyncio.subprocess.Process

    async def line(self) -> list[str]:
        assert self.process.stdout is not None
        return cast("list[str]", json.loads(await self.process.stdout.readline()))

    async def said(self) -> list[str | int]:
        """Everything it says until its end, which must be a good one."""
        out, err = await self.process.communicate()
        assert self.process.returncode == 0, err.decode()
        lines = cast("list[list[str | int]]", [json.loads(line) for line in out.splitlines()])
        return [item for line in lines for item in line]


@pytest.fixture
async def start(url: str) -> AsyncGenerator[Start]:
    """Start processes on the file; what still runs at the end is killed."""
    children: list[Child] = []

    async def start(script: str) -> Child:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error::ResourceWarning", "-c"),
            *(PRELUDE + dedent(script), url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        children.append(Child(process))
        return children[-1]

    yield start
    for child in children:
        if child.process.returncode is None:
            child.process.kill()
            await child.process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "longshore.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}?busy_timeout=30"


def queue_of(backend: Backend) -> Queue:
    assert backend.queue is not None
    return backend.queue("default")


def enqueue(url: str, count: int) -> list[TaskId]:
    clock, ids = SystemClock(), TaskIds()
    now = clock.now()
    specs = [
        TaskSpec(id=ids(), name="render", queue="default", body=b"{}", created_at=now)
        for _ in range(count)
    ]
    with ADAPTER.open_sync(url, clock) as producer:
        producer.enqueue([Record(spec=spec, state=TaskState.QUEUED, due_at=now) for spec in specs])
    return [spec.id for spec in specs]


def rows(path: Path, statement: str) -> list[Sequence[object]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


async def succeeded(url: str) -> int:
    async with ADAPTER.open(url, SystemClock()) as backend:
        assert backend.task_log is not None
        return (await backend.task_log.count(SUCCEEDED)).value


async def test_four_processes_run_each_of_two_thousand_tasks_once(url: str, start: Start) -> None:
    ids = enqueue(url, 2000)

    workers = [await start(WORKER) for _ in range(4)]
    won = [task_id for worker in workers for task_id in await worker.said()]

    assert sorted(won) == sorted(ids)
    assert await succeeded(url) == len(ids)


async def test_nothing_that_many_threads_and_processes_enqueue_is_lost(
    url: str, path: Path, start: Start
) -> None:
    ADAPTER.init(url)
    endless = WORKER.replace("lambda: True", "lambda: False")
    worker = await start(endless)
    producers = [await start(PRODUCER) for _ in range(2)]
    sent = {task_id for producer in producers for task_id in await producer.said()}

    won: set[str] = set()
    while not sent <= won:
        won.update(await worker.line())

    assert len(sent) == 800
    assert won == sent
    assert rows(path, "SELECT count(DISTINCT id), count(*) FROM task") == [(800, 800)]


async def test_a_process_killed_while_it_writes_leaves_all_it_was_told_and_no_half(
    path: Path, start: Start
) -> None:
    producer = await start(ENDLESS_PRODUCER)

    told = [task_id for _ in range(20) for task_id in await producer.line()]
    producer.process.kill()
    out, _ = await producer.process.communicate()
    told += [task_id for line in out.splitlines()[:-1] for task_id in json.loads(line)]

    found = {row[0] for row in rows(path, "SELECT id FROM task")}
    assert found >= set(told)
    assert len(found) % 50 == 0
    assert rows(path, "SELECT count(*) FROM message") == [(len(found),)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("watch", ["on", "off"])
async def test_a_waiting_receive_sees_what_another_process_sends(
    url: str, start: Start, watch: str
) -> None:
    async with ADAPTER.open(f"{url}&watch={watch}", SystemClock()) as backend:
        receiving = asyncio.create_task(queue_of(backend).receive(limit=1, wait=LONG, lease=LEASE))
        sender = await start(SENDER)
        await sender.said()

        [delivery] = await receiving

    assert delivery.body == b"from afar"


async def test_a_waiting_receive_sees_what_a_producer_of_its_own_process_enqueues(
    url: str,
) -> None:
    async with ADAPTER.open(url, SystemClock()) as backend:
        receiving = asyncio.create_task(queue_of(backend).receive(limit=1, wait=LONG, lease=LEASE))
        [task_id] = await asyncio.to_thread(enqueue, url, 1)

        [delivery] = await receiving

    assert delivery.key == task_id


async def test_of_processes_that_open_a_new_file_at_once_one_makes_it(
    path: Path, start: Start
) -> None:
    openers = [await start(OPENER) for _ in range(4)]

    for opener in openers:
        assert opener.process.stdin is not None
        opener.process.stdin.write(b"now\n")
    for opener in openers:
        await opener.said()

    assert rows(path, "SELECT count(*) FROM task") == [(4,)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_producer_works_on_both_sides_of_a_fork(path: Path, start: Start) -> None:
    forking = await start(FORKING_PRODUCER)

    assert await forking.said() == ["ended", 0]

    assert rows(path, "SELECT count(*) FROM message") == [(4,)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_backend_goes_on_in_the_parent_and_its_child_opens_its_own(
    path: Path, start: Start
) -> None:
    forking = await start(FORKING_BACKEND)

    assert await forking.said() == ["ended", 0]

    assert rows(path, "SELECT count(*) FROM message") == [(4,)]
