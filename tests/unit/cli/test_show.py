"""`longshore show`: everything there is of a task (L12, E10, D12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


def test_a_succeeded_task_is_shown_with_arguments_result_and_what_it_printed(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.work()

    text = cli.out("show", task_id)

    assert text.startswith(f"add {task_id}\n")
    assert "state     succeeded" in text
    assert 'Arguments\n  {\n    "a": 1\n  }' in text
    assert "Result\n  3" in text
    assert "Attempt 1: succeeded after " in text
    assert "stdout: adding 1 2" in text


def test_a_failed_task_is_shown_with_its_error_traceback_and_log_lines(cli: Cli) -> None:
    task_id = cli.enqueue("boom", "--arg", "text=what a text")
    cli.work()

    text = cli.out("show", task_id)

    assert "attempts  1 of 1" in text
    assert "Error\n  ValueError: what a text\n  Traceback (most recent call last):" in text
    assert "raise ValueError(text)" in text
    assert "info: about to fail" in text


def test_a_report_is_shown_as_a_tree(cli: Cli) -> None:
    task_id = cli.enqueue("report")
    cli.work()

    text = cli.out("show", task_id)

    assert "Report\n  success: two parts size=2\n    info: the first\n" in text


def test_a_running_task_is_shown_with_its_lease_and_worker(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli.claim(task_id)

    text = cli.out("show", task_id)

    assert "worker       elsewhere:1" in text
    assert "lease until" in text


def test_a_scheduled_task_is_shown_with_when_it_is_due(cli: Cli) -> None:
    task = cli.json("show", cli.enqueue("add", "--args", "[1]", "--schedule", "2035-01-01"))

    assert (task["state"], task["due_at"]) == ("scheduled", "2035-01-01T00:00:00Z")


def test_json_holds_the_whole_row_and_every_attempt(cli: Cli) -> None:
    task_id = cli.enqueue("boom")
    cli.work()
    cli("retry", task_id)
    cli.work()

    task = cli.json("show", "--id", task_id)

    assert (task["run"], task["attempts"]) == (1, 1)
    assert [(one["run"], one["number"], one["outcome"]) for one in task["tried"]] == (
        [(0, 1, "failed"), (1, 1, "failed")]
    )
    assert task["tried"][0]["error"]["traceback"].startswith("Traceback")
    assert task["tried"][0]["lines"][0]["text"] == "about to fail"


def test_the_older_spelling_shows_the_same(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")

    assert cli.json("task:info", f"-i={task_id}") == cli.json("show", task_id)


def test_an_unknown_id_is_not_found(cli: Cli) -> None:
    assert "no task nosuch in the log" in cli.err("show", "nosuch", code=ExitCode.NOT_FOUND)


@pytest.mark.parametrize("words", [("show",), ("show", "a", "--id", "b")], ids=["none", "two"])
def test_one_id_is_needed(cli: Cli, words: tuple[str, ...]) -> None:
    assert "id" in cli.err(*words, code=ExitCode.USAGE)


def test_control_characters_of_a_task_do_not_reach_the_terminal(cli: Cli) -> None:
    task_id = cli.enqueue("boom", "--args", '{"text": "\\u001b[2Jgone"}')
    cli.work()

    text = cli.out("show", task_id)

    assert "\x1b" not in text
    assert "\\x1b[2Jgone" in text
