"""Liveness and readiness of a real worker on a loop of its own, judged from another thread."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.clock import ManualClock, SystemClock
from longshore.worker import Worker, WorkerOptions
from longshore.worker.liveness import Bounds, is_live, is_ready
from longshore.worker.pulse import Pulse
from longshore.worker.stuck import PATIENCE
from tests.unit.yard import DEADLINE, open_yard

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from longshore.conformance import FaultPlan
    from longshore.queue import Delivery, Queue
    from longshore.worker.liveness import Verdict
    from tests.unit.yard import Yard

STALL = timedelta(seconds=0.1)
BOUNDS = Bounds(stall=STALL, block=timedelta(hours=1), hang=10 * STALL)


class Ahead(SystemClock):
    """The machine's clocks, of which the monotonic one may be put forward."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@dataclass(kw_only=True)
class Watched:
    """A worker that runs in another thread, and what it shows."""

    yard: Yard
    worker: Worker
    pulse: Pulse
    clock: Ahead
    loop: asyncio.AbstractEventLoop
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        """Block the thread that calls it, until the gate is opened."""
        self.entered.set()
        self.gate.wait(DEADLINE)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE)

    def live(self, bounds: Bounds = BOUNDS) -> Verdict:
        return is_live(self.pulse, bounds)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, (self.live(), is_ready(self.pulse))
            time.sleep(0.005)

    def until_late(self) -> None:
        """Wait until the loop has stood still for longer than it may."""
        assert self.entered.wait(DEADLINE)
        limit = STALL.total_seconds()
        self.until(lambda: self.pulse.loop.overdue(self.clock.monotonic()) > limit)


