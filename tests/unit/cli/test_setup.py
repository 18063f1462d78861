"""`longshore init`, `deinit` and `settings` (L01, L02, T08)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode
from longshore.scheduler.sightings import Sightings

if TYPE_CHECKING:
    from longshore.ports import Ports
    from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize("command", ["init", "task:init"])
def test_init_makes_what_is_needed_and_repeating_it_does_no_harm(cli: Cli, command: str) -> None:
    first = cli.json(command, "--queue", "emails")["done"]
    task_id = cli.enqueue("add", "--args", "[1]")
    second = cli.json(command, "--queue", "emails")["done"]

    assert any("created" in line for line in first)
    assert "queue emails: created" in first
    assert "queue emails: already there" in second
    assert cli.states() == {task_id: "queued"}


def test_init_has_lost_messages_looked_for_soon(cli: Cli) -> None:
    """On a log where a look is rare, because each reads it whole."""

    async def look(ports: Ports) -> None:
        await Sightings(ports.store).look(ports.clock.now())

    async def looked(ports: Ports) -> bool:
        return await Sightings(ports.store).looked() is not None

    cli.ported(look)
    before = cli.ported(looked)

    cli("init")

    assert (before, cli.ported(looked)) == (True, False)


def test_deinit_removes_everything_with_consent_only(cli: Cli) -> None:
    cli.enqueue("add", "--args", "[1]")

    refused = cli.err("deinit", code=ExitCode.USAGE)
    kept = (cli.folder / "tasks.db").exists()
    cli("task:deinit", "--yes")

    assert "confirm it with --yes" in refused
    assert kept
    assert not (cli.folder / "tasks.db").exists()


def test_queues_on_a_server_of_their_own_are_made_behind_the_log(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", cli.plugin())

    first = cli.json("init", "--queue", "emails")["done"]
    again = cli.json("init", "--queue", "emails")["done"]

    assert ["tasks.db" in first[0], "broker.db" in first[1]] == [True, True]
    assert first[2:] == ["queue default: created", "queue emails: created"]
    assert again[2:] == ["queue default: already there", "queue emails: already there"]


def test_queues_on_a_server_of_their_own_are_removed_before_the_log(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", cli.plugin())
    cli("init")

    done = cli.json("deinit", "--queue", "emails", "--yes")["done"]
    again = cli.json("deinit", "--yes", "--force")["done"]

    assert done[:2] == ["queue default: removed", "queue emails: removed"]
    assert ["broker.db" in done[2], "tasks.db" in done[3]] == [True, True]
    assert len(again) == 3
    assert sorted(path.name for path in cli.folder.glob("*.db")) == []


def test_what_was_made_is_said_though_the_rest_failed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_URL", cli.plugin())

    ran = cli("init", code=ExitCode.CONFIGURATION)

    assert "broker.db" in ran.stdout
    assert "serves no log; set LONGSHORE_LOG_URL" in ran.stderr


def test_deinit_refuses_while_tasks_run_unless_forced(cli: Cli) -> None:
    cli.claim(cli.enqueue("add", "--args", "[1]"))

    refused = cli.err("deinit", "--yes", code=ExitCode.FAILED)
    cli("deinit", "--yes", "--force")

    assert "1 tasks are running; stop the workers first" in refused
    assert not (cli.folder / "tasks.db").exists()


def test_settings_says_every_value_and_where_it_comes_from(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.folder / "longshore.toml").write_text("concurrency = 7", encoding="utf-8")
    monkeypatch.setenv("LONGSHORE_STORE_URL", "redis://user:secret@host/0")
    monkeypatch.setenv("LONGSHORE_CONCURENCY", "3")

    text = cli.out("settings")
    found = cli.json("settings")

    rows = {row["name"]: row for row in found["settings"]}
    assert (rows["concurrency"]["value"], rows["concurrency"]["source"]) == ("7", "longshore.toml")
    assert rows["url"]["source"] == "environment LONGSHORE_URL"
    assert "secret" not in text + str(found)
    assert found["ignored"][0]["name"] == "LONGSHORE_CONCURENCY"
    assert "did you mean LONGSHORE_CONCURRENCY?" in text


def test_settings_of_an_application_are_its_own(cli: Cli) -> None:
    module = cli.module_of("from longshore import Longshore\napp = Longshore(concurrency=3)")

    rows = {row["name"]: row for row in cli.json("settings", "--app", f"{module}:app")["settings"]}

    assert (rows["concurrency"]["value"], rows["concurrency"]["source"]) == ("3", "given")
