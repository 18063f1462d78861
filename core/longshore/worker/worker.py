"""The worker: receive → decode → claim → execute → settle, on one event loop."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
from longshore.scheduler import Scheduler
from longshore.worker.capture import captured
from longshore.worker.children import Children
from longshore.worker.execute import Executors
from longshore.worker.lease import LeaseKeeper, LeaseThread
from longshore.worker.limits import exceeded
from longshore.worker.outcome import Outcomes
from longshore.worker.receive import Receiver
from longshore.worker.settle import Settler
from longshore.worker.slots import Slots
from longshore.worker.telling import tell_end, tell_start
from longshore.worker.threads import Threads
from longshore.worker.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractAsyncContextManager

    from longshore.definition import TaskRegistry
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.protocol import Outcome
    from longshore.worker.holding import Holding, Stop
    from longshore.worker.options import WorkerOptions

_log = logging.getLogger("longshore.worker")
_UNWIND: Final = 1.0
"""Seconds an interrupted handler has to unwind before it counts as stuck."""
_LEAVE: Final = timedelta(seconds=2)
"""How long a handler that could not be stopped keeps others from starting its task (§7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Why a worker returned (`drained`, `idle`, `max_tasks`, `max_time`, `memory`).

    `stuck` handlers run on threads that cannot be stopped: the process should leave at once.
    """

    reason: str
    done: int
    failed: int
    stuck: int = 0


class Worker:
    """Serves queues until it is told to stop. Use once; lives on the loop that made it."""

    def __init__(
        self,
        ports: Ports,
        registry: TaskRegistry,
        policy: Policy,
        options: WorkerOptions,
        *,
        open_ports: Callable[[], AbstractAsyncContextManager[Ports]] | None = None,
    ) -> None:
        """`open_ports` gives the lease thread its connections; None keeps leases on the loop."""
        self._ports = ports
        self._options = options
        self._open_ports = open_ports
        self._slots = Slots(options, policy)
        self._outcomes = Outcomes(options.limits)
        self._settler = Settler(ports, self._settled)
        self._watch = Watch(ports, self._slots.held.values)
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._receivers = [
            Receiver(
                name,
                ports,
                registry=registry,
                policy=policy,
                options=options,
                slots=self._slots,
                begin=self._begin,
                backlog=lambda: self._settler.backlog,
            )
            for name in options.queues
        ]
        self._lease = min(policy.of(name).lease for name in options.queues)
        self._stopping, self._hurry = asyncio.Event(), asyncio.Event()
        self._executors: Executors | None = None
        self._reason: str | None = None
        self._done = self._failed = 0

    def stop(self, reason: str = "drained") -> None:
        """Drain: receive no more, give back what has not begun, wait for what runs.

        Call from the loop. A second call interrupts what runs at once.
        """
        if self._reason is None:
            self._reason = reason
            self._stopping.set()
        else:
            self._hurry.set()
        self._slots.changed.set()

    async def run(self) -> Stopped:
        """Serve until told to stop or a limit is reached; answer why.

        Raises what a port raised that can be neither answered nor waited out.
        """
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            stack.enter_context(captured(enabled=self._options.capture))
            threads = Threads(self._options.concurrency, loop)
            stack.callback(threads.close)
            children = Children()
            stack.callback(children.close)
            self._executors = Executors(self._ended, threads, children)
            return await self._serve(stack, loop)

    async def _serve(self, stack: ExitStack, loop: asyncio.AbstractEventLoop) -> Stopped:
        settling = loop.create_task(self._settler.run())
        background = [
            loop.create_task(self._watch.run()),
            loop.create_task(self._limit()),
            *self._keep_leases(stack, loop),
        ]
        if self._options.publish:
            background.append(loop.create_task(Scheduler(self._ports).run()))
        receiving = [loop.create_task(one.run(self._found_empty)) for one in self._receivers]
        try:
            await self._until_stopped([*receiving, settling])
            stuck = await self._drain(receiving)
            self._settler.close()
            await settling
        finally:
            await _end([*background, *receiving, settling])
        reason = self._reason or "drained"
        return Stopped(reason=reason, done=self._done, failed=self._failed, stuck=stuck)

    def _keep_leases(
        self, stack: ExitStack, loop: asyncio.AbstractEventLoop
    ) -> list[asyncio.Task[None]]:
        def tell(held: Holding, why: Stop) -> None:
            loop.call_soon_threadsafe(held.stop, why)

        keeper = LeaseKeeper(lambda: list(self._slots.held.values()), tell, self._lease / 3)
        if self._open_ports is None:
            return [loop.create_task(keeper.run(self._ports))]
        stack.enter_context(LeaseThread(keeper, self._open_ports))
        return []

    async def _until_stopped(self, vital: Sequence[asyncio.Task[None]]) -> None:
        """Wait for a stop, or for a vital part that failed: that is raised, never swallowed."""
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([stopping, *vital], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        for part in vital:
            if part.done() and not part.cancelled():
                part.result()

    async def _limit(self) -> None:
        """Stop when the process has lived or grown enough."""
        clock = self._ports.clock
        began = clock.monotonic()
        while self._reason is None:
            await clock.sleep(1.0)
            over = exceeded(self._options, clock.monotonic() - began)
            if over is not None and self._reason is None:
                self.stop(over)

    def _found_empty(self) -> None:
        """Stop a burst, or an idle worker, once no queue has anything and nothing is held."""
        ends = self._options.burst or self._options.idle is not None
        all_empty = all(receiver.empty for receiver in self._receivers)
        if ends and all_empty and not self._slots.held and self._reason is None:
            self.stop("idle")

    # ------------------------------------------------------------------ running

    def _begin(self) -> None:
        """Start what is ready while there are slots."""
        while self._reason is None and (held := self._slots.next()) is not None:
            if held.stopped is not None:
                self._slots.drop(held)
            else:
                self._start(held)

    def _start(self, held: Holding) -> None:
        clock = self._ports.clock
        held.began_at, held.began = clock.now(), clock.monotonic()
        if held.timeout is not None:
            held.timeout_at = held.began + held.timeout.total_seconds()
            self._watch.expect(held.timeout_at)
        self._slots.running += 1
        tell_start(held)
        assert self._executors is not None  # noqa: S101 - made before anything is received
        self._executors.start(held)

    def _ended(self, held: Holding, result: object, error: BaseException | None) -> None:
        """An attempt ended: make its outcome, free the slot, begin the next."""
        self._slots.running -= 1
        if not held.ended:
            held.ended = True
            took = self._ports.clock.monotonic() - held.began
            self._slots.took(took)
            outcome = self._outcome(held, result, error)
            tell_end(held, outcome, took)
            if outcome is None:
                self._slots.drop(held)
            else:
                self._settler.add(held, outcome)
        self._begin()
        self._slots.changed.set()

    def _outcome(
        self, held: Holding, result: object, error: BaseException | None
    ) -> Outcome | None:
        """What the log is told; None where the lease is lost and nothing may be said."""
        if held.stopped == "lost":
            return None
        if error is None:
            self._done += 1
            return self._outcomes.of_result(held, result)
        capabilities = self._ports.queue(held.spec.queue).capabilities
        if held.stopped == "drain":
            return self._outcomes.give_back(held, None, capabilities=capabilities)
        self._failed += 1
        return self._outcomes.of_error(
            held,
            error,
            capabilities=capabilities,
            random=self._random.random(),
            now=self._ports.clock.now(),
        )

    def _settled(self, held: Holding) -> None:
        self._slots.drop(held)
        limit, started = self._options.max_tasks, self._slots.started
        over = limit is not None and started >= limit and not self._slots.held
        if over and self._reason is None:
            self.stop("max_tasks")

    # ------------------------------------------------------------------ stopping

    async def _drain(self, receiving: Sequence[asyncio.Task[None]]) -> int:
        """Give back what has not begun, wait for what runs; answer how many cannot be stopped."""
        await _end(receiving)
        self._give_back(self._slots.take_waiting(), None)
        await self._until_quiet(self._options.grace.total_seconds(), hurried=True)
        for one in self._unfinished():
            one.stop("drain")
        await self._until_quiet(_UNWIND, hurried=False)
        stuck = self._unfinished()
        self._give_back(stuck, _LEAVE)
        return len(stuck)

    def _unfinished(self) -> list[Holding]:
        return [one for one in self._slots.held.values() if not one.ended]

    def _give_back(self, holdings: Collection[Holding], wait: timedelta | None) -> None:
        for held in holdings:
            held.ended = True
            capabilities = self._ports.queue(held.spec.queue).capabilities
            outcome = self._outcomes.give_back(held, wait, capabilities=capabilities)
            self._settler.add(held, outcome)

    async def _until_quiet(self, seconds: float, *, hurried: bool) -> None:
        """Wait until nothing runs or the time is over; a second stop ends the first wait."""
        clock = self._ports.clock
        end = clock.monotonic() + seconds
        while self._slots.running and not (hurried and self._hurry.is_set()):
            left = end - clock.monotonic()
            if left <= 0:
                return
            self._slots.changed.clear()
            await clock.wait(self._slots.changed, left)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them; what failed meanwhile is logged."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, LongshoreError):
            _log.error("a part of the worker had failed when it stopped", exc_info=outcome)
