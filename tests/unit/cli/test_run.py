"""`longshore run`: one task here, by name or id, through the worker's code (L22, D14, T10)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


# ---- by name


@pytest.mark.parametrize(
    "words",
    [("add", "--args", "[1, 4]"), ("add", "--arg", "a=1", "--arg", "b=4"), ("-t=add", "-a=[1, 4]")],
)
def test_a_task_runs_here_and_its_result_is_printed(cli: Cli, words: tuple[str, ...]) -> None:
    printed = cli.out("run", *words, "--app", cli.app)

    assert printed.splitlines() == ["adding 1 4", "5"]
    assert cli.states() == {}


def test_its_report_is_printed_as_a_tree(cli: Cli) -> None:
    assert cli.out("run", "report", "--app", cli.app) == (
        "  success: two parts size=2\n    info: the first\n"
    )


def test_a_failure_is_the_exit_code_and_shows_where_it_happened(cli: Cli) -> None:
    error = cli.err("run", "boom", "--arg", "text=hm", "--app", cli.app, code=ExitCode.FAILED)

    assert "[FAILED] boom" in error
    assert "raise ValueError(text)" in error
    assert error.splitlines()[-1].endswith(" is failed")


def test_json_holds_the_task_and_what_was_tried(cli: Cli) -> None:
    result = cli("run", "boom", "--app", cli.app, "--json", code=ExitCode.FAILED)

    task = json.loads(result.stdout)
    assert (task["state"], task["error"]["type"]) == ("failed", "ValueError")
    assert task["tried"][0]["lines"][0]["text"] == "about to fail"


def test_it_is_tried_once_whatever_its_policy_says(cli: Cli) -> None:
    module = cli.module_of(
        "from longshore import Longshore\n"
        "app = Longshore()\n"
        "@app.task(retry=5, delay='1h', delete_on_complete=True)\n"
        "def fail() -> None:\n"
        "    raise OSError('no')\n"
    )

    task = json.loads(cli("run", "fail", "--app", f"{module}:app", "--json", code=1).stdout)

    assert (task["attempts"], task["max_attempts"]) == (1, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch",), "no task is registered as 'nosuch'"),
        (("add",), "a: Missing required argument"),
        ((), "give the name of a task"),
        (("add", "--id", "x"), "give the name of a task"),
        (("--id", "x", "--args", "[]"), "--args goes with a name"),
    ],
)
def test_bad_input_is_refused(cli: Cli, words: tuple[str, ...], said: str) -> None:
    assert said in cli.err("run", *words, "--app", cli.app, code=ExitCode.USAGE)


# ---- by id


@pytest.mark.parametrize("command", ["run", "work", "task:run"])
def test_a_waiting_task_is_claimed_and_run(cli: Cli, command: str) -> None:
    wanted, other = cli.batch({"task": "add", "args": [40]}, {"task": "add", "args": [1]})

    printed = cli.out(command, f"--id={wanted}", "--app", cli.app)

    assert printed.splitlines()[-1] == "42"
    assert cli.states() == {wanted: "succeeded", other: "queued"}


def test_its_message_is_acknowledged_by_the_next_worker_and_not_run_again(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli("run", "--id", task_id, "--app", cli.app)

    cli.work()

    task = cli.json("show", task_id)
    assert (task["state"], len(task["tried"])) == ("succeeded", 1)
    assert cli.json("stats")["queues"][0]["depth"]["ready"] == 0


def test_a_failed_try_is_repeated_by_the_next_worker(cli: Cli) -> None:
    task_id = cli.enqueue("boom", "--attempts", "2")
    error = cli.err("run", "--id", task_id, "--app", cli.app, code=ExitCode.FAILED)
    before = cli.json("show", task_id)

    assert error.splitlines()[-1].endswith(" is retrying")
    assert (before["attempts"], before["state"]) == (1, "retrying")
    assert before["wake_at"] is not None


@pytest.mark.parametrize(
    ("verbs", "said"),
    [
        (("cancel",), "it is cancelled; see: longshore resume, longshore retry"),
        (("pause",), "it is paused; see"),
    ],
)
def test_a_task_that_does_not_wait_is_left_alone(
    cli: Cli, verbs: tuple[str, ...], said: str
) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    for verb in verbs:
        cli(verb, task_id)
    before = cli.json("show", task_id)

    error = cli.err("run", "--id", task_id, "--app", cli.app, code=ExitCode.FAILED)

    assert f"task {task_id} was not run: {said}" in error
    assert cli.json("show", task_id) == before


def test_a_task_that_is_due_later_is_left_alone(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]", "--delay", "1h")
    before = cli.json("show", task_id)

    error = cli.err("run", "--id", task_id, "--app", cli.app, code=ExitCode.FAILED)

    assert "it is scheduled for " in error
    assert cli.json("show", task_id) == before


def test_a_task_that_runs_elsewhere_is_left_alone(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id)

    error = cli.err("run", "--id", task_id, "--app", cli.app, code=ExitCode.FAILED)

    assert "elsewhere:1 is running it" in error


def test_a_task_whose_worker_was_lost_is_taken_over(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id, lease=-60)

    cli("run", "--id", task_id, "--app", cli.app)

    assert [one["outcome"] for one in cli.json("show", task_id)["tried"]] == ["lost", "succeeded"]


def test_an_unknown_id_is_not_found(cli: Cli) -> None:
    assert "no task x" in cli.err("run", "--id", "x", "--app", cli.app, code=ExitCode.NOT_FOUND)
