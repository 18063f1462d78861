"""What tests of client, operator and worker share: memory ports, together or apart, and time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from longshore.client import Client, Preparer
from longshore.clock import ManualClock
from longshore.conformance import FaultPlan, FlakyQueue, FlakyStore, FlakyTaskLog
from longshore.definition import TaskOptions, TaskRegistry, define
from longshore.draft import Draft, EnqueueOptions
from longshore.identity import TaskIds
from longshore.operator import Operator
from longshore.policy import Policy
from longshore.ports import Ports
from longshore.protocol import Verb
from longshore.queue import NO_DELAY, Outgoing, SupportsDeadLetters
from longshore.registry import find_adapter
from longshore.task_log import TaskQuery
from longshore.worker import Stopped, Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from longshore.clock import Clock
    from longshore.definition import Executor, TaskDefinition
    from longshore.errors import LongshoreError
    from longshore.identity import TaskId
    from longshore.protocol import Finished, Record, Recorded
    from longshore.queue import DeadLetter, Delivery, Depth, Queue, QueueCapabilities, Release
    from longshore.task import Attempt, Task
    from longshore.together import Settlement, Together

DEADLINE = 45.0
_TURNS = 20


class Capable(FlakyQueue):
    """A queue that says, and keeps to, other capabilities than the one inside."""

    def __init__(self, queue: Queue, plan: FaultPlan, changes: Mapping[str, Any]) -> None:
        super().__init__(queue, plan)
        self._changes = changes

    @property
    def capabilities(self) -> QueueCapabilities:
        return replace(super().capabilities, **self._changes)

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Without leases only the end of a connection brings a message back, which never comes."""
        kept = lease if self.capabilities.leases else timedelta(days=365)
        return await super().receive(limit=limit, wait=wait, lease=kept)

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        longest = self.capabilities.max_release_delay
        assert longest is None or all(one.delay <= longest for one in releases)
        return await super().release(releases)

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        longest = self.capabilities.max_delay
        assert longest is None or all(one.delay <= longest for one in messages)
        return await super().send(messages)


class FlakyTogether:
    """Queue and log as one, failing as planned."""

    def __init__(self, together: Together, plan: FaultPlan) -> None:
        self._together = together
        self._plan = plan

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        return await self._plan.through("enqueue", lambda: self._together.enqueue(records))

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        return await self._plan.through("finish", lambda: self._together.settle(settlements))


