from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore import Context, Retry
from longshore.clock import SystemClock
from longshore.draft import EnqueueOptions
from longshore.errors import EnqueueError, UnsupportedError
from longshore.levels import Level, LevelledLog
from longshore.task import TaskState
from tests.brokers.proxy import Proxy
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.unit.yard import Yard

pytestmark = pytest.mark.once

SOON = timedelta(seconds=0.3)


@pytest.fixture
def options() -> str:
    return ""


@pytest.fixture
async def yard(rabbitmq_url: str, tmp_path: Path, options: str) -> AsyncIterator[Yard]:
    url = f"{rabbitmq_url}?prefix=worker-{uuid4().hex[:8]}-{options}"
    async with opened(url, tmp_path) as yard:
        yield yard


def opened(url: str, tmp_path: Path) -> _Opened:
    return _Opened(url, f"sqlite:///{tmp_path / 'log.db'}")


class _Opened:
    """A yard whose queue is declared, and deleted in the end."""

    def __init__(self, *urls: str) -> None:
        self._yard = open_yard(together=False, clock=SystemClock(), urls=(urls[0], urls[1]))
        self._queue = None

    async def __aenter__(self) -> Yard:
        self._opened = await self._yard.__aenter__()
        await self._opened.healthy.queue("default").declare()
        return self._opened

    async def __aexit__(self, *exc: object) -> None:
        await self._opened.healthy.queue("default").delete()
        await self._yard.__aexit__(None, None, None)


async def test_a_task_is_retried_through_the_log_and_then_dies_with_its_reason(yard: Yard) -> None:
    attempts: list[int] = []

    async def fails(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("no such order")

    failing = yard.task(fails, retry=Retry(attempts=2, backoff=SOON))
    async with yard.working(publish=True):
        failed = await yard.enqueue(failing)
        row = await yard.reaches(failed, "failed")

    assert attempts == [1, 2]
    assert row.reason == "error"
    [letter] = await yard.letters()
    assert (letter.key, letter.reason, letter.stamp) == (failed, "error", row.run)
    assert "no such order" in letter.detail


async def test_a_delay_waits_in_the_log_and_not_in_the_broker(yard: Yard) -> None:
    async def echo(text: str) -> str:
        return text

    delayed = await yard.enqueue(echo, "x", options=EnqueueOptions(delay=1))
    before = await yard.depth()
    async with yard.working(publish=True):
        row = await yard.reaches(delayed, "succeeded")

    assert (before.ready, before.delayed) == (0, 0)
    assert row.attempts == 1


async def test_a_priority_is_refused_at_the_enqueue(yard: Yard) -> None:
    async def echo(text: str) -> str:
        return text

    with pytest.raises((UnsupportedError, EnqueueError), match="bands"):
        await yard.enqueue(echo, "x", options=EnqueueOptions(priority=50))


@pytest.mark.parametrize("options", ["&consumer_timeout=2s"])
async def test_a_long_task_lets_go_of_its_message_before_the_consumer_timeout(
    yard: Yard, options: str, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = asyncio.Event()

    async def long() -> str:
        await let_go.wait()
        return "done"

    caplog.set_level(logging.INFO, logger="longshore.worker")
    task = await yard.enqueue(long)
    async with yard.working(publish=True):
        await yard.reaches(task, "running")

        async def is_free() -> bool:
            return (await yard.depth()).in_flight == 0

        await yard.until(is_free)
        during = await yard.row(task)
        let_go.set()
        row = await yard.reaches(task, "succeeded")

    assert during.state is TaskState.RUNNING
    assert during.wake_at is not None
    assert (row.attempts, row.rescues) == (1, 0)
    assert "go on without a message" in caplog.text


async def test_without_a_log_retries_come_down_the_ladder(
    rabbitmq_url: str, tmp_path: Path
) -> None:
    attempts: list[int] = []

    async def fails(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("no such order")

    # One ladder for all runs: its 28 queues would be left behind by each.
    url = f"{rabbitmq_url}?prefix=worker-ladder-&ladder=on"
    async with opened(url, tmp_path) as yard:
        log = LevelledLog(yard.ports.task_log, lambda _: Level.OFF, yard.clock)
        yard.ports = replace(yard.ports, task_log=log)
        failing = yard.task(fails, retry=Retry(attempts=3, backoff=SOON))
        async with yard.working():
            failed = await yard.enqueue(failing)

            async def is_dead() -> bool:
                return (await yard.depth()).dead == 1

            await yard.until(is_dead)
        [letter] = await yard.letters()

    assert attempts == [1, 2, 3]
    assert (letter.key, letter.reason) == (failed, "error")


async def test_lost_connections_lose_no_task_and_run_none_twice(
    rabbitmq_url: str, tmp_path: Path
) -> None:
    runs: Counter[int] = Counter()
    port = int(rabbitmq_url.rpartition(":")[2])

    async def work(number: int) -> None:
        runs[number] += 1
        await asyncio.sleep(0.01)

    with Proxy(port) as proxy:
        url = f"rabbitmq://guest:guest@127.0.0.1:{proxy.port}?prefix=cut-{uuid4().hex[:8]}-"
        async with opened(url, tmp_path) as yard:
            definition = yard.task(work)
            for number in range(300):
                await yard.enqueue(definition, number)
            async with yard.working(publish=True, concurrency=20):
                for enough in (50, 120, 200):
                    await yard.until(lambda least=enough: len(runs) >= least)
                    proxy.cut()
                    seen, since = len(runs), asyncio.get_running_loop().time()
                    await yard.until(lambda least=seen + 20: len(runs) >= least)
                    assert asyncio.get_running_loop().time() - since < 5
                await yard.until(lambda: yard.has_ended(300))

    assert runs == Counter(dict.fromkeys(range(300), 1))
