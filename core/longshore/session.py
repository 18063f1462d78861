"""An application's live connection: one thread with a loop, for callers with or without one.

Callers of any thread and any loop share it, so that nothing depends on which loop came first.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from longshore.client import Client, Enqueued, answer_of
from longshore.errors import ClosedError
from longshore.operator import Operator
from longshore.registry import SupportsSync, find_adapter
from longshore.wiring import (
    is_eager,
    open_ports,
    policy_of,
    preparer_of,
    urls_of,
    worker_options,
)
from longshore.worker import Stopped, Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from concurrent.futures import Future
    from typing import Self

    from longshore.clock import Clock
    from longshore.definition import TaskRegistry
    from longshore.draft import Draft
    from longshore.identity import TaskIds
    from longshore.ports import Ports
    from longshore.protocol import Record
    from longshore.settings import Settings
    from longshore.together import SyncTogether

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Live:
    """What is open on the session's loop."""

    ports: Ports
    client: Client
    operator: Operator


class Session:
    """Opens what is needed at first use. Thread-safe; after a fork the child opens its own."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ids: TaskIds,
        registry: TaskRegistry,
        *,
        eager: bool | None = None,
    ) -> None:
        """Connect to nothing yet. `eager` runs tasks at once; None leaves it to the URL."""
        self._settings = settings
        self._registry = registry
        self._eager = is_eager(settings.url) if eager is None else eager
        self._clock = clock
        self._preparer = preparer_of(settings, ids)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._stack = ExitStack()
        self._portal: Portal | None = None
        self._sync: SyncTogether | None = None
        self._has_sync: bool | None = None
        self._closed = False

    def enqueue(self, drafts: Iterable[Draft]) -> list[Enqueued]:
        """Enqueue from any thread: without a loop where the adapter can, else through ours."""
        records = self._preparer.records(drafts, self._clock.now())
        together = None if self._eager else self._together()
        if together is not None:
            recorded = together.enqueue(records)
            return [answer_of(one, got) for one, got in zip(records, recorded, strict=True)]
        return self.call(lambda live: self._submit(live, records))

    async def aenqueue(self, drafts: Iterable[Draft]) -> list[Enqueued]:
        """Enqueue from a coroutine, without blocking its loop."""
        records = self._preparer.records(drafts, self._clock.now())
        return await self.acall(lambda live: self._submit(live, records))

    def drain(self) -> Stopped:
        """Run what is due now, here, and answer when nothing of it is left."""
        return self.call(self._drain)

    def call(self, work: Callable[[Live], Awaitable[T]]) -> T:
        """Run work on the session's loop and wait for it."""
        return self._start(work).result()

    async def acall(self, work: Callable[[Live], Awaitable[T]]) -> T:
        """Run work on the session's loop, for a caller on another one."""
        return await asyncio.wrap_future(self._start(work))

    def close(self) -> None:
        """Close what was opened. Idempotent; the session cannot be used again."""
        with self._lock:
            self._closed = True
            if self._pid == os.getpid():
                self._stack.close()

    async def _submit(self, live: Live, records: list[Record]) -> list[Enqueued]:
        enqueued = await live.client.submit(records)
        if self._eager:
            await self._drain(live)
        return enqueued

    async def _drain(self, live: Live) -> Stopped:
        """Let a worker of our own loop empty every queue that has tasks."""
        names = {stats.queue for stats in await live.ports.task_log.stats()}
        options = worker_options(self._settings, tuple(sorted(names)) or ("default",))
        burst = replace(options, burst=True, publish=False, max_tasks=None)
        worker = Worker(live.ports, self._registry, policy_of(self._settings), burst)
        return await worker.run()

    def _start(self, work: Callable[[Live], Awaitable[T]]) -> Future[T]:
        return self._opened().submit(work)

    def _opened(self) -> Portal:
        with self._lock:
            self._check()
            if self._portal is None:
                self._portal = self._stack.enter_context(
                    Portal(self._settings, self._clock, self._client)
                )
            return self._portal

    def _together(self) -> SyncTogether | None:
        if self._sync is not None and self._pid == os.getpid() and not self._closed:
            return self._sync
        with self._lock:
            self._check()
            if self._has_sync is None:
                self._sync = self._open_sync()
                self._has_sync = self._sync is not None
            return self._sync

    def _open_sync(self) -> SyncTogether | None:
        queue_url, log_url, _ = urls_of(self._settings)
        adapter = find_adapter(queue_url)
        if queue_url != log_url or not isinstance(adapter, SupportsSync):
            return None
        return self._stack.enter_context(adapter.open_sync(queue_url, self._clock))

    def _check(self) -> None:
        """Refuse use after closing; start afresh in a forked child."""
        if self._closed:
            what = "the application"
            raise ClosedError(what)
        if self._pid != os.getpid():
            # The parent's connections and thread are not ours to close, only to forget.
            self._pid = os.getpid()
            self._stack = ExitStack()
            self._portal = self._sync = self._has_sync = None

    def _client(self, ports: Ports) -> Live:
        return Live(ports, Client(ports, self._preparer), Operator(ports))


class Portal:
    """The thread and its loop, with the ports open on it; a context manager."""

    def __init__(self, settings: Settings, clock: Clock, live: Callable[[Ports], Live]) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._clock = clock
        self._make = live
        self._loop = asyncio.new_event_loop()
        self._live: Live | None = None
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._main, name="longshore-client", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread and open the ports; what opening raises is raised here."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the ports and end the thread."""
        try:
            asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
        finally:
            self._end()

    def submit(self, work: Callable[[Live], Awaitable[T]]) -> Future[T]:
        """Start work on the loop."""
        return asyncio.run_coroutine_threadsafe(self._run(work), self._loop)

    async def _run(self, work: Callable[[Live], Awaitable[T]]) -> T:
        assert self._live is not None  # noqa: S101 - the portal was entered
        return await work(self._live)

    async def _open(self) -> None:
        ports = await self._stack.enter_async_context(open_ports(self._settings, self._clock))
        self._live = self._make(ports)

    def _main(self) -> None:
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
