"""An application's live connection: one thread with a loop, for callers with or without one.

Callers of any thread and any loop share it, so that nothing depends on which loop came first.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from longshore.client import Client, Enqueued, answer_of
from longshore.errors import ClosedError, ConfigurationError
from longshore.following import Following
from longshore.levels import Level
from longshore.operator import Operator
from longshore.publish import Publisher
from longshore.registry import Forgetful, SupportsSync, SupportsSyncSend, find_adapter
from longshore.sending import DirectClient
from longshore.wiring import (
    is_eager,
    logs_everything,
    open_ports,
    policy_of,
    preparer_of,
    telemetry_for,
    urls_of,
    worker_options,
)
from longshore.worker import Stopped, Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from concurrent.futures import Future
    from typing import Self

    from longshore.clock import Clock
    from longshore.definition import TaskRegistry
    from longshore.draft import Draft
    from longshore.identity import TaskIds
    from longshore.ports import Ports
    from longshore.protocol import Record
    from longshore.settings import Settings
    from longshore.telemetry import Creations, Seam, Telemetry
    from longshore.together import SyncTogether

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Live:
    """What is open on the session's loop."""

    ports: Ports
    client: Client
    operator: Operator


@dataclass(slots=True, eq=False)
class _Opened:
    """What one process has opened. A forked child has one of its own, and leaves this alone."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    stack: ExitStack = field(default_factory=ExitStack)
    portal: Portal | None = None
    sync: SyncTogether | None = None
    has_sync: bool | None = None
    direct: DirectClient | None = None
    has_direct: bool | None = None
    telemetry: Telemetry | None = None
    seam: Seam | None = None
    has_telemetry: bool = False


class Session:
    """Opens what is needed at first use. Thread-safe; after a fork the child opens its own."""

    def __init__(  # noqa: PLR0913 - the parts of an application it connects
        self,
        settings: Settings,
        clock: Clock,
        ids: TaskIds,
        registry: TaskRegistry,
        *,
        eager: bool | None = None,
        client: type[Client] = Client,
    ) -> None:
        """Connect to nothing yet. `eager` runs tasks at once; None leaves it to the URL."""
        self._settings = settings
        self._registry = registry
        self._eager = is_eager(settings) if eager is None else eager
        self._clock = clock
        self._make_client = client
        self._policy = policy_of(settings)
        self._preparer = preparer_of(settings, ids)
        self._opened: dict[int, _Opened] = {}
        self._closed = False

    def enqueue(self, drafts: Iterable[Draft]) -> list[Enqueued]:
        """Enqueue from any thread: without a loop where the adapter can, else through ours."""
        seam = self._seam()
        if seam is None:
            return self._enqueue(drafts, None)
        several = list(drafts)
        with seam.sending(len(several)) as creations:
            return self._enqueue(several, creations)

    def _enqueue(self, drafts: Iterable[Draft], creations: Creations | None) -> list[Enqueued]:
        records = self._preparer.records(drafts, self._clock.now(), creations)
        together = None if self._eager else self._together()
        if together is not None:
            recorded = together.enqueue(records)
            return [answer_of(one, got) for one, got in zip(records, recorded, strict=True)]
        direct = None if self._eager else self._direct()
        if direct is not None and direct.takes(records):
            return direct.submit(records)
        return self.call(lambda live: self._submit(live, records))

    async def aenqueue(self, drafts: Iterable[Draft]) -> list[Enqueued]:
        """Enqueue from a coroutine, without blocking its loop."""
        seam = self._seam()
        if seam is None:
            records = self._preparer.records(drafts, self._clock.now())
            return await self.acall(lambda live: self._submit(live, records))
        several = list(drafts)
        with seam.sending(len(several)) as creations:
            records = self._preparer.records(several, self._clock.now(), creations)
            return await self.acall(lambda live: self._submit(live, records))

    def drain(self) -> Stopped:
        """Run what is due now, here, and answer when nothing of it is left."""
        return self.call(self._drain)

    def call(self, work: Callable[[Live], Awaitable[T]]) -> T:
        """Run work on the session's loop and wait for it.

        `ClosedError` where the session is closed meanwhile. `ConfigurationError` on that very
        loop, where waiting would never end: a task that runs at once is there.
        """
        portal = self._portal()
        portal.refuse_own_loop()
        future = portal.submit(work)
        try:
            return future.result()
        except CancelledError:
            self._check()
            raise
        except BaseException:
            future.cancel()  # nobody waits for it any more
            raise

    async def acall(self, work: Callable[[Live], Awaitable[T]]) -> T:
        """Run work on the session's loop, for a caller on another one."""
        opened = self._opened.get(os.getpid())
        if opened is not None and opened.portal is not None and not self._closed:
            portal = opened.portal
        else:
            portal = await asyncio.to_thread(self._portal)
        try:
            return await asyncio.wrap_future(portal.submit(work))
        except asyncio.CancelledError:
            self._check()
            raise

    def close(self) -> None:
        """Close what was opened; who waits for an answer gets `ClosedError`. Idempotent."""
        mine = self._mine()
        if mine.portal is not None:
            mine.portal.refuse_own_loop()
        self._closed = True
        if mine.direct is not None:  # its rows are written through what is closed next
            mine.direct.close()
        with mine.lock:
            mine.stack.close()

    async def _submit(self, live: Live, records: list[Record]) -> list[Enqueued]:
        enqueued = await live.client.submit(records)
        if self._eager:
            await self._drain(live)
        return enqueued

    async def _drain(self, live: Live) -> Stopped:
        """Let a worker of our own loop empty every queue that has tasks."""
        await Publisher(live.ports).publish_due()
        settings = self._settings
        logged = {stats.queue for stats in await live.ports.task_log.stats()}
        names = sorted(logged | {settings.queue, *settings.queues})
        options = worker_options(settings, tuple(names))
        burst = replace(options, burst=True, publish=False, max_tasks=None)
        worker = Worker(live.ports, self._registry, self._policy, burst)
        return await worker.run()

    def _mine(self) -> _Opened:
        """What this process has opened; a child finds its parent's under another number."""
        pid = os.getpid()
        return self._opened.get(pid) or self._opened.setdefault(pid, _Opened())

    def _seam(self) -> Seam | None:
        """Answer where to observe, asked for once in a process; None where nobody observes."""
        mine = self._mine()
        if not mine.has_telemetry:
            with mine.lock:
                if not mine.has_telemetry:
                    mine.telemetry = telemetry_for(self._settings)
                    if mine.telemetry is not None:
                        mine.seam = mine.telemetry.seam(urls_of(self._settings)[0])
                    mine.has_telemetry = True
        return mine.seam

    def _portal(self) -> Portal:
        mine = self._mine()
        with mine.lock:
            self._check()
            if mine.portal is None:
                self._seam()
                mine.portal = mine.stack.enter_context(
                    Portal(self._settings, self._clock, self._live, mine.telemetry)
                )
            return mine.portal

    def _together(self) -> SyncTogether | None:
        mine = self._mine()
        if mine.sync is not None and not self._closed:
            return mine.sync
        with mine.lock:
            self._check()
            if mine.has_sync is None:
                mine.sync = self._open_sync(mine.stack)
                mine.has_sync = mine.sync is not None
            return mine.sync

    def _open_sync(self, stack: ExitStack) -> SyncTogether | None:
        queue_url, log_url, _ = urls_of(self._settings)
        adapter = find_adapter(queue_url)
        as_one = queue_url == log_url and logs_everything(self._settings)
        if not as_one or not isinstance(adapter, SupportsSync):
            return None
        opened = stack.enter_context(adapter.open_sync(queue_url, self._clock))
        seam = self._seam()
        return opened if seam is None else seam.sync_together(opened)

    def _direct(self) -> DirectClient | None:
        mine = self._mine()
        if mine.direct is not None and not self._closed:
            return mine.direct
        with mine.lock:
            self._check()
            if mine.has_direct is None:
                mine.direct = self._open_direct(mine.stack)
                mine.has_direct = mine.direct is not None
            return mine.direct

    def _open_direct(self, stack: ExitStack) -> DirectClient | None:
        queue_url, *_ = urls_of(self._settings)
        adapter = find_adapter(queue_url)
        if not isinstance(adapter, SupportsSyncSend):
            return None
        sender = stack.enter_context(adapter.open_sender(queue_url, self._clock))
        seam = self._seam()
        record = _nothing if self._forgets() else self._record
        direct = DirectClient(sender if seam is None else seam.sender(sender), record)
        atexit.register(direct.close)
        stack.callback(atexit.unregister, direct.close)
        return direct

    def _forgets(self) -> bool:
        _, log_url, _ = urls_of(self._settings)
        return isinstance(find_adapter(log_url), Forgetful)

    def _record(self, records: Sequence[Record]) -> Future[None] | None:
        """Begin to write rows behind their messages, where their queues want any."""
        wanted = [one for one in records if self._policy.of(one.spec.queue).log is Level.FULL]
        return self._portal().follow(wanted) if wanted else None

    def _check(self) -> None:
        """Refuse use after closing."""
        if self._closed:
            what = "the application"
            raise ClosedError(what)

    def _live(self, ports: Ports) -> Live:
        return Live(ports, self._make_client(ports, self._preparer), Operator(ports))


