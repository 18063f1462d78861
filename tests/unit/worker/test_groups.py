"""Queues that keep the order of groups: the worker keeps it too, whatever runs at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Context, RetryLater
from longshore.conformance.faults import GatedTaskLog
from longshore.draft import EnqueueOptions
from longshore.policy import LEASE, Policy
from longshore.protocol import Claim
from longshore.queue import Outgoing
from tests.unit.yard import Yard, open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from longshore.clock import Clock
    from longshore.identity import TaskId


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    async with open_yard(together=False, grouped=True) as opened:
        yield opened


class Book:
    """Handlers that write down when they begin and end."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.release = asyncio.Event()
        self.fails = ""

    async def handler(self, ctx: Context, name: str) -> None:
        self.lines.append(f"+{name}")
        await asyncio.sleep(0)
        if name == self.fails and ctx.attempt == 1:
            raise RetryLater("1 minute")
        if name.endswith("!"):
            await self.release.wait()
        self.lines.append(f"-{name}")

    def of(self, group: str) -> list[str]:
        return [line for line in self.lines if line[1] == group]


@pytest.fixture
def book() -> Book:
    return Book()


async def fill(yard: Yard, book: Book, *names: str) -> list[TaskId]:
    """Enqueue calls; a name's first letter is its group."""
    task: Any = next(iter(yard.registry), None) or yard.task(book.handler)
    return [
        await yard.enqueue(task, name, options=EnqueueOptions(tenant=name[0])) for name in names
    ]


async def test_tasks_of_a_group_run_one_after_the_other_in_order(yard: Yard, book: Book) -> None:
    names = [f"{group}{n}" for n in range(20) for group in "ab"]
    await fill(yard, book, *names)

    stopped = await yard.done(yard.worker(burst=True, concurrency=10).run())

    in_turn = [f"{sign}a{n}" for n in range(20) for sign in "+-"]
    assert stopped.done == 40
    assert book.of("a") == in_turn


async def test_groups_run_beside_each_other(yard: Yard, book: Book) -> None:
    await fill(yard, book, "a1!", "a2!", "b1!", "c1!", "a3!")

    async with yard.working(concurrency=10):
        await yard.turn()
        began = list(book.lines)
        book.release.set()
        await yard.until(lambda: yard.has_ended(5))

    assert began == ["+a1!", "+b1!", "+c1!"]


async def test_a_retry_sends_back_what_comes_behind_it_in_its_group(yard: Yard, book: Book) -> None:
    book.fails = "a1"
    first, second, third, other = await fill(yard, book, "a1", "a2", "a3", "b1")

    async with yard.working(concurrency=10):
        await yard.until(lambda: yard.has_ended(4), moving=True)

    assert await yard.outcomes(first) == ["retrying", "succeeded"]
    assert (await yard.outcomes(second))[0] == "given_back"
    assert (await yard.outcomes(third))[0] == "given_back"
    assert await yard.outcomes(other) == ["succeeded"]
    assert [(await yard.row(task)).attempts for task in (second, third)] == [1, 1]


async def test_the_next_of_a_group_begins_only_when_the_one_before_is_settled(
    yard: Yard, book: Book
) -> None:
    first, _ = await fill(yard, book, "a1", "a2")

    async with yard.working(concurrency=10):
        yard.log_plan.fail_next("finish", n=3)
        await yard.until(lambda: book.lines[:2] == ["+a1", "-a1"])
        await yard.turn()
        unsettled, state = list(book.lines), await yard.state(first)
        await yard.until(lambda: yard.has_ended(2), moving=True)

    assert (unsettled, state) == (["+a1", "-a1"], "running")
    assert book.lines == ["+a1", "-a1", "+a2", "-a2"]


async def test_what_another_worker_holds_sends_back_what_comes_behind_it(
    yard: Yard, book: Book
) -> None:
    [first] = await fill(yard, book, "a1!")
    body = (await yard.row(first)).body or b""

    async with yard.working(concurrency=1, prefetch=0):
        await yard.until(lambda: book.lines == ["+a1!"])
        twice = Outgoing(key=first, body=body, group="a")
        await yard.healthy.queue("default").send([twice])
        [second] = await fill(yard, book, "a2")
        async with yard.working(name="rival"):
            await yard.turn()
            book.release.set()
            await yard.until(lambda: yard.has_ended(2), moving=True)

    assert (await yard.outcomes(second))[0] == "given_back"


