"""The ends a handler may ask for, raised or returned, on the loop, a thread and in a process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Retry
from longshore.draft import EnqueueOptions
from longshore.task import TaskState
from tests.unit.worker import asking
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from longshore.identity import TaskId
    from longshore.task import Task
    from tests.unit.yard import Yard

pytestmark = pytest.mark.timeout(120)  # a spawned Python imports everything anew

HOOKS: dict[str, Any] = {"on_success": asking.succeeded, "on_failure": asking.failed}
SHAPES: dict[str, tuple[Callable[..., object], dict[str, Any]]] = {
    "async": (asking.aasks, HOOKS),
    "thread": (asking.asks, HOOKS),
    "process": (asking.asks, {**HOOKS, "executor": "process"}),
    "class": (asking.Asks, {}),
    "async-class": (asking.AsksOnLoop, {}),
    "class-process": (asking.Asks, {"executor": "process"}),
}


@dataclass
class Asked:
    """One task for each way of asking, of a handler that runs in one way."""

    yard: Yard
    folder: Path
    shape: str

    async def tasks(self, kind: str, until: str = "") -> list[TaskId]:
        function, options = SHAPES[self.shape]
        definition = self.yard.task(function, retry=Retry(attempts=2, backoff=0), **options)
        return [
            await self.yard.enqueue(
                definition,
                *(str(self.folder / how), kind, until, how),
                options=EnqueueOptions(owner=str(self.folder / how)),
            )
            for how in ("raised", "returned")
        ]

    async def rows(self, tasks: list[TaskId]) -> list[Task]:
        return [await self.yard.row(task) for task in tasks]

    async def outcomes(self, tasks: list[TaskId]) -> list[list[str]]:
        return [await self.yard.outcomes(task) for task in tasks]

    def told(self) -> list[list[str]]:
        """What ran, and which hooks were called: where it is raised, and where it is returned."""
        files = (self.folder / how for how in ("raised", "returned"))
        return [file.read_text("utf-8").splitlines() for file in files]


STORES = [
    (shape, together)
    for shape in SHAPES
    for together in ("together", "apart")
    if together == "apart" or "process" not in shape  # each starts a Python
]


@pytest.fixture(params=STORES, ids="-".join)
async def asked(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Asked]:
    shape, together = request.param
    async with open_yard(together=together == "together") as yard:
        yield Asked(yard, tmp_path, shape)


async def test_retry_later_uses_an_attempt_and_comes_back_when_asked(asked: Asked) -> None:
    tasks = await asked.tasks("retry")
    due = asked.yard.clock.now() + timedelta(minutes=5)

    await asked.yard.drain()
    waiting = await asked.rows(tasks)
    await asked.yard.passes(300, step=300)
    await asked.yard.drain()

    assert [(row.state, row.attempts, row.due_at) for row in waiting] == [
        (TaskState.RETRYING, 1, due)
    ] * 2
    assert await asked.outcomes(tasks) == [["retrying", "succeeded"]] * 2
    assert asked.told() == [["ran 1", "ran 2", "success done"]] * 2


@pytest.mark.parametrize("kind", ["snooze", "until"])
async def test_a_snooze_gives_its_attempt_back_and_comes_back_then(asked: Asked, kind: str) -> None:
    due = asked.yard.clock.now() + timedelta(hours=1)
    tasks = await asked.tasks(kind, due.isoformat())

    await asked.yard.drain()
    waiting = await asked.rows(tasks)
    await asked.yard.passes(3600, step=3600)
    await asked.yard.drain()

    assert [(row.state, row.attempts) for row in waiting] == [(TaskState.SCHEDULED, 0)] * 2
    assert [row.due_at for row in waiting] == [due] * 2
    assert await asked.outcomes(tasks) == [["given_back", "succeeded"]] * 2
    assert asked.told() == [["ran 1", "ran 1", "success done"]] * 2


async def test_a_rejection_fails_at_once_and_its_dead_letter_says_why(asked: Asked) -> None:
    tasks = await asked.tasks("reject")

    await asked.yard.drain()

    rows = await asked.rows(tasks)
    letters = await asked.yard.letters()
    assert [(row.state, row.reason, row.attempts) for row in rows] == [
        (TaskState.FAILED, "permanent", 1)
    ] * 2
    assert [letter.reason for letter in letters] == ["permanent"] * 2
    assert all("rejected: not ours" in letter.detail for letter in letters)
    assert asked.told() == [["ran 1", "failure Reject"]] * 2


async def test_a_cancellation_ends_the_task_and_is_told_nobody(asked: Asked) -> None:
    tasks = await asked.tasks("cancel")

    await asked.yard.drain()

    rows = await asked.rows(tasks)
    assert [(row.state, row.reason, row.error) for row in rows] == [
        (TaskState.CANCELLED, "no longer wanted", None)
    ] * 2
    assert await asked.yard.letters() == []
    assert (await asked.yard.depth()).ready == 0
    assert asked.told() == [["ran 1"]] * 2
