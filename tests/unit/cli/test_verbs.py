"""retry, cancel, pause, resume, delete: by id and by filter (L13, L15-L17, P16, E11, T18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli

ADD = {"task": "add", "args": [1]}
BOOM = {"task": "boom"}


def test_a_failed_task_is_retried_as_a_new_run_and_keeps_its_history(cli: Cli) -> None:
    task_id = cli.enqueue("boom")
    cli.work()

    said = cli.out("retry", task_id)

    task = cli.json("show", task_id)
    assert said == f"{task_id} retried; it is queued\n"
    assert (task["state"], task["attempts"], task["run"], len(task["tried"])) == ("queued", 0, 1, 1)


@pytest.mark.parametrize("spelling", ["{}", "--id={}", "--id {}", "-i={}"])
@pytest.mark.parametrize("command", ["retry", "task:retry", "jobs:retry"])
def test_a_task_is_named_in_each_spelling(cli: Cli, command: str, spelling: str) -> None:
    task_id = cli.enqueue("boom")
    cli.work()

    said = cli.json(command, *spelling.format(task_id).split())

    assert said == {
        "verb": "retry",
        "changed": 1,
        "refused": 0,
        "tasks": [{"id": task_id, "state": "queued", "changed": True}],
    }


def test_waiting_tasks_are_paused_resumed_and_cancelled(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")

    found: list[str] = []
    for verb in ("task:pause", "task:resume", "cancel"):
        cli(verb, "--id", task_id)
        found.append(cli.states()[task_id])

    assert found == ["paused", "queued", "cancelled"]


def test_a_resumed_task_runs(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli("pause", task_id)
    cli.work()
    cli("resume", task_id)
    cli.work()

    assert cli.states() == {task_id: "succeeded"}


def test_a_running_task_is_asked_to_stop(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id)

    assert cli.out("cancel", task_id) == f"{task_id} is running and was asked to stop\n"


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("retry", "cannot retry task {}: it is succeeded; retry needs"),
        ("cancel", "cannot cancel task {}: it is succeeded"),
        ("pause", "cannot pause task {}: it is succeeded"),
        ("resume", "cannot resume task {}: it is succeeded; resume needs paused"),
    ],
)
def test_a_state_that_refuses_the_verb_is_said_with_what_it_needs(
    cli: Cli, verb: str, said: str
) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.work()

    assert said.format(task_id) in cli.err(verb, task_id, code=ExitCode.FAILED)


@pytest.mark.parametrize("verb", ["retry", "cancel", "pause", "resume", "delete"])
def test_an_unknown_id_is_not_found(cli: Cli, verb: str) -> None:
    assert "no task nosuch" in cli.err(verb, "nosuch", code=ExitCode.NOT_FOUND)
    assert "no task nosuch, nor" in cli.err(verb, "nosuch", "nor", code=ExitCode.NOT_FOUND)


def test_of_several_ids_each_is_answered(cli: Cli) -> None:
    done, failed = cli.batch(ADD, BOOM)
    cli.work()

    result = cli("retry", done, failed, "nosuch", code=ExitCode.PARTIAL)

    assert result.stdout == "1 tasks retried, 2 refused\n"
    assert result.stderr.splitlines() == [
        f"{done} was refused: it is succeeded",
        "nosuch was refused: it is not in the log",
    ]


def test_where_every_id_is_refused_it_failed(cli: Cli) -> None:
    ids = cli.batch(ADD, ADD)
    cli.work()

    said = cli.json("retry", *ids, code=ExitCode.FAILED)

    assert (said["changed"], said["refused"]) == (0, 2)


# ---- by filter


def test_a_filter_retries_failed_tasks_only(cli: Cli) -> None:
    done, failed, cancelled = cli.batch(ADD, BOOM, ADD)
    cli("cancel", cancelled)
    cli.work()

    said = cli.json("retry", "--since", "1h", "--yes")

    assert said == {"verb": "retry", "changed": 1, "refused": 0}
    assert cli.states() == {done: "succeeded", failed: "queued", cancelled: "cancelled"}


def test_a_named_state_widens_what_is_retried(cli: Cli) -> None:
    (cancelled,) = cli.batch(ADD)
    cli("cancel", cancelled)

    cli("retry", "--state", "cancelled", "--yes")

    assert cli.states() == {cancelled: "queued"}


def test_a_sweep_of_many_pages_reaches_every_task(cli: Cli) -> None:
    cli.batch(*[ADD] * 1203)

    said = cli.out("pause", "--all", "--yes")

    assert said == "1203 tasks paused\n"
    assert set(cli.states().values()) == {"paused"}


def test_a_sweep_that_finds_nothing_succeeds(cli: Cli) -> None:
    assert cli.out("retry", "--queue", "nosuch", "--yes") == "0 tasks retried\n"


def test_a_sweep_changes_nothing_without_consent(cli: Cli) -> None:
    (task_id,) = cli.batch(ADD)

    error = cli.err("cancel", "--queue", "default", code=ExitCode.USAGE)

    assert "confirm it with --yes" in error
    assert cli.states() == {task_id: "queued"}


@pytest.mark.parametrize("verb", ["retry", "cancel", "pause", "resume", "delete"])
def test_no_id_and_no_filter_is_refused(cli: Cli, verb: str) -> None:
    assert "--all for every task" in cli.err(verb, "--yes", code=ExitCode.USAGE)


def test_ids_and_a_filter_together_are_refused(cli: Cli) -> None:
    error = cli.err("cancel", "x", "--queue", "mail", code=ExitCode.USAGE)

    assert "give ids, or a filter" in error


# ---- before the log knows


UNSEEN = "0198f3aa-0000-7000-8000-000000000000"


@pytest.mark.parametrize(("verb", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_a_task_whose_message_is_on_its_way_is_stopped_by_all_that_names_it(
    cli: Cli, verb: str, state: str
) -> None:
    said = cli.out(verb, UNSEEN, "--queue", "mail", "--task", "boom")

    task = cli.json("show", UNSEEN)
    assert said == f"{UNSEEN} {state}; it is {state}\n"
    assert (task["state"], task["queue"], task["task"]) == (state, "mail", "boom")


@pytest.mark.parametrize("words", [(), ("--id", UNSEEN)])
@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_an_id_alone_does_not_say_what_is_on_its_way(
    cli: Cli, verb: str, words: tuple[str, ...]
) -> None:
    error = cli.err(verb, *(words or (UNSEEN,)), code=ExitCode.NOT_FOUND)

    assert f"longshore {verb} {UNSEEN} --queue QUEUE --task NAME" in error
    assert cli.states() == {}


def test_several_tasks_are_cancelled_ahead(cli: Cli) -> None:
    other = cli.enqueue("boom")

    said = cli.out("cancel", UNSEEN, other, "--queue", "mail", "--task", "boom")

    assert said == "2 tasks cancelled\n"
    assert set(cli.states().values()) == {"cancelled"}


def test_a_task_that_is_another_than_was_told_is_left_alone(cli: Cli) -> None:
    task_id = cli.enqueue("boom")

    error = cli.err("cancel", task_id, "--queue", "q", "--task", "boom", code=ExitCode.USAGE)

    assert f"task {task_id} is boom in queue mail; leave out both" in error
    assert cli.states() == {task_id: "queued"}


@pytest.mark.parametrize(
    "words",
    [
        ("retry", UNSEEN, "--queue", "q", "--task", "t"),
        ("cancel", UNSEEN, "--queue", "q", "--task", "t", "--tag", "x"),
        ("cancel", UNSEEN, "--queue", "q,r", "--task", "t"),
        ("cancel", UNSEEN, "--task", "t"),
    ],
)
def test_anything_else_beside_ids_is_still_a_filter(cli: Cli, words: tuple[str, ...]) -> None:
    assert "give ids, or a filter" in cli.err(*words, code=ExitCode.USAGE)


# ---- deleting


def test_a_deleted_task_is_hidden_and_one_that_waits_never_runs(cli: Cli) -> None:
    waiting, ended = cli.batch(ADD, BOOM)
    cli("work", "--once", "mail", "--app", cli.app)

    cli("delete", waiting)
    cli("task:delete", f"--id={ended}")
    cli.work()

    assert cli.states() == {}
    hidden = {task["id"]: task["state"] for task in cli.json("list", "--deleted")["tasks"]}
    assert hidden == {waiting: "cancelled", ended: "failed"}


def test_a_running_task_is_deleted_by_force_only(cli: Cli) -> None:
    # L13: running tasks need --force.
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id)

    assert "it is running" in cli.err("delete", task_id, code=ExitCode.FAILED)
    cli("delete", task_id, "--force")

    assert cli.states() == {}
    assert cli.json("show", task_id)["reason"] == "forced"


def test_a_filter_deletes_ended_tasks_only(cli: Cli) -> None:
    ended, waiting = cli.batch(BOOM, ADD)
    cli("work", "--once", "mail", "--app", cli.app)

    cli("delete", "--all", "--yes")

    assert cli.states() == {waiting: "queued"}
    assert cli.json("show", ended)["deleted_at"] is not None


def test_by_force_a_filter_deletes_running_tasks_too(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id)

    said = cli.json("delete", "--all", "--yes", "--force")

    assert said["changed"] == 1
    assert cli.states() == {}
