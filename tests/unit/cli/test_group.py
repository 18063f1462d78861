"""The group of commands: names, help, and how each end becomes an exit code (E05, L29, L35)."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from longshore import cli as package
from longshore.cli import ExitCode, main
from longshore.cli.commands import ENTRIES, FAMILIES
from longshore.cli.exit import InputError
from longshore.cli.group import CommandGroup, Ending
from longshore.cli.output import Output
from longshore.errors import TaskNotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.cli.commands import Entry
    from tests.unit.cli.conftest import Cli

OURS = [entry for entry in ENTRIES if entry.name not in {"demo", "bench", "task"}]
SLOW = ("asyncio", "pydantic", "rich", "longshore.settings", "longshore.wiring")


def help_of(*words: str) -> str:
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == ExitCode.OK
    return result.stdout


def end_of(command: Callable[[], object], *, json: bool = False, debug: bool = False) -> int:
    return Ending(Output(json=json), debug=debug).of(command)


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


# ---- the list of commands


def test_help_lists_every_command_with_its_summary_and_no_alias() -> None:
    text = help_of()

    shown = [entry.name for entry in ENTRIES if f"  {entry.name} " in text]
    assert shown == [entry.name for entry in ENTRIES if not entry.hidden]
    assert "task:list" not in text


def test_help_imports_no_command_and_nothing_slow() -> None:
    script = (
        "import sys\n"
        "from longshore.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(*sorted(sys.modules), file=sys.stderr)\n"
    )

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)

    modules = set(ran.stderr.split())
    assert modules & set(SLOW) == set()
    assert "longshore.cli.listing" not in modules


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_each_command_says_what_the_list_says_of_it(entry: Entry) -> None:
    text = " ".join(help_of(*entry.name.split()).split())

    assert entry.summary.rstrip(".") in text


@pytest.mark.parametrize(
    "entry", [entry for entry in OURS if not entry.hidden], ids=lambda entry: entry.name
)
def test_each_command_has_examples_the_shared_options_and_its_old_names(entry: Entry) -> None:
    text = help_of(*entry.name.split())

    assert re.search(rf"Examples:\n  longshore {entry.name}\b", text)
    assert all(shared in text for shared in ("--app", "--class", "--url", "--json", "--debug"))
    assert all(old in text for old in entry.originals)


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_what_a_command_does_not_need_stands_in_brackets(entry: Entry) -> None:
    command: click.Command = main
    for word in entry.name.split():
        assert isinstance(command, click.Group)
        command = command.commands[word]
    ctx = click.Context(command)

    for each in command.params:
        if isinstance(each, click.Argument):
            assert each.make_metavar(ctx).startswith("[") is not each.required


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_each_example_is_a_command_line_that_can_be_read(entry: Entry) -> None:
    for example in getattr(command_of(entry.name.split()), "examples", ()):
        words = [*takewhile(lambda word: word not in {"|", ">"}, shlex.split(example))]
        named = len(entry.name.split())
        assert command_of(words[:named]).make_context(entry.name, words[named:]).params


def command_of(words: list[str]) -> click.Command:
    found: click.Command | None = main
    for word in words:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("old", "entry"),
    [(old, entry) for entry in ENTRIES for old in entry.originals],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_command_answers_to_what_older_systems_called_it(old: str, entry: Entry) -> None:
    assert f"Usage: longshore {old} " in help_of(old)
    assert isinstance(main, CommandGroup)
    assert main.get_command(click.Context(main), old) is main.commands[entry.name]


def test_every_old_name_the_documents_give_is_known() -> None:
    named = {old for entry in ENTRIES for old in (entry.name, *entry.originals)}

    # L01-L26, E01, E02, P11, P16; signals, dashboard and schedules are no part of this.
    verbs = "init deinit queue list info delete purge pause resume retry status run export listen"
    assert {f"task:{verb}" for verb in verbs.split()} <= named
    assert {"queue:work", "queue:test", "process:jobs", "jobs:run", "jobs:retry"} <= named


@pytest.mark.parametrize("words", [["help", "list"], ["help", "task:list"]])
def test_help_shows_the_help_of_a_command(words: list[str]) -> None:
    result = CliRunner().invoke(main, words)

    assert result.exit_code == ExitCode.OK
    assert "List tasks, newest first." in result.stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_lists_its_commands_by_their_second_words(family: str) -> None:
    text = help_of(family)

    own = [entry for entry in ENTRIES if entry.name.startswith(f"{family} ")]
    assert FAMILIES[family] in text
    assert [entry.name for entry in own if f"  {entry.name.split()[1]} " in text] == [
        entry.name for entry in own
    ]


def test_help_shows_the_help_of_a_command_of_two_words() -> None:
    result = CliRunner().invoke(main, ["help", "dlq", "list"])

    assert "List dead letters" in result.stdout
    assert CliRunner().invoke(main, ["help", "dlq", "no"]).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("words", [["help"], ["task"]])
def test_help_alone_shows_the_list_of_commands(words: list[str]) -> None:
    result = CliRunner().invoke(main, words)

    assert result.exit_code == ExitCode.OK
    assert "Set up and keep:" in result.stdout


def test_version_names_the_program() -> None:
    result = CliRunner().invoke(main, ["--version"])

    assert re.fullmatch(r"longshore \d+\.\d+\.\d+\S*\n", result.stdout)


# ---- spellings of options (L35)


@pytest.mark.parametrize(
    "words",
    [
        ("--state=failed", "--limit=3"),
        ("--status", "failed", "--limit", "3"),
        ("-s=failed", "-l=3"),
        ("-s", "failed", "-l", "3"),
        ("-sfailed", "-l3"),
    ],
)
def test_each_spelling_of_an_option_means_the_same(cli: Cli, words: tuple[str, ...]) -> None:
    cli.batch(*[{"task": "boom"}] * 4, {"task": "add", "args": [1]})
    cli.work()

    found = cli.json("task:list", *words)

    assert [task["state"] for task in found["tasks"]] == ["failed"] * 3
    assert found["total"] == 4


@pytest.mark.parametrize("spelling", ["--app {}", "--class={}", "-c {}", "-c={}"])
def test_each_spelling_names_the_application(cli: Cli, spelling: str) -> None:
    words = spelling.format(cli.app).split(" ")

    made = cli.json("enqueue", "add", "--args", "[1]", *words)

    assert made["task"] == "add"


@pytest.mark.parametrize(
    "words",
    [
        ("--app", "{app}", "--json", "list"),
        ("-c={app}", "--url", "{url}", "--debug", "list", "--json"),
        ("--app", "nosuch:app", "list", "--app", "{app}", "--json"),
        ("--json", "dlq", "--app={app}", "list"),
        ("--app={app}", "--json", "dlq", "list"),
    ],
    ids=" ".join,
)
def test_shared_options_may_stand_before_the_command(cli: Cli, words: tuple[str, ...]) -> None:
    """What stands nearer to the end is the stronger."""
    line = [word.format(app=cli.app, url=cli.url) for word in words]

    assert json.loads(cli.out(*line))


# ---- how it ends


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("bad"), ExitCode.USAGE),
        (TaskNotFoundError("x"), ExitCode.NOT_FOUND),
        (UnavailableError("gone"), ExitCode.UNAVAILABLE),
        (click.UsageError("bad"), ExitCode.USAGE),
        (click.Abort(), ExitCode.INTERRUPTED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (BrokenPipeError(), ExitCode.OK),
        (ZeroDivisionError("a bug"), ExitCode.UNEXPECTED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_error_has_its_exit_code(error: BaseException, code: ExitCode) -> None:
    with CliRunner().isolation():
        assert end_of(raising(error)) == code


@pytest.mark.parametrize("answer", [None, ExitCode.OK, ExitCode.MAX_TASKS, ExitCode.PARTIAL])
def test_what_a_command_answers_is_the_exit_code(answer: ExitCode | None) -> None:
    assert end_of(lambda: answer) == (answer or 0)


def test_an_error_is_one_line_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    end_of(raising(TaskNotFoundError("abc")))
    end_of(raising(ZeroDivisionError("a bug")))

    known, unexpected = capsys.readouterr().err.splitlines()
    assert known == "error: no task abc in the log; see: longshore list"
    assert unexpected.startswith("error: unexpected ZeroDivisionError: a bug; run it again with")


def test_debug_shows_where_an_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    end_of(raising(ZeroDivisionError("a bug")), debug=True)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "error: unexpected ZeroDivisionError: a bug"


def test_with_json_an_error_is_an_object(cli: Cli) -> None:
    said = json.loads(cli.err("show", "nosuch", "--json", code=ExitCode.NOT_FOUND))

    assert said["error"]["type"] == "TaskNotFoundError"
    assert "nosuch" in said["error"]["message"]


def test_a_usage_error_says_where_to_read_on(cli: Cli) -> None:
    (line,) = cli.err("list", "--nosuch", code=ExitCode.USAGE).splitlines()

    assert line.startswith("error: No such option")
    assert line.endswith("; see: longshore list --help")


def test_a_reader_that_left_is_no_error(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "longshore", "help", "work"]
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "w") as closed:
        ran = subprocess.run(
            words, stdout=closed, stderr=subprocess.PIPE, check=False, cwd=tmp_path, text=True
        )

    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "")


# ---- one place prints


def test_only_the_output_module_prints() -> None:
    folder = Path(package.__file__).parent
    own = {entry.home.partition(":")[0] for entry in OURS} | {"batch", "changing", "sweeping"}

    printing = [
        f"{module.name}:{node.lineno}"
        for module in folder.glob("*.py")
        if module.stem in own
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and called(node) in {"print", "echo", "secho"}
    ]

    assert printing == []


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
