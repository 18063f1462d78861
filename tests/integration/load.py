"""A producer and a worker at it, while a test does something to their servers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longshore.client import Client, Preparer
from longshore.definition import TaskRegistry, define
from longshore.draft import Draft
from longshore.errors import LongshoreError, UnavailableError
from longshore.task import TaskState
from longshore.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from longshore.identity import TaskId
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.queue import Depth, Queue

BATCH = 10
LOOK = 0.1
AGAIN = 0.05
STARTS_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Ten tasks are sent each `every` seconds; `deadline` seconds later the last has ended."""

    every: float = 0.1
    deadline: float = 60.0


@dataclass
class Load:
    """Which tasks were sent; when each handler began, and which of them."""

    ports: Ports
    policy: Policy
    pace: Pace
    sent: list[TaskId] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    runs: Counter[int] = field(default_factory=Counter[int])
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def has_run_since(self, moment: float) -> bool:
        """Whether a handler began after a moment."""
        return bool(self.begun) and self.begun[-1] > moment

    async def resumed(self, since: float, within: float) -> float:
        """Wait until a handler begins after a moment; by how many seconds it was later."""
        ahead = max(since - time.monotonic(), 0)
        await until(lambda: self.has_run_since(since), ahead + within)
        return next(at for at in self.begun if at > since) - since

    async def drained(self) -> None:
        """Send no more, and wait until the queue is empty."""
        self.over.set()
        end = time.monotonic() + self.pace.deadline
        while (depth := await self.depth()) is None or depth.ready or depth.in_flight:
            assert time.monotonic() < end, depth
            await asyncio.sleep(LOOK)

    async def depth(self) -> Depth | None:
        """What waits, where the queue answers."""
        with suppress(LongshoreError):
            return await self.ports.queue(self.policy.queue).depth()
        return None

    async def succeeded_once(self) -> None:
        """Wait until every task that was sent has succeeded; each of them once."""
        log = self.ports.task_log
        end = time.monotonic() + self.pace.deadline
        while (found := await self.states()) != {TaskState.SUCCEEDED: len(self.sent)}:
            assert time.monotonic() < end, found
            await asyncio.sleep(LOOK)
        for task_id in self.sent:
            outcomes = Counter(one.outcome for one in await log.attempts(task_id))
            assert outcomes["succeeded"] == 1, (task_id, outcomes)

    async def states(self) -> Counter[str]:
        """What the log says, or why it does not."""
        try:
            rows = await self.ports.task_log.get(self.sent)
        except LongshoreError as error:
            return Counter([str(error)])
        return Counter("lost" if one is None else one.state for one in rows)


@asynccontextmanager
async def loaded(
    ports: Ports,
    policy: Policy,
    *,
    outwards: Ports | None = None,
    options: WorkerOptions | None = None,
    pace: Pace | None = None,
) -> AsyncGenerator[Load]:
    """Send and run tasks until the end of the context; then let what was sent come to its end."""
    queue, registry = ports.queue(policy.queue), TaskRegistry()
    await declared(queue)
    load = Load(ports, policy, pace or Pace())

    async def work(number: int) -> int:
        load.begun.append(time.monotonic())
        load.runs[number] += 1
        return number

    registry.add(define(work))
    worker = Worker(ports, registry, policy, options or WorkerOptions(queues=(policy.queue,)))
    async with asyncio.TaskGroup() as both:
        working = both.create_task(worker.run())
        sending = both.create_task(_send(load, outwards or ports, registry))
        began = time.monotonic()
        await load.resumed(began, load.pace.deadline)
        yield load
        load.over.set()
        await sending
        await load.succeeded_once()
        await load.drained()  # what was not acknowledged comes again, once its lease has ended
        worker.stop()
        await working
    depth = await queue.depth()
    await queue.delete()
    assert (depth.ready, depth.dead) == (0, 0)


async def _send(load: Load, ports: Ports, registry: TaskRegistry) -> None:
    """Send some tasks and pause, again and again; what was not confirmed is sent again."""
    preparer = Preparer(ports.ids, load.policy)
    client, definition = Client(ports, preparer), registry.get("work")
    while not load.over.is_set():
        numbers = range(len(load.sent), len(load.sent) + BATCH)
        drafts = [Draft(definition, {"number": number}) for number in numbers]
        records = preparer.records(drafts, ports.clock.now())
        load.sent += [record.spec.id for record in records]
        while True:
            try:
                await client.submit(records)
                break
            except LongshoreError:
                await asyncio.sleep(AGAIN)
        await asyncio.sleep(load.pace.every)


async def declared(queue: Queue) -> None:
    """Make a queue, on a server that may just be starting."""
    end = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            await queue.declare()
        except UnavailableError:
            assert time.monotonic() < end, f"{queue.name} cannot be made"
            await asyncio.sleep(LOOK)
        else:
            return


async def until(condition: Callable[[], bool], within: float) -> None:
    """Wait for a condition that is about to come true."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"it has not come to be within {within} s"
        await asyncio.sleep(0.01)
