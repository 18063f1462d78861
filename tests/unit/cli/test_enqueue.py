"""`longshore enqueue`: arguments, options, keys, and names that are not ours (L03-L09, D04)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.cli import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


def shown(cli: Cli, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = cli.json("show", task_id)
    return found


def test_an_enqueued_task_runs_and_its_id_is_all_that_is_printed(cli: Cli) -> None:
    printed = cli.out("enqueue", "add", "--args", '{"a": 1}', "--app", cli.app)
    cli.work()

    assert len(printed.split()) == 1
    assert shown(cli, printed.strip())["result"] == 3


@pytest.mark.parametrize(
    "words",
    [
        ("add", "--args", "[1, 5]"),
        ("add", "--args", '{"a": 1, "b": 5}'),
        ("add", "--args", "[1]", "--kwargs", '{"b": 5}'),
        ("add", "--args", "[1]", "--arg", "b=5"),
        ("add", "--arg", "a=1", "--arg", "b=5"),
        ("--task", "add", "-a=[1, 5]"),
        ("-t=add", "--args=[1, 5]"),
    ],
)
def test_each_way_to_give_arguments_means_the_same(cli: Cli, words: tuple[str, ...]) -> None:
    task_id = cli.enqueue(*words)

    assert shown(cli, task_id)["arguments"] == {"a": 1, "b": 5}


def test_each_option_reaches_the_task(cli: Cli) -> None:
    task_id = cli.enqueue(
        *("add", "--args", "[1]", "--priority", "high", "--queue", "reports"),
        *("--attempts", "7", "--tag", "a,b", "--tag", "c", "--category", "nightly"),
        *("--tenant", "acme", "--owner", "ann", "--label", "the first", "--delete-on-complete"),
    )

    task = shown(cli, task_id)

    wanted = {
        "priority": 10,
        "queue": "reports",
        "max_attempts": 7,
        "tags": ["a", "b", "c"],
        "category": "nightly",
        "tenant": "acme",
        "owner": "ann",
        "label": "the first",
        "delete_on_complete": True,
    }
    assert {name: task[name] for name in wanted} == wanted


def test_a_parent_is_remembered(cli: Cli) -> None:
    parent = cli.enqueue("add", "--args", "[1]")

    child = cli.enqueue("add", "--args", "[2]", "--parent", parent)

    assert shown(cli, child)["parent_id"] == parent


@pytest.mark.parametrize(
    ("words", "wait"),
    [
        (("--delay", "30"), timedelta(seconds=30)),
        (("--delay", "1h30m"), timedelta(minutes=90)),
        (("-s=+10 minutes",), timedelta(minutes=10)),
        (("--schedule", "+10 minutes"), timedelta(minutes=10)),
    ],
)
def test_a_delay_or_schedule_puts_the_task_off(
    cli: Cli, words: tuple[str, ...], wait: timedelta
) -> None:
    task = shown(cli, cli.enqueue("add", "--args", "[1]", *words))

    due, created = (datetime.fromisoformat(task[name]) for name in ("due_at", "created_at"))
    assert (task["state"], due - created) == ("scheduled", wait)


@pytest.mark.parametrize("text", ["2035-10-30T10:00:00Z", "2077351200"])
def test_a_schedule_may_be_a_date_or_epoch_seconds(cli: Cli, text: str) -> None:
    task = shown(cli, cli.enqueue("add", "--args", "[1]", "--schedule", text))

    assert datetime.fromisoformat(task["due_at"]) == datetime(2035, 10, 30, 10, tzinfo=UTC)


def test_a_second_enqueue_with_a_key_finds_the_first_task(cli: Cli) -> None:
    words = ("enqueue", "add", "--args", "[1]", "--key", "once", "--app", cli.app)

    first, second = cli.json(*words), cli.json(*words)

    assert first["id"] == second["id"]
    assert (first["inserted"], second["inserted"]) == (True, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "--args", '{"a": "x"}'), "arguments of 'add' do not fit its signature: a:"),
        (("add",), "a: Missing required argument"),
        (("add", "--args", "temp"), "is not JSON"),
        (("add", "--args", '{"a": 1}', "--arg", "a=2"), "given twice: a"),
        (("add", "--args", "[1]", "--priority", "200"), "is not a priority"),
        (("add", "--args", "[1]", "--queue", "a b"), "is not a queue name"),
        (("add", "--args", "[1]", "--delay", "soon"), "cannot be read as a time"),
        (("add", "--args", "[1]", "--attempts", "0"), "0 is not in the range"),
        (("add", "--args", "[1]", "--delay", "1", "--schedule", "2"), "both given"),
        (("nosuch",), "no task is registered as 'nosuch'"),
        (("no such", "--unchecked"), "is not a task name"),
        ((), "no task was named"),
        (("add", "--task", "boom"), "two tasks were named"),
        (("add", "--batch", "-"), "a task and --batch were both given"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    error = cli.err("enqueue", *words, "--app", cli.app, code=ExitCode.USAGE)

    assert said in error
    assert cli.states() == {}


def test_a_task_of_another_service_is_sent_unchecked(cli: Cli) -> None:
    words = ("enqueue", "theirs.task", "--args", '{"n": 1}', "--queue", "theirs", "--unchecked")

    made = cli.json(*words)

    assert (made["task"], made["queue"], made["state"]) == ("theirs.task", "theirs", "queued")
    assert shown(cli, made["id"])["arguments"] == {"n": 1}


def test_with_allowed_imports_a_function_needs_no_application(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    # L04: `Class::method` and `Class@method` of the original are `module:Class.method` here.
    monkeypatch.setenv("LONGSHORE_IMPORTS", "os.path")

    made = cli.json("enqueue", "os.path:basename", "--args", '["/a/b"]')

    assert made["task"] == "os.path:basename"


def test_an_url_without_an_adapter_is_a_configuration_error(cli: Cli) -> None:
    words = ("enqueue", "x", "--unchecked", "--url", "nosuch://host")

    assert "no adapter for 'nosuch'" in cli.err(*words, code=ExitCode.CONFIGURATION)


def test_a_folder_that_is_not_there_is_a_backend_error(cli: Cli) -> None:
    words = ("enqueue", "x", "--unchecked", "--url", "sqlite:///nowhere/tasks.db")

    assert "there is no folder" in cli.err(*words, code=ExitCode.UNAVAILABLE)


STAGED = """
from longshore import Longshore

app = Longshore()


@app.task
def add(a: int, b: int = 2) -> int:
    return a + b


app.stage(add.message(1), add.using(delay="1h", priority={priority}).message(2, b=3))
"""


def test_without_a_name_what_the_application_staged_is_sent(cli: Cli) -> None:
    """As `task:queue` without `--task` does (L03); each time anew."""
    module = cli.module_of(STAGED.format(priority=80))

    sent = [cli.out(word, "--app", f"{module}:app").split() for word in ("enqueue", "task:queue")]

    tasks = [shown(cli, task_id) for ids in sent for task_id in ids]
    assert [task["arguments"] for task in tasks] == [{"a": 1}, {"a": 2, "b": 3}] * 2
    assert [task["state"] for task in tasks] == ["queued", "scheduled"] * 2
    assert tasks[1]["priority"] == 80


def test_of_what_is_staged_nothing_is_sent_where_one_is_bad(cli: Cli) -> None:
    module = cli.module_of(STAGED.format(priority=8000))

    error = cli.err("enqueue", "--app", f"{module}:app", code=ExitCode.CONFIGURATION)

    assert "8000 is not a priority" in error
    assert cli.states() == {}
