"""`longshore schedule --once`, and the settings that schedulers go by."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.cli.exit import ExitCode
from longshore.settings import Settings
from longshore.task import TaskState
from longshore.wiring import scheduler_options, worker_options

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli

NOTHING = {
    "published": 0,
    "expired": 0,
    "postponed": 0,
    "armed": 0,
    "undeliverable": 0,
    "bodiless": 0,
    "pruned": 0,
}


def test_once_on_an_empty_log_has_nothing_to_do(cli: Cli) -> None:
    assert cli.json("schedule", "--once") == NOTHING


def test_once_removes_what_was_kept_long_enough_and_says_so(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.enqueue("add", "--arg", "a=1")
    cli.enqueue("boom")
    cli.work()
    monkeypatch.setenv("LONGSHORE_KEEP_SUCCEEDED", "1ms")

    said = cli.out("schedule", "--once")

    assert "1 removed" in said
    assert list(cli.states().values()) == ["failed"]


@pytest.mark.parametrize("word", ["none", "0"])
def test_none_and_0_keep_for_ever(cli: Cli, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.enqueue("add", "--arg", "a=1")
    cli.work()
    monkeypatch.setenv("LONGSHORE_KEEP_SUCCEEDED", word)

    assert cli.json("schedule", "--once")["pruned"] == 0


def test_once_finds_lost_messages_that_an_earlier_run_had_seen_missing(cli: Cli) -> None:
    """The store remembers between them; here nobody waits the two minutes."""
    task = cli.enqueue("add", "--arg", "a=1")
    cli.json("schedule", "--once")

    assert cli.json("schedule", "--once")["armed"] == 0
    assert cli.states() == {task: "queued"}


def test_what_cannot_be_opened_is_unavailable_as_everywhere(cli: Cli) -> None:
    url = f"sqlite:///{cli.folder}/no/such/folder/tasks.db"

    cli("schedule", "--once", "--url", url, code=ExitCode.UNAVAILABLE)


def test_settings_become_options_of_every_scheduler() -> None:
    settings = Settings.load(
        keep_succeeded="1h", keep_failed=None, keep_expired=0, audit_every="5m", max_rescues=7
    )

    options = scheduler_options(settings)

    assert worker_options(settings).scheduling == options
    assert options.keep == {
        TaskState.SUCCEEDED: timedelta(hours=1),
        TaskState.CANCELLED: timedelta(days=7),
    }
    assert options.audit_every == timedelta(minutes=5)
    assert options.message_retention == timedelta(days=28)
    assert options.max_rescues == 7