def _nothing(_: Sequence[Record]) -> None:
    """Write no rows, where nobody would keep them."""


class Portal:
    """The thread and its loop, with the ports open on it; a context manager."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        live: Callable[[Ports], Live],
        telemetry: Telemetry | None = None,
    ) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock
        self._make = live
        self._loop = asyncio.new_event_loop()
        self._live: Live | None = None
        self._following = Following(self._log)
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
        """End what is still going on, close the ports and end the thread."""
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        finally:
            self._end()

    def refuse_own_loop(self) -> None:
        """Raise where the caller is the loop itself: it would wait for what it holds up."""
        if threading.current_thread() is self._thread:
            message = (
                "this would block the session's own loop for ever; a task on it awaits the "
                "call whose name begins with an a: aenqueue, aresult, astatus"
            )
            raise ConfigurationError(message)

    def submit(self, work: Callable[[Live], Awaitable[T]]) -> Future[T]:
        """Start work on the loop, which sees the rows of whatever was sent before."""
        return asyncio.run_coroutine_threadsafe(self._in_order(work), self._loop)

    def follow(self, rows: Sequence[Record]) -> Future[None]:
        """Begin to write rows behind their messages."""

        def begin() -> Future[None]:
            return asyncio.run_coroutine_threadsafe(self._following.later(), self._loop)

        return self._following.add(rows, begin)

    async def _in_order(self, work: Callable[[Live], Awaitable[T]]) -> T:
        if self._following.is_behind:
            await self._following.caught_up()
        return await self._run(work)

    async def _log(self, rows: Sequence[Record]) -> None:
        await self._run(lambda live: live.client.log(rows))

    async def _run(self, work: Callable[[Live], Awaitable[T]]) -> T:
        assert self._live is not None  # noqa: S101 - the portal was entered
        seam = self._live.ports.telemetry
        if seam is None:
            return await work(self._live)
        with seam.quiet():
            return await work(self._live)

    async def _open(self) -> None:
        ports = await self._stack.enter_async_context(
            open_ports(self._settings, self._clock, self._telemetry)
        )
        self._live = self._make(ports)

    async def _close(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._stack.aclose()

    def _main(self) -> None:
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