class Hanging:
    """A queue whose receive neither answers nor fails."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        await asyncio.Event().wait()
        return []


@contextmanager
def watched(*, hangs: bool = False, **options: Any) -> Iterator[Watched]:
    """A worker on a thread, stopped on the way out. Nothing is asked before it is ready."""
    begun, made = threading.Event(), []
    over: list[asyncio.Event] = []

    async def main() -> None:
        clock = Ahead()
        async with open_yard(together=False, clock=clock) as yard:
            pulse = Pulse(clock)
            ports = yard.ports
            if hangs:
                ports = replace(ports, queue=lambda name: Hanging(yard.ports.queue(name)))
            given = {"publish": False, "poll": timedelta(0), "grace": timedelta(0), **options}
            given["poll"] = options.get("poll", timedelta(seconds=0.05))
            worker = Worker(ports, yard.registry, yard.policy, WorkerOptions(**given), pulse=pulse)
            helping = [
                asyncio.ensure_future(pulse.beat(STALL)),
                asyncio.ensure_future(pulse.ask(ports)),
            ]
            running = asyncio.ensure_future(worker.run())
            loop = asyncio.get_running_loop()
            made.append(Watched(yard=yard, worker=worker, pulse=pulse, clock=clock, loop=loop))
            over.append(asyncio.Event())
            begun.set()
            await over[0].wait()
            worker.stop()
            worker.stop()
            await running
            for each in helping:
                each.cancel()
            await asyncio.gather(*helping, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    begun.wait(DEADLINE)
    one: Watched = made[0]
    try:
        yield one
    finally:
        one.gate.set()
        one.loop.call_soon_threadsafe(over[0].set)
        thread.join(DEADLINE)


def test_a_loop_that_our_own_code_holds_is_dead_and_is_alive_again_when_it_goes_on() -> None:
    with watched() as one:
        one.until(lambda: is_ready(one.pulse).ok)

        one.loop.call_soon_threadsafe(one.hold)
        one.until_late()
        stalled = one.live()
        one.gate.set()

        assert "no handler holds it" in stalled.problems[0]
        assert any("threading.py" in line for line in stalled.facts["stack"])
        one.until(lambda: one.live().ok)


def test_a_handler_that_blocks_the_loop_is_alive() -> None:
    with watched() as one:

        async def blocks() -> None:
            one.hold()

        task_id = one.do(one.yard.enqueue(blocks))
        one.until_late()
        verdict = one.live()

        assert verdict.ok
        assert verdict.facts["held_by"]["task_id"] == task_id


@pytest.mark.parametrize("how", ["task", "callback", "timer"])
def test_what_a_handler_has_begun_and_blocks_the_loop_is_alive(how: str) -> None:
    with watched() as one:

        async def begins() -> None:
            loop = asyncio.get_running_loop()

            async def blocks() -> None:
                one.hold()

            if how == "task":
                await asyncio.create_task(blocks())
            elif how == "callback":
                loop.call_soon(one.hold)
                await asyncio.sleep(1)
            else:
                loop.call_later(0.01, one.hold)
                await asyncio.sleep(1)

        one.do(one.yard.enqueue(begins))
        one.until_late()
        verdict = one.live()

        assert verdict.ok
        assert verdict.facts["held_by"]["task"] == "begins"


def test_a_handler_on_a_thread_does_not_hold_the_loop() -> None:
    with watched() as one:

        def computes() -> int:
            while not one.gate.is_set():
                sum(range(1000))
            return 1

        one.do(one.yard.enqueue(computes))
        one.until(lambda: one.worker.steering.state == "running" and bool(one.pulse.held()))
        end = time.monotonic() + 1.0
        verdicts = []
        while time.monotonic() < end:
            verdicts.append(one.live(replace(BOUNDS, stall=timedelta(seconds=0.5), block=STALL)).ok)
            time.sleep(0.05)

        assert all(verdicts)


def test_a_handler_without_a_timeout_may_hold_the_loop_for_so_long_and_no_longer() -> None:
    bounds = replace(BOUNDS, block=timedelta(seconds=60))
    with watched() as one:

        async def blocks() -> None:
            one.hold()

        one.do(one.yard.enqueue(blocks))
        one.until_late()
        one.clock.seconds += 50.0
        before = one.live(bounds)
        one.clock.seconds += 20.0
        after = one.live(bounds)

        assert before.ok
        assert "beyond the 60 s that a handler without a timeout has" in after.problems[0]


def test_a_handler_with_a_timeout_may_hold_the_loop_until_it_has_had_time_to_end() -> None:
    bounds = replace(BOUNDS, block=timedelta(seconds=1))
    with watched() as one:

        async def blocks() -> None:
            one.hold()

        task = one.yard.task(blocks, timeout=timedelta(seconds=60))
        one.do(one.yard.enqueue(task))
        one.until_late()
        one.clock.seconds += 55.0 + PATIENCE
        before = one.live(bounds)
        one.clock.seconds += 10.0
        after = one.live(bounds)

        assert before.ok
        assert "beyond its timeout" in after.problems[0]


@pytest.mark.parametrize("away", [("queue",), ("log",), ("queue", "log", "store")], ids="-".join)
def test_a_server_that_is_away_kills_nobody_and_makes_the_worker_not_ready(
    away: tuple[str, ...],
) -> None:
    with watched() as one:
        one.until(lambda: is_ready(one.pulse).ok)
        plans: list[FaultPlan] = [getattr(one.yard, f"{name}_plan") for name in away]

        for plan in plans:
            plan.sleep()
        one.until(lambda: not is_ready(one.pulse).ok)
        end = time.monotonic() + 1.5  # a poll that hung for so long would be overdue
        verdicts = [one.live()]
        while time.monotonic() < end:
            verdicts.append(one.live())
            time.sleep(0.05)
        problems = is_ready(one.pulse).problems

        assert [verdict.problems for verdict in verdicts if not verdict.ok] == []
        assert all("does not answer" in problem for problem in problems)
        for plan in plans:
            plan.wake()
        one.until(lambda: is_ready(one.pulse).ok)


def test_a_poll_that_neither_answers_nor_fails_is_dead_in_the_end() -> None:
    with watched(hangs=True) as one:
        one.until(lambda: one.pulse.poll("default").by is not None)
        before = one.live()
        one.until(lambda: not one.live().ok)
        after = one.live()

        assert before.ok
        assert "the poll of queue 'default' should have ended" in after.problems[0]


@pytest.mark.parametrize("stall", [timedelta(milliseconds=500), timedelta(seconds=30)])
def test_a_poll_may_wait_as_long_as_its_adapter_does_however_short_the_stall_limit(
    stall: timedelta,
) -> None:
    clock = ManualClock()
    pulse = Pulse(clock)
    bounds = Bounds.of(stall=stall, block=timedelta(hours=1))
    pulse.poll("default").expect(2.0)

    clock.advance(timedelta(seconds=60))  # a file that another process has locked, say
    waiting = is_live(pulse, bounds)
    clock.advance(timedelta(minutes=5))
    hanging = is_live(pulse, bounds)

    assert waiting.problems == ()
    assert hanging.problems == ("the poll of queue 'default' should have ended 358.0 s ago",)


def test_a_worker_that_drains_is_alive_and_not_ready() -> None:
    with watched(grace=timedelta(seconds=DEADLINE)) as one:
        one.until(lambda: is_ready(one.pulse).ok)

        def holds() -> None:
            one.hold()

        one.do(one.yard.enqueue(holds))
        one.until(lambda: bool(one.pulse.held()))
        one.loop.call_soon_threadsafe(one.worker.stop)
        one.until(lambda: one.pulse.state() == "draining")

        assert is_ready(one.pulse).problems == ("the worker is draining",)
        assert one.live().ok


def test_a_worker_that_has_not_begun_is_alive_and_not_ready() -> None:
    pulse = Pulse(SystemClock())

    assert is_live(pulse, BOUNDS).ok
    assert is_ready(pulse).problems == (
        "the worker is starting",
        "the log has not answered yet",
    )


def test_a_paused_worker_is_ready_and_says_so() -> None:
    with watched() as one:
        one.until(lambda: is_ready(one.pulse).ok)

        one.loop.call_soon_threadsafe(one.worker.steering.pause)
        one.until(lambda: one.pulse.state() == "paused")

        assert is_ready(one.pulse).ok
        assert is_ready(one.pulse).facts["state"] == "paused"


def test_an_idle_worker_is_ready_before_its_first_poll_has_ended() -> None:
    with watched(poll=timedelta(hours=1)) as one:
        one.until(lambda: is_ready(one.pulse).ok)

        assert one.pulse.poll("default").came is None
