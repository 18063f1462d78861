"""`longshore status`: the admin's way into a state, and no other (L18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode
from longshore.cli.status import verb_for
from longshore.protocol import TRANSITIONS, VERBS, Verb
from longshore.task import TaskState

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("queued", "cancelled", "cancelled"),
        ("queued", "canceled", "cancelled"),
        ("queued", "paused", "paused"),
        ("paused", "queued", "queued"),
        ("paused", "pending", "queued"),
        ("cancelled", "queued", "queued"),
    ],
)
def test_a_state_that_can_be_reached_is(cli: Cli, before: str, wanted: str, after: str) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    if before != "queued":
        cli("status", task_id, before)

    said = cli.json("status", task_id, wanted)

    assert said == {"id": task_id, "state": after, "changed": True}


@pytest.mark.parametrize("spelling", ["{} paused", "--id={} --status=paused", "-i={} -s=paused"])
def test_each_spelling_names_the_task_and_the_state(cli: Cli, spelling: str) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")

    assert cli.out("task:status", *spelling.format(task_id).split()) == f"{task_id} is paused now\n"


def test_a_failed_task_is_queued_again(cli: Cli) -> None:
    task_id = cli.enqueue("boom")
    cli.work()

    cli("status", task_id, "pending")

    assert cli.states() == {task_id: "queued"}


def test_a_state_it_is_in_already_is_no_error(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")

    assert cli.out("status", task_id, "queued") == f"{task_id} is queued already\n"


@pytest.mark.parametrize("wanted", ["failed", "succeeded"])
def test_a_running_task_is_ended_by_force_only(cli: Cli, wanted: str) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id)

    refused = cli.err("status", task_id, wanted, code=ExitCode.FAILED)
    cli("status", task_id, wanted, "--force")

    assert f"with --force it counts as {wanted}" in refused
    assert cli.states() == {task_id: wanted}


def test_a_running_task_is_asked_to_stop(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id)

    assert cli.out("status", task_id, "cancelled").endswith("was asked to stop\n")


def test_what_cannot_be_reached_is_refused_with_what_can(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")

    error = cli.err("status", task_id, "succeeded", "--force", code=ExitCode.FAILED)

    assert error == (
        f"error: task {task_id} cannot be made succeeded: it is queued; from there it can be "
        "made: cancelled, paused\n"
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("x", "lost"), ExitCode.USAGE),
        (("x", "final"), ExitCode.USAGE),
        (("x",), ExitCode.USAGE),
        (("--status", "failed"), ExitCode.USAGE),
        (("x", "failed", "--status", "paused"), ExitCode.USAGE),
        (("x", "failed"), ExitCode.NOT_FOUND),
    ],
)
def test_a_task_and_one_state_are_needed(cli: Cli, words: tuple[str, ...], code: ExitCode) -> None:
    assert cli.err("status", *words, code=code).startswith("error: ")


@pytest.mark.parametrize("target", TaskState)
@pytest.mark.parametrize("state", TaskState)
def test_no_way_leaves_the_state_machine(state: TaskState, target: TaskState) -> None:
    verb = verb_for(state, target)

    if verb is not None:
        assert state in VERBS[verb]
        asked = state is TaskState.RUNNING and verb is Verb.CANCEL
        assert asked or (state, target) in TRANSITIONS
    assert target is not TaskState.RUNNING or verb is None
