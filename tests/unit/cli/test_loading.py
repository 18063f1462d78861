"""Loading an application by its name: where it is looked for, and what is said otherwise (L28)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode
from longshore.cli.exit import AppError
from longshore.cli.loading import load, load_app
from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


TWICE = """
from longshore import Longshore
app = Longshore(url="memory://")
@app.task(name="a")
def one(): ...

@app.task(name="a")
def two(): ...
"""


def test_an_application_is_found_in_the_working_directory(cli: Cli) -> None:
    loaded = load(cli.app)

    assert [task.name for task in loaded.registry] == ["add", "boom", "report"]
    assert loaded.settings.url == cli.url


def test_the_environment_and_the_settings_file_name_an_application(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.folder / "longshore.toml").write_text('app = "nosuch:app"', encoding="utf-8")
    monkeypatch.setenv("LONGSHORE_APP", cli.app)

    assert load(None).name == cli.app
    assert load(f"{cli.module}:app").name == cli.app


def test_without_an_application_there_are_no_tasks_but_those_of_imports(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_IMPORTS", "os.path")

    loaded = load(None)

    assert list(loaded.registry) == []
    assert loaded.registry.get("os.path:basename").name == "os.path:basename"
    assert loaded.settings.url == cli.url


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nosuch_module:app", "there is no module 'nosuch_module' in"),
        ("{module}:ap", "has no 'ap'; it has: app"),
        ("os.path:app", "has no 'app'; nor any other"),
        ("{module}:add", "it is a TaskFunction, and has to be a longshore.Longshore"),
        ("{module}", "write module:object"),
        ("{module}:", "write module:object"),
        (":app", "write module:object"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(cli: Cli, name: str, said: str) -> None:
    with pytest.raises(AppError, match=said):
        load_app(name.format(module=cli.module))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "raised ZeroDivisionError: division by zero at .*other_.*.py:1"),
        ("import nosuch_thing", "raised ModuleNotFoundError: No module named 'nosuch_thing'"),
        ("raise SystemExit('no')", "raised SystemExit: no"),
        ("def f(:", "raised SyntaxError"),
        (TWICE, r"already registered \(it is .*:one\); give .* at .*other_.*.py:7"),
    ],
    ids=["error", "import", "exit", "syntax", "twice"],
)
def test_an_application_that_fails_to_import_is_a_usage_error(
    cli: Cli, code: str, said: str
) -> None:
    module = cli.module_of(code)

    error = cli.err("list", "--app", f"{module}:app", code=ExitCode.USAGE)

    assert "Traceback" not in error
    with pytest.raises(AppError, match=said):
        load_app(f"{module}:app")


def test_a_flag_that_the_code_decides_is_refused_and_not_ignored(cli: Cli) -> None:
    module = cli.module_of(
        "from longshore import Longshore\napp = Longshore(url='memory://decided')"
    )

    error = cli.err("list", "--app", f"{module}:app", "--url", cli.url, code=ExitCode.CONFIGURATION)

    assert f"--url cannot be used: {module}:app sets url in its code" in error


def test_settings_that_cannot_be_used_are_a_configuration_error(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_LEASE", "soon")

    assert "lease = 'soon'" in cli.err("list", code=ExitCode.CONFIGURATION)
    with pytest.raises(ConfigurationError):
        load(None)
