"""Changing many tasks: asked about first, and honest where it breaks off."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode
from longshore.cli.exit import DoneInPartError
from longshore.cli.invocation import Invocation
from longshore.cli.output import Output
from longshore.cli.sweeping import Tally, sweep
from longshore.clock import ManualClock
from longshore.conformance.faults import FaultPlan, GatedTaskLog
from longshore.errors import UnavailableError
from longshore.identity import TaskIds
from longshore.operator import Operator
from longshore.ports import Ports
from longshore.protocol import Changed, Record, Verb
from longshore.task import Task, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore_adapters.memory import ADAPTER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from tests.unit.cli.conftest import Cli

IDS = TaskIds()
PAGES = 3
TASKS = 1203


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan()


@pytest.fixture
async def ports(plan: FaultPlan) -> AsyncGenerator[Ports]:
    clock = ManualClock()
    async with ADAPTER.open("memory://", clock) as backend:
        assert backend.queue is not None
        assert backend.task_log is not None
        whole = Ports(queue=backend.queue, task_log=backend.task_log, clock=clock)
        specs = [
            TaskSpec(id=IDS(), name="x", queue="q", body=b"{}", created_at=clock.now())
            for _ in range(TASKS)
        ]
        await whole.task_log.record(
            [Record(spec=spec, state=TaskState.QUEUED, due_at=clock.now()) for spec in specs]
        )
        yield replace(whole, task_log=GatedTaskLog(backend.task_log, plan))


async def cancel_all(ports: Ports, plan: FaultPlan, *, fail_on_page: int | None = None) -> Tally:
    operator, page = Operator(ports), 0

    async def change(tasks: Sequence[Task]) -> Sequence[Changed]:
        nonlocal page
        page += 1
        if page == fail_on_page:
            plan.fail_next("transition")
        return await operator.apply(Verb.CANCEL, [task.id for task in tasks])

    return await sweep(Invocation(output=Output()), ports, TaskQuery(), change)


async def test_every_page_is_changed_and_counted(ports: Ports, plan: FaultPlan) -> None:
    tally = await cancel_all(ports, plan)

    assert (tally.changed, tally.refused, tally.code) == (TASKS, 0, ExitCode.OK)


async def test_a_failure_half_way_says_how_many_were_changed(ports: Ports, plan: FaultPlan) -> None:
    with pytest.raises(DoneInPartError, match=r"1000 tasks were changed before this: .*again"):
        await cancel_all(ports, plan, fail_on_page=PAGES)

    assert (await ports.task_log.count(TaskQuery(states=frozenset({TaskState.CANCELLED})))).value
    tally = await cancel_all(ports, plan)
    assert (tally.changed, tally.refused) == (TASKS - 1000, 1000)


async def test_a_failure_at_once_is_the_backends_own(ports: Ports, plan: FaultPlan) -> None:
    with pytest.raises(UnavailableError):
        await cancel_all(ports, plan, fail_on_page=1)


@pytest.mark.parametrize(
    ("changed", "refused", "code"),
    [
        (0, 0, ExitCode.OK),
        (3, 0, ExitCode.OK),
        (3, 1, ExitCode.PARTIAL),
        (0, 1, ExitCode.FAILED),
    ],
)
def test_the_exit_code_tells_all_from_some_from_none(
    changed: int, refused: int, code: ExitCode
) -> None:
    assert Tally(changed=changed, refused=refused).code is code


# ---- asking


def asked(answer: str, *words: str) -> tuple[int, str]:
    """Run the command line on a terminal where somebody answers."""
    ours, theirs = pty.openpty()
    ran = subprocess.Popen(
        [sys.executable, "-m", "longshore", *words],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    assert ran.stdout is not None
    said = ran.stdout.read().decode()
    ran.stdout.close()
    code = ran.wait()
    os.close(ours)
    return code, said


@pytest.mark.parametrize(
    ("answer", "code", "state"),
    [("y", ExitCode.OK, "cancelled"), ("n", ExitCode.FAILED, "queued")],
    ids=["yes", "no"],
)
def test_on_a_terminal_somebody_is_asked(cli: Cli, answer: str, code: ExitCode, state: str) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")

    assert asked(answer, "cancel", "--queue", "default")[0] == code
    assert cli.states() == {task_id: state}


def test_on_a_terminal_deinit_asks_as_well(cli: Cli) -> None:
    cli("init")

    assert asked("n", "deinit")[0] == ExitCode.FAILED
    assert (cli.folder / "tasks.db").exists()
