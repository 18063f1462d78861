"""Clocks: time moves only as they say, waiters wake in order, and nothing is left behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.clock import Clock, ManualClock, SystemClock, within
from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Coroutine

START = datetime(2026, 11, 22, 10, tzinfo=UTC)


async def until_asleep(clock: ManualClock, tasks: int) -> None:
    async with asyncio.timeout(5):
        while clock.sleepers != tasks:
            await asyncio.sleep(0)


@pytest.fixture(params=["system", "manual"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return SystemClock() if request.param == "system" else ManualClock(START)


def test_now_is_aware_and_in_utc(clock: Clock) -> None:
    now = clock.now()

    assert now.tzinfo is UTC


async def test_an_event_already_set_is_answered_at_once(clock: Clock) -> None:
    event = asyncio.Event()
    event.set()

    answers = [await clock.wait(event, timeout) for timeout in (None, 60, 0, -1)]

    assert answers == [True] * 4


@pytest.mark.parametrize("seconds", [0, -1])
async def test_waiting_no_time_lets_other_tasks_run_once(clock: Clock, seconds: float) -> None:
    event = asyncio.Event()
    other = asyncio.create_task(_set(event))

    answer = await clock.wait(event, seconds)

    assert answer
    assert other.done()


@pytest.mark.parametrize("seconds", [0, -1])
async def test_sleeping_no_time_lets_other_tasks_run_once(clock: Clock, seconds: float) -> None:
    event = asyncio.Event()
    other = asyncio.create_task(_set(event))

    await clock.sleep(seconds)

    assert event.is_set()
    assert other.done()


@pytest.mark.parametrize("timeout", [None, 60, float("inf")])
async def test_a_wait_ends_when_its_event_is_set(clock: Clock, timeout: float | None) -> None:  # noqa: ASYNC109 - the argument under test
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, timeout))
    await asyncio.sleep(0)

    event.set()

    assert await waiting


async def test_a_system_wait_answers_false_when_its_timeout_passes() -> None:
    clock = SystemClock()
    before = clock.monotonic()

    answer = await clock.wait(asyncio.Event(), 0.01)

    assert not answer
    assert clock.monotonic() - before >= 0.009


async def test_a_system_sleep_lasts_at_least_its_seconds() -> None:
    clock = SystemClock()
    before = clock.monotonic()

    await clock.sleep(0.01)

    assert clock.monotonic() - before >= 0.009


def test_the_system_clock_reads_the_time_between_two_other_readings() -> None:
    before = datetime.now(UTC)

    now = SystemClock().now()

    assert before <= now <= datetime.now(UTC)


def test_a_manual_clock_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(START)

    still = (clock.now(), clock.monotonic(), clock.now(), clock.monotonic())
    clock.advance(timedelta(minutes=1))
    clock.advance(0.5)

    assert still == (START, 0.0, START, 0.0)
    assert clock.now() == START + timedelta(seconds=60.5)
    assert clock.monotonic() == 60.5


def test_the_wall_clock_may_jump_back_while_monotonic_time_stands() -> None:
    clock = ManualClock(START)
    clock.advance(10)

    clock.set(START - timedelta(days=1))

    assert clock.now() == START - timedelta(days=1)
    assert clock.monotonic() == 10


async def test_a_jump_of_the_wall_clock_wakes_nobody() -> None:
    clock = ManualClock(START)
    async with asyncio.TaskGroup() as group:
        group.create_task(clock.sleep(10))
        await until_asleep(clock, 1)

        clock.set(START + timedelta(days=1))
        asleep_after_jump = clock.sleepers
        clock.advance(10)

    assert asleep_after_jump == 1


def test_a_manual_clock_answers_utc_whatever_offset_it_was_set_with() -> None:
    clock = ManualClock(datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=2))))

    now = clock.now()

    assert now == START
    assert now.tzinfo is UTC


def test_a_naive_time_is_refused() -> None:
    naive = datetime(2026, 11, 22)  # noqa: DTZ001 - the naive datetime is the point
    clock = ManualClock(START)

    with pytest.raises(ConfigurationError, match="add tzinfo=UTC"):
        ManualClock(naive)
    with pytest.raises(ConfigurationError, match="add tzinfo=UTC"):
        clock.set(naive)


def test_a_clock_is_not_advanced_backwards() -> None:
    clock = ManualClock(START)

    with pytest.raises(ConfigurationError, match=r"with set\(\)"):
        clock.advance(-1)

    assert clock.now() == START


async def test_a_sleeper_wakes_at_its_deadline_and_not_before() -> None:
    clock = ManualClock(START)
    sleeping = asyncio.create_task(clock.sleep(10))
    await until_asleep(clock, 1)

    clock.advance(9.999999)
    early = clock.sleepers
    clock.advance(0.000001)
    await sleeping

    assert early == 1
    assert clock.sleepers == 0


async def test_ten_small_steps_wake_like_a_large_one() -> None:
    clock = ManualClock(START)
    sleeping = asyncio.create_task(clock.sleep(1))
    await until_asleep(clock, 1)

    for _ in range(10):
        clock.advance(0.1)
    await sleeping

    assert clock.monotonic() == 1


@given(seconds=st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_sleepers_wake_in_the_order_of_their_deadlines(seconds: list[int]) -> None:
    woken: list[tuple[int, int]] = []

    async def sleep(clock: ManualClock, place: int) -> None:
        if place % 2:
            await clock.sleep(seconds[place])
        else:
            await clock.wait(asyncio.Event(), seconds[place])
        woken.append((seconds[place], place))

    async def scenario() -> None:
        clock = ManualClock(START)
        async with asyncio.TaskGroup() as group:
            for place in range(len(seconds)):
                group.create_task(sleep(clock, place))
            await until_asleep(clock, len(seconds))
            clock.advance(5)

    asyncio.run(scenario())

    assert woken == sorted(woken)
    assert len(woken) == len(seconds)


async def test_a_sleeper_that_sleeps_again_counts_from_the_end_of_the_step() -> None:
    clock = ManualClock(START)

    async def sleep_twice() -> None:
        await clock.sleep(1)
        await clock.sleep(1)

    sleeping = asyncio.create_task(sleep_twice())
    await until_asleep(clock, 1)
    clock.advance(1.5)
    await until_asleep(clock, 0)
    await until_asleep(clock, 1)

    clock.advance(0.5)
    early = sleeping.done() or clock.sleepers == 0
    clock.advance(0.5)
    await sleeping

    assert not early


async def test_a_manual_wait_answers_false_when_its_timeout_passes() -> None:
    clock = ManualClock(START)
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), 30))
    await until_asleep(clock, 1)

    clock.advance(30)

    assert not await waiting


async def test_an_event_set_together_with_the_timeout_counts_as_set() -> None:
    clock = ManualClock(START)
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, 30))
    await until_asleep(clock, 1)

    clock.advance(30)
    event.set()

    assert await waiting


async def test_a_wait_that_ended_is_not_woken_again() -> None:
    clock = ManualClock(START)
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, 30))
    await until_asleep(clock, 1)

    event.set()
    answer = await waiting
    left = clock.sleepers
    clock.advance(60)

    assert answer
    assert left == 0


async def test_two_steps_before_the_loop_turns_wake_a_sleeper_once() -> None:
    clock = ManualClock(START)
    sleeping = asyncio.create_task(clock.sleep(1))
    await until_asleep(clock, 1)

    clock.advance(1)
    clock.advance(1)
    await sleeping

    assert clock.monotonic() == 2


@pytest.mark.parametrize("waits", [True, False])
async def test_a_cancelled_sleeper_is_cancelled_and_leaves_nothing_behind(waits: bool) -> None:  # noqa: FBT001 - a parameter of the test
    clock = ManualClock(START)
    call: Coroutine[None, None, object]
    call = clock.wait(asyncio.Event(), 30) if waits else clock.sleep(30)
    sleeping = asyncio.create_task(call)
    await until_asleep(clock, 1)

    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping

    assert clock.sleepers == 0


async def test_an_endless_sleep_outlasts_every_step() -> None:
    clock = ManualClock(START)
    sleeping = asyncio.create_task(clock.sleep(float("inf")))
    await until_asleep(clock, 1)

    clock.advance(timedelta(days=365_000))

    assert clock.sleepers == 1
    sleeping.cancel()


async def test_work_that_ends_in_time_is_waited_for(clock: Clock) -> None:
    assert await within(clock, 60, clock.sleep(0))


async def test_work_that_does_not_end_is_cancelled_when_its_time_is_over() -> None:
    clock = ManualClock()
    event = asyncio.Event()
    waiting = asyncio.ensure_future(within(clock, 2, event.wait()))
    await until_asleep(clock, 1)

    clock.advance(2)

    assert not await waiting
    assert len(asyncio.all_tasks()) == 1


async def test_what_work_raises_is_raised(clock: Clock) -> None:
    async def fail() -> None:
        raise ConfigurationError

    with pytest.raises(ConfigurationError):
        await within(clock, 60, fail())


async def test_cancelled_with_its_caller_work_leaves_nothing_behind() -> None:
    clock = ManualClock()
    waiting = asyncio.ensure_future(within(clock, 2, asyncio.Event().wait()))
    await until_asleep(clock, 1)

    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert len(asyncio.all_tasks()) == 1
    assert clock.sleepers == 0


async def _set(event: asyncio.Event) -> None:
    event.set()