class SecondHeld:
    """A gate behind which the second claim waits until it is let through."""

    def __init__(self) -> None:
        self.claims = 0
        self.let = asyncio.Event()

    async def through(self, verb: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if verb == "claim":
            self.claims += 1
            if self.claims == 2:
                await self.let.wait()
        return await call()


async def test_what_was_received_before_one_of_its_group_went_back_comes_behind_it(
    yard: Yard,
) -> None:
    # given a task that runs, and the next of its group, whose claim the log is slow to answer
    fail, gate = asyncio.Event(), SecondHeld()
    begun: list[str] = []

    async def handler(ctx: Context, name: str) -> None:
        begun.append(name)
        if name == "a1" and ctx.attempt == 1:
            await fail.wait()
            raise RetryLater("1 minute")

    yard.ports = replace(yard.ports, task_log=GatedTaskLog(yard.ports.task_log, gate))
    task = yard.task(handler)
    options = EnqueueOptions(tenant="a")
    first = await yard.enqueue(task, "a1", options=options)
    async with yard.working(concurrency=10, prefetch=10):
        await yard.until(lambda: begun == ["a1"])
        second = await yard.enqueue(task, "a2", options=options)
        await yard.until(lambda: gate.claims == 2)

        # when the first goes back before the second is held
        fail.set()
        await yard.reaches(first, "retrying")
        gate.let.set()
        await yard.until(lambda: yard.has_ended(2), moving=True)

    # then it goes back as well
    assert (await yard.outcomes(second))[0] == "given_back"


async def lose(yard: Yard, *tasks: TaskId) -> None:
    """Let a worker claim tasks and die, so that each has its last try before it."""
    yard.policy = Policy(max_rescues=1)
    for task in tasks:
        spec, due_at = (row := await yard.row(task)).spec, row.due_at
        dead = Claim(spec=spec, claim_id=task, worker="dead", lease=LEASE, due_at=due_at)
        await yard.healthy.task_log.claim([dead])
    await yard.passes(2 * LEASE)


async def test_a_last_try_that_goes_back_to_be_alone_is_not_overtaken_by_its_group(
    yard: Yard, book: Book
) -> None:
    first, _ = await fill(yard, book, "a1", "a2")
    await lose(yard, first)

    async with yard.working(concurrency=10):
        await yard.until(lambda: yard.has_ended(2), moving=True)

    assert book.lines == ["+a1", "-a1", "+a2", "-a2"]


async def test_of_several_last_tries_of_a_group_the_first_stays(yard: Yard, book: Book) -> None:
    first, second = await fill(yard, book, "a1", "a2")
    await lose(yard, first, second)

    async with yard.working(concurrency=10):
        await yard.until(lambda: yard.has_ended(2), moving=True)

    assert await yard.outcomes(first) == ["lost", "succeeded"]
    assert book.lines == ["+a1", "-a1", "+a2", "-a2"]


_CROWD = 600
"""More than there may be calls within calls, at two each."""


class LateOnce:
    """A gate behind which the first claim is answered when its leases are over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late = False

    async def through(self, verb: str, call: Callable[[], Awaitable[Any]]) -> Any:
        answer = await call()
        if verb == "claim" and not self._late:
            self._late = True
            await self._clock.sleep(LEASE.total_seconds())
        return answer


async def test_a_whole_group_may_be_lost_at_once(yard: Yard, book: Book) -> None:
    await fill(yard, book, *(f"a{n}" for n in range(_CROWD)))
    late = GatedTaskLog(yard.ports.task_log, LateOnce(yard.clock))
    yard.ports = replace(yard.ports, task_log=late)

    async with yard.working(concurrency=_CROWD):
        await yard.until(lambda: bool(book.lines), moving=True)
        # A step of time is no shorter on a slow machine: the second leases would end among them.
        await yard.until(lambda: len(book.lines) == 2 * _CROWD)
        await yard.until(lambda: yard.has_ended(_CROWD))

    assert book.lines == [f"{sign}a{n}" for n in range(_CROWD) for sign in "+-"]
