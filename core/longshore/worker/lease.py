"""Keeping leases, from a thread of its own: a handler that blocks the loop loses none.

The thread has its own event loop and its own connections. It renews in the log first, and
extends at the broker only what the log just renewed (protocol.md §6.2).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from longshore.clock import within
from longshore.errors import LongshoreError, UnavailableError
from longshore.protocol import UNFENCED, Renewal
from longshore.worker.options import BROKER_EXTRA, kept_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta
    from typing import Self

    from longshore.ports import Ports
    from longshore.protocol import Renewed
    from longshore.queue import Delivery, Queue
    from longshore.worker.holding import Holding, Stop
    from longshore.worker.pulse import Part

_log = logging.getLogger("longshore.worker")
BATCH: Final = 500
JITTER: Final = 0.1
LONGEST_END: Final = 10.0
"""Seconds that closing the thread's own connections may take."""
AGAIN: Final = 1.0
"""Seconds after which a renewal that failed is tried again."""


class LeaseKeeper:
    """Renews what a worker holds; `tell` hears of what is lost or to be cancelled."""

    def __init__(
        self,
        held: Callable[[], Sequence[Holding]],
        tell: Callable[[Holding, Stop], None],
        every: timedelta,
        part: Part,
    ) -> None:
        """`held` is called from the keeper's thread and answers a copy; `part` is kept told."""
        self._held = held
        self._tell = tell
        self._every = every.total_seconds()
        self.part = part

    async def run(self, ports: Ports) -> None:
        """Beat until cancelled; after a failure sooner, because a lease lasts only so long."""
        pause = self._every
        while True:
            spread = 1 + JITTER * (2 * ports.random.random() - 1)
            self.part.expect(pause * spread)
            await ports.clock.sleep(pause * spread)
            pause = min(self._every, AGAIN)
            try:
                await self.beat(ports)
            except LongshoreError as error:
                self.part.answered(str(error))
                _log.warning("leases could not be renewed, trying again: %s", error)
            except Exception as error:  # noqa: BLE001 - whatever it was, leases are to be kept
                self.part.answered(str(error))
                _log.exception("leases could not be renewed, trying again")
            else:
                self.part.answered()
                pause = self._every

    async def beat(self, ports: Ports) -> None:
        """Renew once whatever was held for a third of its lease."""
        now = ports.clock.monotonic()
        old = [one for one in self._held() if now - one.claimed_at >= self._third(one)]
        # First what no log knows of: one that is away must not let go of it.
        for fenced in (False, True):
            some = [one for one in old if (one.token != UNFENCED) is fenced]
            for start in range(0, len(some), BATCH):
                await self._renew(ports, some[start : start + BATCH])

    async def _renew(self, ports: Ports, batch: Sequence[Holding]) -> None:
        sent = ports.clock.monotonic()
        answers = await ports.task_log.renew(
            [Renewal(task_id=one.spec.id, token=one.token, lease=one.lease) for one in batch]
        )
        kept: defaultdict[str, list[Delivery]] = defaultdict(list)
        longest: dict[str, timedelta] = {}
        for one, answer in zip(batch, answers, strict=True):
            if not self._take(one, answer, sent) or one.delivery is None:
                continue
            queue = one.delivery.queue
            kept[queue].append(one.delivery)
            longest[queue] = max(longest.get(queue, one.lease), one.lease)
        # Brokers that hang must not keep the log's leases from being renewed in time.
        if kept and not await within(ports.clock, self._every, _extend(ports, kept, longest)):
            _log.warning("messages could not be kept yet: their broker does not answer")

    def _take(self, one: Holding, answer: Renewed, sent: float) -> bool:
        if not answer.ok:
            if not one.ended:
                self._tell(one, "lost")
            return False
        one.deadline = sent + kept_for(one.lease)
        if answer.cancel_requested:
            self._tell(one, "cancel")
        return True

    @staticmethod
    def _third(one: Holding) -> float:
        return one.lease.total_seconds() / 3


async def _extend(
    ports: Ports, kept: Mapping[str, Sequence[Delivery]], leases: Mapping[str, timedelta]
) -> None:
    """Extend what the log has renewed, at all brokers at once.

    What they answer does not matter: the row decides who may finish.
    """

    async def extend(port: Queue, deliveries: Sequence[Delivery], lease: timedelta) -> None:
        try:
            await port.extend(deliveries, lease=lease + BROKER_EXTRA)
        except LongshoreError as error:
            _log.warning("messages of queue %r could not be kept: %s", port.name, error)

    ports_of = {name: ports.queue(name) for name in kept}
    await asyncio.gather(
        *(
            extend(port, kept[name], leases[name])
            for name, port in ports_of.items()
            if port.capabilities.leases
        )
    )


class LeaseThread:
    """Runs a keeper on a thread; a context manager.

    `open_ports` gives the thread connections of its own. `failed` hears, on that thread, of what
    ended it: without it every lease runs out.
    """

    def __init__(
        self,
        keeper: LeaseKeeper,
        open_ports: Callable[[], AbstractAsyncContextManager[Ports]],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Start nothing yet."""
        self._keeper = keeper
        keeper.part.apart = True
        self._open_ports = open_ports
        self._failed = failed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="longshore-leases", daemon=True)

    def __enter__(self) -> Self:
        """Start; returns when the thread's loop runs."""
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop and wait for the thread, but not for ever for a server that hangs."""
        loop, task = self._loop, self._task
        if loop is not None and task is not None and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)
        self._thread.join(LONGEST_END)
        if self._thread.is_alive():
            _log.error("the lease thread does not end; it is left behind")

    def _main(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._run())
        except Exception as error:  # noqa: BLE001 - it is raised again, in the worker's loop
            self._failed(error)
        finally:  # whoever starts the thread waits for this, also where there is no loop to be had
            self._ready.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._keep())
        self._ready.set()
        await asyncio.wait([self._task])
        error = None if self._task.cancelled() else self._task.exception()
        if error is not None:
            self._failed(error)

    async def _keep_with(self, ports: Ports) -> None:
        """Keep leases; requests of ours are no part of anybody's trace."""
        quiet = nullcontext() if ports.telemetry is None else ports.telemetry.quiet()
        with quiet:
            await self._keeper.run(ports)

    async def _keep(self) -> None:
        while True:
            self._keeper.part.expect(AGAIN)
            try:
                async with self._open_ports() as ports:
                    await self._keep_with(ports)
            except UnavailableError as error:
                self._keeper.part.answered(str(error))
                _log.warning("leases cannot be renewed yet, trying again: %s", error)
            await asyncio.sleep(AGAIN)
