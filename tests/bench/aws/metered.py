"""Client and worker in this process, on ports whose requests are counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from longshore.app import Longshore
from longshore.client import Client
from longshore.clock import SystemClock
from longshore.identity import TaskIds
from longshore.levels import Level, LevelledLog
from longshore.ports import Ports
from longshore.registry import find_adapter
from longshore.wiring import policy_of, preparer_of
from longshore.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from longshore.declare import TaskFunction

CONCURRENCY: Final = 20
QUEUE: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Where queue and log are, and how much is logged. Coordination goes without a store."""

    queue_url: str
    log_url: str
    log: Level = Level.FULL


@dataclass(slots=True, kw_only=True)
class Meter:
    """An application with one task, its open ports, and the requests that these made."""

    setup: Setup
    app: Longshore
    ports: Ports
    noop: TaskFunction[..., Any, Any]
    runs: Counter[int]
    backends: list[Callable[[], Mapping[str, int]]] = field(default_factory=list)

    @property
    def calls(self) -> Counter[str]:
        """Requests so far, of the client, the worker and its lease thread."""
        total: Counter[str] = Counter()
        for each in self.backends:
            total.update(each())
        return total

    async def send(self, numbers: Sequence[int]) -> None:
        """Enqueue tasks in one call."""
        client = Client(self.ports, preparer_of(self.app.settings, TaskIds()))
        await client.enqueue([self.noop.message(number) for number in numbers])

    def worker(self, **options: Any) -> Worker:
        """Make a worker as the command `work` does."""
        return Worker(
            self.ports,
            self.app.registry,
            policy_of(self.app.settings),
            WorkerOptions(queues=(QUEUE,), concurrency=CONCURRENCY, **options),
            open_ports=lambda: opened(self.setup, self.backends),
        )

    async def work(self, tasks: int) -> None:
        """Run a worker until so many tasks were taken and have ended."""
        await self.worker(max_tasks=tasks).run()

    async def idle(self, seconds: float) -> Counter[str]:
        """Let a worker wait; answer its requests from its first poll on."""
        worker = self.worker()
        running = asyncio.create_task(worker.run())
        while not self.calls["ReceiveMessage"]:
            await asyncio.sleep(0.01)
        before = self.calls
        await asyncio.sleep(seconds)
        spent = self.calls - before
        worker.stop()
        await running
        return spent


@asynccontextmanager
async def metered(setup: Setup) -> AsyncGenerator[Meter]:
    """Open everything on this loop; the queue is declared, and that is not counted."""
    with Longshore(
        url="memory://",
        queue_url=setup.queue_url,
        log_url=setup.log_url,
        queues={QUEUE: {"log": setup.log.value}},
    ) as app:
        runs: Counter[int] = Counter()

        async def noop(number: int) -> None:
            runs[number] += 1

        task = app.task(name="noop")(noop)
        backends: list[Callable[[], Mapping[str, int]]] = []
        async with opened(setup, backends) as ports:
            await ports.queue(QUEUE).declare()
            yield Meter(setup=setup, app=app, ports=ports, noop=task, runs=runs, backends=backends)


@asynccontextmanager
async def opened(
    setup: Setup, backends: list[Callable[[], Mapping[str, int]]]
) -> AsyncGenerator[Ports]:
    """Open queue and log, and add what counts their requests to `backends`."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        queues, logs = [
            await stack.enter_async_context(find_adapter(url).open(url, clock))
            for url in (setup.queue_url, setup.log_url)
        ]
        backends += [each.calls for each in (queues, logs) if each.calls is not None]
        assert queues.queue is not None
        assert logs.task_log is not None
        full = setup.log is Level.FULL
        yield Ports(
            queue=queues.queue,
            task_log=logs.task_log
            if full
            else LevelledLog(logs.task_log, lambda _: setup.log, clock),
            clock=clock,
        )
