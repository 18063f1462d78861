"""However many tasks wait for their time, in a queue or in a log, they cost workers nothing."""

from __future__ import annotations

import gc
import sqlite3
import tracemalloc
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.clock import SystemClock
from longshore.draft import Draft, EnqueueOptions
from longshore_adapters.sqlite import statements
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from pathlib import Path

FEW, MANY = 100, 10_000
FAR = EnqueueOptions(delay="30 days")
IN_A_MOMENT = EnqueueOptions(delay="1 second")
NOW = 0
ALLOWED = 2**20

LOOKS = {
    "due rows": (statements.DUE, (NOW, 100)),
    "ready messages": (statements.PROMOTE, ("default", NOW)),
    "the best": (statements.BEST, ("default", 100)),
    "the next": (statements.SOONEST, ("default",)),
    "a look": (statements.LOOK, ("default",)),
    "expired entries": (statements.SWEEP, (NOW,)),
}


async def work(number: int) -> int:
    return number


@pytest.mark.parametrize("look", sorted(LOOKS))
async def test_looking_for_due_tasks_reads_no_more_however_many_wait(
    tmp_path: Path, look: str
) -> None:
    few = await filled(tmp_path / "few.db", FEW)
    many = await filled(tmp_path / "many.db", MANY)

    assert steps(many, look) <= steps(few, look) + FEW


@pytest.mark.once
async def test_a_worker_needs_no_more_memory_however_many_tasks_wait(tmp_path: Path) -> None:
    few, many = await filled(tmp_path / "few.db", FEW), await filled(tmp_path / "many.db", MANY)
    await most_memory(few)  # what is imported and cached by the first run is no task's

    least, most = await most_memory(few), await most_memory(many)

    assert most <= least + ALLOWED


async def filled(path: Path, count: int) -> Path:
    """A file in which so many tasks wait in the queue, and as many in the log alone."""
    log = f"sqlite:///{path}"
    for urls, limits in (((log, log), {}), (("memory://", log), {"max_delay": timedelta(0)})):
        together = not limits
        async with open_yard(together=together, clock=SystemClock(), urls=urls, **limits) as yard:
            definition = yard.task(work)
            drafts = [Draft(definition, {"number": number}, FAR) for number in range(count)]
            await yard.client.enqueue(drafts)
    return path


def steps(path: Path, look: str) -> int:
    """How many instructions of SQLite's machine a look takes: they grow with the rows it reads."""
    statement, values = LOOKS[look]
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(count, 1)
        connection.execute(statement, values).fetchall()
    return counted


async def most_memory(path: Path) -> int:
    """The most that Python held at once while a worker published and ran what became due."""
    log = f"sqlite:///{path}"
    async with open_yard(together=True, clock=SystemClock(), urls=(log, log)) as yard:
        task = await yard.enqueue(work, 1, options=IN_A_MOMENT)
        gc.collect()
        tracemalloc.start()
        try:
            async with yard.working(publish=True):
                await yard.reaches(task, "succeeded")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