@dataclass(kw_only=True)
class Yard:
    """Ports in memory, an application's tasks, and workers that run them on a clock of ours."""

    ports: Ports
    healthy: Ports
    clock: Clock
    queue_plan: FaultPlan
    log_plan: FaultPlan
    store_plan: FaultPlan = field(default_factory=FaultPlan)
    policy: Policy = field(default_factory=Policy)
    registry: TaskRegistry = field(default_factory=TaskRegistry)
    left_in_flight: int = 0
    left_running: int = 0

    @property
    def together(self) -> bool:
        return self.ports.together is not None

    @property
    def client(self) -> Client:
        return Client(self.ports, Preparer(self.ports.ids, self.policy))

    @property
    def operator(self) -> Operator:
        return Operator(self.healthy)

    def task(
        self,
        function: Callable[..., object],
        *,
        name: str | None = None,
        executor: Executor | None = None,
        **options: Any,
    ) -> TaskDefinition:
        definition = define(function, name=name, executor=executor, options=TaskOptions(**options))
        self.registry.add(definition)
        return definition

    async def enqueue(
        self,
        task: TaskDefinition | Callable[..., object],
        *args: object,
        options: EnqueueOptions | None = None,
        **kwargs: object,
    ) -> TaskId:
        """Enqueue one call; of a function that is not declared yet, declare it."""
        definition: Any = task if hasattr(task, "arguments") else self.task(cast("Any", task))
        data = definition.arguments.pack(args, kwargs)
        (enqueued,) = await self.client.enqueue(
            [Draft(definition, data, options or EnqueueOptions())]
        )
        return enqueued.id

    async def send(self, body: bytes, *, key: str | None = None, **attributes: str) -> None:
        """Put a body into the queue as some other producer would."""
        task_id = self.ports.ids() if key is None else key
        message = Outgoing(key=task_id, body=body, delay=NO_DELAY, attributes=attributes)  # type: ignore[arg-type]  # any text is a key here
        assert await self.healthy.queue("default").send([message]) == [None]

    def worker(self, **options: Any) -> Worker:
        given = {"publish": False, "concurrency": 4, "poll": TWENTY, **options}
        return Worker(self.ports, self.registry, self.policy, WorkerOptions(**given))

    def rival(self, **options: Any) -> Worker:
        """A worker on connections of its own, which no planned fault reaches."""
        given = {"publish": False, "concurrency": 4, "poll": TWENTY, "name": "rival", **options}
        return Worker(self.healthy, self.registry, self.policy, WorkerOptions(**given))

    async def drain(self, **options: Any) -> Stopped:
        """Run what is due, and answer when nothing is left."""
        async with asyncio.timeout(DEADLINE):
            return await self.worker(burst=True, **options).run()

    @asynccontextmanager
    async def working(self, worker: Worker | None = None, **options: Any) -> AsyncIterator[Worker]:
        """Let a worker run while inside, and stop it on the way out."""
        worker = worker or self.worker(**options)
        running = asyncio.ensure_future(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            worker.stop()
            await self.done(running)

    async def done(self, running: Awaitable[Any]) -> Any:
        """Wait for an end while time passes."""
        task = asyncio.ensure_future(running)
        await self.until(task.done, moving=True)
        return await task

    async def until(
        self, condition: Callable[[], bool] | Callable[[], Awaitable[bool]], *, moving: bool = False
    ) -> None:
        """Wait on a condition, with a deadline; `moving` lets the clock run meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            if loop.time() > end:
                pytest.fail("the condition was not met in time")
            if moving and isinstance(self.clock, ManualClock):
                self.clock.advance(0.05)
            await asyncio.sleep(0.001)

    async def passes(self, duration: timedelta | float, *, step: float = 1.0) -> None:
        """Let time go by in steps, so that what happens in between can happen."""
        assert isinstance(self.clock, ManualClock)
        left = duration if isinstance(duration, (int, float)) else duration.total_seconds()
        while left > 0:
            self.clock.advance(min(step, left))
            left -= step
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    async def turn(self) -> None:
        """Let everything that can happen without time happen."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def row(self, task_id: TaskId) -> Task:
        (task,) = await self.healthy.task_log.get([task_id])
        assert task is not None
        return task

    async def state(self, task_id: TaskId) -> str:
        (task,) = await self.healthy.task_log.get([task_id])
        return "none" if task is None else task.state.value

    async def reaches(self, task_id: TaskId, state: str, *, moving: bool = False) -> Task:
        async def reached() -> bool:
            return await self.state(task_id) == state

        await self.until(reached, moving=moving)
        await self.turn()  # a row is running from its claim on, a handler only then begins
        return await self.row(task_id)

    async def rows(self) -> list[Task]:
        return [*(await self.healthy.task_log.find(TaskQuery(), limit=1000)).tasks]

    async def has_ended(self, count: int) -> bool:
        """Whether so many rows are final."""
        return sum(row.final for row in await self.rows()) == count

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        return await self.healthy.task_log.attempts(task_id)

    async def lines(self, task_id: TaskId) -> list[str]:
        return [line.text for one in await self.attempts(task_id) for line in one.lines]

    async def outcomes(self, task_id: TaskId) -> list[str]:
        return [one.outcome for one in await self.attempts(task_id)]

    async def depth(self, queue: str = "default") -> Depth:
        return await self.healthy.queue(queue).depth()

    async def letters(self, queue: str = "default") -> list[DeadLetter]:
        port = self.healthy.queue(queue)
        assert isinstance(port, SupportsDeadLetters)
        return await port.dead_letters(limit=100)

    async def cancel(self, task_id: TaskId) -> Task:
        return await self.operator.one(Verb.CANCEL, task_id)


TWENTY = timedelta(seconds=20)


@asynccontextmanager
async def open_yard(
    *,
    together: bool,
    clock: Clock | None = None,
    urls: tuple[str, str] = ("memory://", "memory://"),
    **capabilities: Any,
) -> AsyncIterator[Yard]:
    """Open a server for both, or one for messages and one for rows, with faults to order."""
    timed = clock or ManualClock()
    queue_plan, log_plan, store_plan = FaultPlan(), FaultPlan(), FaultPlan()
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(find_adapter(url).open(url, timed)) for url in urls
        ]
        log_at = one if together else two
        queue, task_log, store = one.queue, log_at.task_log, log_at.store
        assert queue is not None
        assert task_log is not None
        healthy = Ports(
            queue=queue,
            task_log=task_log,
            store=store,
            together=one.together if together else None,
            clock=timed,
            ids=TaskIds(),
        )
        ports = replace(
            healthy,
            queue=lambda name: Capable(queue(name), queue_plan, capabilities),
            task_log=FlakyTaskLog(task_log, log_plan),
            store=None if store is None else FlakyStore(store, store_plan),
            together=FlakyTogether(one.together, log_plan) if together and one.together else None,
        )
        yield Yard(
            ports=ports,
            healthy=healthy,
            clock=timed,
            queue_plan=queue_plan,
            log_plan=log_plan,
            store_plan=store_plan,
        )
