"""`longshore tail`: what changed, each once, on any log (L25)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode
from longshore.cli.tail import Following
from longshore.clock import ManualClock
from longshore.identity import TaskIds
from longshore.operator import Operator
from longshore.ports import Ports
from longshore.protocol import Claim, End, Outcome, Record, Verb
from longshore.task import TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore_adapters.memory import ADAPTER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from longshore.identity import TaskId
    from tests.unit.cli.conftest import Cli

IDS = TaskIds()


@pytest.fixture
async def ports() -> AsyncGenerator[Ports]:
    clock = ManualClock()
    async with ADAPTER.open("memory://", clock) as backend:
        assert backend.queue is not None
        assert backend.task_log is not None
        yield Ports(queue=backend.queue, task_log=backend.task_log, clock=clock)


async def add(ports: Ports, name: str = "task") -> TaskSpec:
    spec = TaskSpec(id=IDS(), name=name, queue="q", body=b"{}", created_at=ports.clock.now())
    record = Record(spec=spec, state=TaskState.QUEUED, due_at=spec.created_at)
    await ports.task_log.record([record])
    return spec


async def start(ports: Ports, spec: TaskSpec) -> int:
    claim = Claim(
        spec=spec,
        claim_id=IDS(),
        worker="w",
        lease=timedelta(minutes=1),
        due_at=spec.created_at,
    )
    (answer,) = await ports.task_log.claim([claim])
    return answer.token


async def seen(following: Following) -> list[tuple[TaskId, str]]:
    return [(task.id, task.state.value) for task in await following.look()]


async def test_what_was_there_before_is_not_said(ports: Ports) -> None:
    await add(ports)
    following = Following(ports.task_log, TaskQuery())

    begun = await following.begin(None)

    assert begun == []
    assert await seen(following) == []


async def test_each_change_is_said_once(ports: Ports) -> None:
    following = Following(ports.task_log, TaskQuery())
    await following.begin(None)
    found: list[str] = []

    spec = await add(ports)
    found += [state for _, state in await seen(following)]
    token = await start(ports, spec)
    found += [state for _, state in await seen(following)]
    await ports.task_log.finish([Outcome(task_id=spec.id, token=token, end=End.SUCCESS)])
    found += [state for _, state in await seen(following)]

    assert found == ["queued", "running", "succeeded"]
    assert await seen(following) == []


async def test_old_tasks_are_followed_as_well(ports: Ports) -> None:
    old = await add(ports)
    following = Following(ports.task_log, TaskQuery())
    await following.begin(None)

    await Operator(ports).one(Verb.PAUSE, old.id)

    assert await seen(following) == [(old.id, "paused")]


async def test_a_task_that_ends_between_two_looks_is_said(ports: Ports) -> None:
    following = Following(ports.task_log, TaskQuery())
    await following.begin(None)

    spec = await add(ports)
    token = await start(ports, spec)
    await ports.task_log.finish([Outcome(task_id=spec.id, token=token, end=End.SUCCESS)])

    assert await seen(following) == [(spec.id, "succeeded")]


async def test_a_filter_keeps_other_tasks_out(ports: Ports) -> None:
    following = Following(ports.task_log, TaskQuery(names=("wanted",)))
    await following.begin(None)

    await add(ports, "other")
    wanted = await add(ports, "wanted")

    assert await seen(following) == [(wanted.id, "queued")]


async def test_the_start_is_what_was_written_since(ports: Ports) -> None:
    await add(ports)
    later = datetime.now(UTC) + timedelta(days=3650)
    following = Following(ports.task_log, TaskQuery())

    assert await following.begin(later) == []
    assert len(await Following(ports.task_log, TaskQuery()).begin(datetime(1, 1, 1, tzinfo=UTC)))


# ---- the command


@pytest.fixture
def filled(cli: Cli) -> Cli:
    cli.batch({"task": "add", "args": [1]}, {"task": "boom"}, {"task": "add", "args": [2]})
    cli.work()
    return cli


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 3),
        (("--since", "1h"), 3),
        (("--since", "2035-01-01"), 0),
        (("--grep", "valueERROR"), 1),
        (("--exclude", "boom"), 2),
        (("--queue", "mail"), 1),
        (("--task", "add"), 2),
        (("-s=failed",), 1),
        (("--grep", "add", "--exclude", "add"), 0),
    ],
)
@pytest.mark.parametrize("command", ["tail", "task:listen"])
def test_once_says_what_there_is_and_ends(
    filled: Cli, command: str, words: tuple[str, ...], count: int
) -> None:
    assert len(filled.out(command, "--once", *words).splitlines()) == count


def test_a_line_says_when_what_which_and_why(filled: Cli) -> None:
    (line,) = filled.out("tail", "--once", "--queue", "mail").splitlines()

    assert " failed    boom " in line
    assert line.endswith(" mail, attempt 1/1, ValueError: no")


def test_json_is_an_object_a_line(filled: Cli) -> None:
    lines = filled.out("tail", "--once", "--json").splitlines()

    assert len(lines) == 3
    assert all(line.startswith('{"id":') for line in lines)


def test_a_time_that_cannot_be_read_is_a_usage_error(cli: Cli) -> None:
    assert "cannot be read" in cli.err("tail", "--since", "a while", code=ExitCode.USAGE)
