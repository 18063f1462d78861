"""`longshore asyncapi`: what may be sent to an application, as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.cli import ExitCode

if TYPE_CHECKING:
    import pytest

    from tests.unit.cli.conftest import Cli


def test_the_document_names_queues_tasks_and_arguments(cli: Cli) -> None:
    made = cli.json("asyncapi", "--app", cli.app)

    assert made["asyncapi"] == "3.0.0"
    assert made["info"] == {"title": cli.module, "version": "1"}
    assert {name: set(one["messages"]) for name, one in made["channels"].items()} == {
        "default": {"add", "report"},
        "mail": {"boom"},
    }
    data = made["components"]["messages"]["add"]["payload"]["properties"]["data"]
    assert data["required"] == ["a"]
    assert data["properties"]["a"] == {"type": "integer"}


def test_title_and_version_are_the_applications_own(cli: Cli) -> None:
    made = cli.json("asyncapi", "--app", cli.app, "--title", "Shop", "--version", "2.1.0")

    assert made["info"] == {"title": "Shop", "version": "2.1.0"}


def test_routes_of_the_settings_decide_the_queue(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_ROUTES", '{"add": "sums"}')

    made = cli.json("asyncapi", "--app", cli.app)

    assert set(made["channels"]["sums"]["messages"]) == {"add"}


def test_the_text_is_the_same_each_time_and_nothing_is_connected_to(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_APP", cli.app)
    monkeypatch.setenv("LONGSHORE_URL", "nowhere://")

    assert cli.out("asyncapi") == cli.out("asyncapi")


def test_without_an_application_it_says_how_to_name_one(cli: Cli) -> None:
    said = cli.err("asyncapi", code=ExitCode.USAGE)

    assert "no application is named; name one: --app module:object" in said
