"""The worker: receive → decode → claim → execute → settle, on one event loop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.scheduler import Scheduler
from longshore.worker.admission import Admission
from longshore.worker.capture import captured
from longshore.worker.children import Children
from longshore.worker.control import FIRST, Control
from longshore.worker.detach import Detacher
from longshore.worker.ending import Endings
from longshore.worker.execute import Executors
from longshore.worker.hands import Hands
from longshore.worker.lease import LeaseKeeper, LeaseThread
from longshore.worker.limits import exceeded
from longshore.worker.pulse import Pulse
from longshore.worker.receive import Receiver
from longshore.worker.settle import Settler
from longshore.worker.slots import Slots
from longshore.worker.steering import Steering
from longshore.worker.stopped import Stopped
from longshore.worker.stuck import is_stuck, overrun
from longshore.worker.taking import Taker
from longshore.worker.telling import tell_start
from longshore.worker.threads import Threads
from longshore.worker.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from longshore.definition import TaskRegistry
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.worker.holding import Holding, Stop
    from longshore.worker.options import WorkerOptions

_log = logging.getLogger("longshore.worker")
_RECYCLED: Final = frozenset({"max_tasks", "max_time", "memory", "stuck"})
_UNWIND: Final = 1.0
"""Seconds an interrupted handler has to unwind before it counts as stuck."""
_LEAVE: Final = timedelta(seconds=2)
"""How long a handler that could not be stopped keeps others from starting its task (§7)."""


class Worker:
    """Serves queues until it is told to stop. Use once; lives on the loop that made it.

    `steering` changes it while it runs. `leaving` is set when it takes no more because of one of
    its limits, and a successor may begin, while it lets end what runs.
    """

    def __init__(  # noqa: PLR0913 - what a worker is made of; the last two have defaults
        self,
        ports: Ports,
        registry: TaskRegistry,
        policy: Policy,
        options: WorkerOptions,
        *,
        open_ports: Callable[[], AbstractAsyncContextManager[Ports]] | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        """`open_ports` gives the lease thread its connections; None keeps leases on the loop.

        `pulse` is where it shows signs of life.
        """
        self._slots = Slots(options, policy)
        self._hands = Hands(ports.queue, ports.clock, self._slots.held.values)
        self._ports = ports = replace(ports, queue=self._hands.queue)
        self._registry = registry
        self._options = options
        self._open_ports = open_ports
        strict = options.selection == "strict"
        self._admission = Admission(options.queues, self._slots.changed.set, strict=strict)
        self._settler = Settler(ports, self._let_go)
        self._endings = Endings(ports, options.limits, self._slots, self._settler)
        self._detacher = Detacher(ports, self._slots.held.values)
        self._watch = Watch(ports, self._slots.held.values)
        self._pulse = pulse or Pulse(ports.clock)
        self._receivers = [
            Receiver(taker, lambda: self._settler.backlog, self._pulse.poll(taker.port.name))
            for taker in self._takers(registry, policy)
        ]
        self._lease = min(policy.of(name).lease for name in options.queues)
        self._stopping, self._hurry = asyncio.Event(), asyncio.Event()
        self._executors: Executors | None = None
        self._reason: str | None = None
        self.leaving = asyncio.Event()
        self._failure: BaseException | None = None
        self.steering = Steering(
            self._admission, self._slots, self._stopping, begin=self._begin, stop=self.stop
        )

    def _takers(self, registry: TaskRegistry, policy: Policy) -> Iterator[Taker]:
        for name in dict.fromkeys(self._options.queues):
            yield Taker(
                name,
                self._ports,
                registry=registry,
                policy=policy,
                options=self._options,
                slots=self._slots,
                admission=self._admission,
                begin=self._begin,
            )

    def stop(self, reason: str = "drained") -> None:
        """Drain: receive no more, give back what has not begun, wait for what runs.

        Call from the loop. A second call interrupts what runs at once.
        """
        if self._reason is None:
            self._reason = reason
            self._stopping.set()
            if reason in _RECYCLED:
                self.leaving.set()
        else:
            self._hurry.set()
        self._slots.changed.set()

    async def run(self) -> Stopped:
        """Serve until told to stop or a limit is reached; answer why.

        Raises what a port raised that can be neither answered nor waited out.
        """
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            stack.callback(self._show())
            stack.enter_context(captured(enabled=self._options.capture))
            self._observe(stack)
            threads = Threads(self._slots.concurrency, loop)
            self.steering.grown = threads.resize
            stack.callback(threads.close)
            seam = self._ports.telemetry
            traced = seam is not None and seam.tracing is not None
            children = Children(capture=self._options.capture, traced=traced)
            stack.callback(children.close)
            self._executors = Executors(self._ended, self._begin, threads, children)
            return await self._serve(stack, loop)

    def _show(self) -> Callable[[], None]:
        """Let the pulse see the worker; answers what ends that."""
        pulse, steering, admission = self._pulse, self.steering, self._admission
        queues = self._options.queues
        pulse.held = self._slots.held.values
        pulse.state = lambda: steering.state
        pulse.paused = lambda: queues if admission.paused else admission.paused_queues

        def end() -> None:
            pulse.state = lambda: "stopped"

        return end

    def _observe(self, stack: ExitStack) -> None:
        """Have the slots read where somebody does, and our own polls left out of all traces."""
        seam, slots = self._ports.telemetry, self._slots
        if seam is not None:
            seam.knows(self._registry.__contains__)
            stack.enter_context(seam.quiet())
            stack.callback(seam.worker(lambda: (slots.concurrency, slots.running, len(slots.held))))

    async def _serve(self, stack: ExitStack, loop: asyncio.AbstractEventLoop) -> Stopped:
        settling = loop.create_task(self._settler.run())
        background = [
            loop.create_task(self._watch.run()),
            loop.create_task(self._watch.note()),
            loop.create_task(self._limit()),
            loop.create_task(self._detacher.run(self._options.queues)),
            loop.create_task(self._hands.run()),
            *self._keep_leases(stack, loop),
        ]
        ordered = asyncio.Event()
        if self._ports.store is None:
            ordered.set()
        else:
            control = Control(self._ports, self._ports.store, self._options, self.steering)
            beating = control.run(self._slots, self._lease.total_seconds(), ordered.set)
            background.append(loop.create_task(beating))
        if self._options.publish:
            scheduler = Scheduler(self._ports, options=self._options.scheduling)
            background.append(loop.create_task(scheduler.run()))
        receiving = [loop.create_task(self._receive(one, ordered)) for one in self._receivers]
        for part in (settling, *background, *receiving):
            part.add_done_callback(self._part_ended)
        try:
            await self._stopping.wait()
            stuck = await self._drain(receiving)
            await self._write_out(settling)
        finally:
            for held in self._unfinished():  # only where `run` itself is cancelled
                held.stop("lost")
            await _end([*background, *receiving, settling])
        if self._failure is not None:
            raise self._failure
        reason = self._reason or "drained"
        slots = self._slots
        return Stopped(reason=reason, done=slots.done, failed=slots.failed, stuck=stuck)

    async def _receive(self, receiver: Receiver, ordered: asyncio.Event) -> None:
        """Receive once it is known what is paused, or the store does not say."""
        await self._ports.clock.wait(ordered, FIRST)
        await receiver.run(self._found_empty)

    def _keep_leases(
        self, stack: ExitStack, loop: asyncio.AbstractEventLoop
    ) -> list[asyncio.Task[None]]:
        def tell(held: Holding, why: Stop) -> None:
            loop.call_soon_threadsafe(held.stop, why)

        def failed(error: BaseException) -> None:
            loop.call_soon_threadsafe(self._fail, error)

        held, every = self._slots.held.values, self._lease / 3
        keeper = LeaseKeeper(lambda: list(held()), tell, every, self._pulse.leases)
        if self._open_ports is None:
            return [loop.create_task(keeper.run(self._ports))]
        stack.enter_context(LeaseThread(keeper, self._open_ports, failed))
        return []

    def _part_ended(self, part: asyncio.Task[None]) -> None:
        error = None if part.cancelled() else part.exception()
        if error is not None:
            self._fail(error)
        self._slots.changed.set()

    def _fail(self, error: BaseException) -> None:
        """A part that nothing works without has failed: stop in good order, and raise it then."""
        _log.error("the worker stops, because a part of it failed: %s", error)
        if self._failure is None:
            self._failure = error
        if self._reason is None:
            self.stop("failed")

    async def _limit(self) -> None:
        """Stop when the process has lived or grown enough; give back what waits too long."""
        clock = self._ports.clock
        began = clock.monotonic()
        while self._reason is None:
            await clock.sleep(1.0)
            self._endings.give_back(self._slots.take_stale(clock.monotonic()))
            now = clock.monotonic()
            over = exceeded(self._options, now - began) or overrun(self._slots.held.values(), now)
            if over is not None and self._reason is None:
                self.stop(over)

    def _found_empty(self) -> None:
        """Stop a burst, or an idle worker, once no queue has anything and nothing is held."""
        ends = self._options.burst or self._options.idle is not None
        quiet = not self._slots.held and not self._slots.coming
        empty = all(receiver.is_empty for receiver in self._receivers)
        if ends and quiet and empty and self._reason is None:
            self.stop("idle")

    # ------------------------------------------------------------------ running

    def _begin(self) -> None:
        """Start what is ready while there are slots; what is paused meanwhile goes back."""
        paused = self._admission.is_paused
        if self._admission.any_paused:
            waiting = self._slots.take_waiting(lambda held: paused(held.spec.queue))
            self._endings.give_back(waiting)
        self._endings.give_back(self._slots.take_crowd())
        self._endings.give_back(self._slots.take_blocked())
        while self._reason is None and (held := self._slots.next()) is not None:
            now = self._ports.clock.monotonic()
            if now >= held.deadline:
                held.stop("lost")  # answered too late, or frozen in between
            if held.stopped is None:
                self._start(held, now)
            elif held.stopped == "lost":
                self._drop(held)  # what it held up begins in the next turn of this loop
            else:  # cancelled before it began: the log ends it, and says what becomes of it
                self._endings.give_back([held])
        if self._slots.spent:
            self.leaving.set()

    def _start(self, held: Holding, now: float) -> None:
        held.began_at, held.began = self._ports.clock.now(), now
        held.luck = self._ports.random.random()
        if held.timeout is not None:
            held.timeout_at = now + held.timeout.total_seconds()
            self._watch.expect(held.timeout_at)
        if self._ports.telemetry is not None:
            held.observed = self._ports.telemetry.begin(
                held.spec, held.ctx, held.message, held.delivery, held.began_at
            )
        self._slots.running += 1
        assert self._executors is not None  # noqa: S101 - made before anything is received
        self._executors.start(held)
        tell_start(held)

    def _ended(self, held: Holding, result: object, error: BaseException | None) -> None:
        """An attempt ended: make its outcome, and free the slot."""
        self._slots.running -= 1
        self._slots.changed.set()
        held.interrupt = None
        # Else it was given back before, because it could not be stopped.
        if not held.ended and not self._endings.end(held, result, error):
            self._let_go(held)

    def _let_go(self, held: Holding) -> None:
        """Hold a task no more: its message is dealt with, or somebody else's."""
        self._drop(held)
        if self._slots.solo or held.group is not None:
            self._begin()

    def _drop(self, held: Holding) -> None:
        self._slots.drop(held)
        limit, started = self._options.max_tasks, self._slots.started
        over = limit is not None and started >= limit and not self._slots.held
        if over and self._reason is None:
            self.stop("max_tasks")

    # ------------------------------------------------------------------ stopping

    async def _drain(self, receiving: Sequence[asyncio.Task[None]]) -> int:
        """Give back what has not begun, wait for what runs; answer how many cannot be stopped."""
        end = self._ports.clock.monotonic() + self._options.grace.total_seconds()
        for one in receiving:
            one.cancel()
        await self._until(lambda: all(one.done() for one in receiving), end, hurried=True)
        await _end(receiving)
        self._endings.give_back(self._slots.take_waiting())
        await self._until(self._only_stuck, end, hurried=True)
        for held in self._unfinished():
            held.stop("drain")
        soon = self._ports.clock.monotonic() + _UNWIND
        await self._until(self._only_stuck, soon, hurried=False)
        stuck = self._unfinished()
        for held in stuck:
            if held.stopped == "timeout":
                await self._endings.fail_late(held, least=_LEAVE)
        self._endings.give_back([held for held in stuck if not held.ended], _LEAVE)
        return len(stuck)

    def _only_stuck(self) -> bool:
        """Whether nothing runs that may still end by itself."""
        now = self._ports.clock.monotonic()
        return not self._slots.running or all(is_stuck(held, now) for held in self._unfinished())

    def _unfinished(self) -> list[Holding]:
        return [one for one in self._slots.held.values() if not one.ended]

    async def _write_out(self, settling: asyncio.Task[None]) -> None:
        """Let the last outcomes be written, as long as a log that is away may keep a stop waiting.

        What is not written then is not lost: its lease runs out, and the task runs again.
        """
        self._settler.close()
        clock = self._ports.clock
        grace = max(self._options.grace.total_seconds(), _UNWIND)
        await self._until(settling.done, clock.monotonic() + grace, hurried=True)
        await self._until(settling.done, clock.monotonic() + _UNWIND, hurried=False)
        if not settling.done():
            left = self._settler.unwritten
            _log.error("%d outcomes were not written; those tasks will run again", left)

    async def _until(self, over: Callable[[], bool], end: float, *, hurried: bool) -> None:
        """Wait until something is over or the time has come; a second stop ends a hurried wait."""
        clock = self._ports.clock
        while not over() and not (hurried and self._hurry.is_set()):
            left = end - clock.monotonic()
            if left <= 0:
                return
            self._slots.changed.clear()
            await clock.wait(self._slots.changed, left)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them; what failed was told when it did."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
