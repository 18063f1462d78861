"""`longshore purge`: ended tasks by state, group and age; whole queues (L14, E33)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli

ADD = {"task": "add", "args": [1]}
BOOM = {"task": "boom"}
LATER = {"task": "add", "args": [1], "delay": "1h"}


@pytest.fixture
def filled(cli: Cli) -> Cli:
    cli.batch(ADD, BOOM, LATER)
    cli.work()
    return cli


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ((), ["scheduled"]),
        (("--state", "succeeded"), ["failed", "scheduled"]),
        (("--status=completed",), ["failed", "scheduled"]),
        (("--state", "failed,expired"), ["scheduled", "succeeded"]),
        (("--state", "scheduled"), ["failed", "succeeded"]),
        (("--status", "all"), []),
        (("--queue", "mail"), ["scheduled", "succeeded"]),
        (("--older-than", "1h"), ["failed", "scheduled", "succeeded"]),
        (("--older-than", "0"), ["scheduled"]),
    ],
)
def test_what_the_filter_names_is_cleared(
    filled: Cli, words: tuple[str, ...], left: list[str]
) -> None:
    filled("purge", *words, "--yes")

    assert sorted(filled.states().values()) == left


def test_what_was_cleared_is_counted(filled: Cli) -> None:
    assert filled.out("task:purge", "--yes") == "2 tasks cleared\n"
    assert filled.json("purge", "--yes") == {"verb": "purge", "changed": 0, "refused": 0}


def test_nothing_is_cleared_without_consent(filled: Cli) -> None:
    assert "--yes" in filled.err("purge", "--state", "all", code=ExitCode.USAGE)
    assert len(filled.states()) == 3


def test_running_tasks_cannot_be_purged(filled: Cli) -> None:
    error = filled.err("purge", "--state", "running", "--yes", code=ExitCode.USAGE)

    assert "longshore delete --force" in error


def test_an_emptied_queue_has_no_waiting_tasks_and_no_messages(cli: Cli) -> None:
    cli.batch(ADD, LATER, BOOM)

    said = cli.out("purge", "--queue", "default", "--waiting", "--yes")

    (default,) = cli.json("stats", "--queue", "default")["queues"]
    assert said == "2 tasks cancelled\n"
    assert default["by_state"] == {"cancelled": 2}
    assert (default["depth"]["ready"], default["depth"]["delayed"]) == (0, 0)
    assert cli.json("stats", "--queue", "mail")["queues"][0]["by_state"] == {"queued": 1}


@pytest.mark.parametrize(
    "words", [(), ("--queue", "a", "--tag", "x"), ("--queue", "a", "--older-than", "1h")]
)
def test_emptying_takes_whole_queues_by_name(cli: Cli, words: tuple[str, ...]) -> None:
    error = cli.err("purge", "--waiting", "--yes", *words, code=ExitCode.USAGE)

    assert "give --queue NAME, and no other filter" in error
