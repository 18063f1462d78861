"""`longshore stats` and `queue:test` (E01, E09, T17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


def test_tasks_are_counted_by_queue_and_state_beside_what_waits(cli: Cli) -> None:
    cli.batch({"task": "add", "args": [1]}, {"task": "boom"})
    cli.work()
    cli.batch({"task": "add", "args": [1]}, {"task": "add", "args": [1], "delay": "1h"})

    queues = {one["queue"]: one for one in cli.json("stats")["queues"]}

    assert queues["default"]["by_state"] == {"queued": 1, "scheduled": 1, "succeeded": 1}
    assert queues["default"]["total"] == 3
    assert queues["default"]["depth"]["ready"] == 1
    assert queues["default"]["depth"]["delayed"] == 1
    assert queues["default"]["oldest_open_age"] >= 0
    assert queues["default"]["mean_duration"] > 0
    assert queues["mail"]["by_state"] == {"failed": 1}
    assert queues["mail"]["depth"]["dead"] == 1


def test_the_table_has_a_row_for_each_state(cli: Cli) -> None:
    cli.batch({"task": "add", "args": [1]}, {"task": "add", "args": [1], "delay": "1h"})

    head, queued, scheduled = cli.out("stats").splitlines()

    assert head.startswith("Queue    State      Tasks  Oldest open")
    assert queued.split()[:3] == ["default", "queued", "1"]
    assert "1 ready, 1 delayed" in queued
    assert scheduled.split() == ["default", "scheduled", "1"]


def test_queues_that_are_named_or_configured_are_shown_when_empty(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUES", '{"reports": {}}')

    assert [one["queue"] for one in cli.json("stats")["queues"]] == ["default", "reports"]
    assert [one["queue"] for one in cli.json("stats", "--queue", "x,y")["queues"]] == ["x", "y"]


@pytest.mark.parametrize(
    "words",
    [("--jobs=3",), ("-j", "3"), ("--jobs", "3", "--queue=slow", "--priority=10"), ("-j3", "-p15")],
    ids=" ".join,
)
def test_sample_tasks_are_enqueued_and_run_by_any_worker(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli.json("queue:test", *words)

    assert set(said["ids"]) == set(cli.states())
    cli("work", "--once", "default", "slow")
    assert set(cli.states().values()) == {"succeeded"}


def test_sample_tasks_honour_queue_priority_and_delay(cli: Cli) -> None:
    # E01: the original takes a delay and forgets it.
    cli("queue:test", "--jobs=1", "--queue=high-priority", "--priority=10", "--delay=30")

    (task,) = cli.json("list")["tasks"]

    assert (task["queue"], task["priority"], task["state"]) == ("high-priority", 10, "scheduled")


def test_no_sample_tasks_prints_statistics_only(cli: Cli) -> None:
    cli.enqueue("add", "--args", "[1]")

    said = cli.json("queue:test", "--jobs=0")

    assert said["queues"][0]["by_state"] == {"queued": 1}
    assert len(cli.states()) == 1


def test_a_task_of_that_name_is_the_applications_own(cli: Cli) -> None:
    module = cli.module_of(
        "from longshore import Longshore\n"
        "app = Longshore()\n"
        "@app.task(name='longshore.sample')\n"
        "def mine() -> None: ...\n"
    )

    error = cli.err("queue:test", "--app", f"{module}:app", code=ExitCode.USAGE)

    assert "has a task of its own named longshore.sample" in error
