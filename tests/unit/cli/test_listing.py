"""`longshore list`: filters, pages, totals, and the words of the originals (L11, L27, D11, E30)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


def ids(cli: Cli, *words: str) -> list[str]:
    return [task["id"] for task in cli.json("list", *words)["tasks"]]


def test_a_table_has_a_row_for_each_task_newest_first_and_the_total(cli: Cli) -> None:
    first = cli.enqueue("add", "--args", "[1]", "--priority", "3")
    second = cli.enqueue("boom")

    head, newest, oldest, foot = cli.out("list").splitlines()

    assert head.split() == (
        ["Id", "Task", "Queue", "State", "Attempts", "Priority", "Created", "Updated"]
    )
    assert newest.split()[:6] == [second, "boom", "mail", "queued", "0/1", "5"]
    assert oldest.split()[:6] == [first, "add", "default", "queued", "0/3", "3"]
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$", oldest)
    assert foot == "2 of 2 tasks"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--state", "failed"), "boom"),
        (("--state", "failed", "--state", "succeeded"), "boom add"),
        (("--status", "failed,succeeded"), "boom add"),
        (("--status", "completed"), "add"),
        (("--status", "pending"), "tagged"),
        (("--status", "all"), "tagged boom add"),
        (("--queue", "mail"), "boom"),
        (("--queue", "mail,default"), "tagged boom add"),
        (("--task", "boom"), "boom"),
        (("--tag", "x"), "tagged"),
        (("--tag", "x,y"), "tagged"),
        (("--tag", "x", "--tag", "z"), ""),
        (("--category", "nightly"), "tagged"),
        (("--tenant", "acme"), "tagged"),
        (("--owner", "ann"), "tagged"),
        (("--error", "valueerror"), "boom"),
        (("--error", "what a text"), "boom"),
        (("--reason", "error"), "boom"),
        (("--since", "1h"), "tagged boom add"),
        (("--since", "2035-01-01"), ""),
        (("--until", "1h"), ""),
        (("--queue", "mail", "--state", "succeeded"), ""),
    ],
)
def test_each_filter_finds_what_it_names(cli: Cli, words: tuple[str, ...], found: str) -> None:
    named = dict(
        zip(
            cli.batch(
                {"task": "add", "args": [1]},
                {"task": "boom", "args": {"text": "what a text"}},
                {
                    "task": "add",
                    "args": [2],
                    "delay": "1h",
                    "tags": ["x", "y"],
                    "category": "nightly",
                    "tenant": "acme",
                    "owner": "ann",
                },
            ),
            ("add", "boom", "tagged"),
            strict=True,
        )
    )
    cli.work()

    assert [named[one] for one in ids(cli, *words)] == found.split()


def test_ids_and_parents_are_filters_too(cli: Cli) -> None:
    parent = cli.enqueue("add", "--args", "[1]")
    child = cli.enqueue("add", "--args", "[2]", "--parent", parent)

    assert ids(cli, "--id", parent) == [parent]
    assert ids(cli, "-i", f"{parent},{child}") == [child, parent]
    assert ids(cli, "--parent", parent) == [child]


def test_hidden_tasks_are_listed_when_asked_for(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")
    cli("delete", task_id)

    assert ids(cli) == []
    assert ids(cli, "--deleted") == [task_id]


def test_pages_by_cursor_and_by_offset_show_each_task_once(cli: Cli) -> None:
    made = cli.batch(*({"task": "add", "args": [number]} for number in range(7)))

    first = cli.json("list", "--limit", "3")
    second = cli.json("list", "--limit", "3", "--cursor", first["cursor"])
    last = cli.json("list", "--limit", "3", "--cursor", second["cursor"])

    listed = [task["id"] for page in (first, second, last) for task in page["tasks"]]
    assert listed == made[::-1]
    assert (first["total"], last["cursor"]) == (7, None)
    assert ids(cli, "-l=3", "-o=3") == listed[3:6]
    assert ids(cli, "--offset", "7") == ids(cli, "--offset", "99") == []
    assert ids(cli, "--limit", "2", "--all-pages") == listed


def test_more_pages_are_pointed_at(cli: Cli) -> None:
    cli.batch(*({"task": "add", "args": [number]} for number in range(3)))

    result = cli("list", "--limit", "2")

    assert result.stdout.splitlines()[-1] == "2 of 3 tasks"
    assert re.fullmatch(r"more: --cursor \S+\n", result.stderr)


def test_all_pages_make_one_table(cli: Cli) -> None:
    cli.batch(*({"task": "add", "args": [number]} for number in range(5)))

    lines = cli.out("list", "--limit", "2", "--all-pages").splitlines()

    assert [line.split()[0] for line in lines].count("Id") == 1
    assert lines[-1] == "5 of 5 tasks"


def test_json_has_the_same_names_for_every_task(cli: Cli) -> None:
    cli.batch({"task": "add", "args": [1]}, {"task": "boom"})
    cli.work()

    found = cli.json("list")

    assert set(found) == {"tasks", "total", "exact", "cursor"}
    assert len({tuple(task) for task in found["tasks"]}) == 1
    failed = next(task for task in found["tasks"] if task["state"] == "failed")
    assert failed["error"] == {"type": "ValueError", "message": "no"}
    assert failed["duration"] > 0


def test_an_empty_list_is_valid_in_both_forms(cli: Cli) -> None:
    assert cli.out("list") == "0 of 0 tasks\n"
    assert cli.json("list") == {"tasks": [], "total": 0, "exact": True, "cursor": None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--state", "lost"), "'lost' is not a task state"),
        (("--since", "a while"), "cannot be read as a time"),
        (("--limit", "0"), "0 is not in the range"),
        (("--cursor", "x"), "'x' is no cursor of this log"),
        (("--cursor", "1", "--offset", "1"), "either says where to begin"),
    ],
)
def test_a_filter_that_cannot_be_read_is_a_usage_error(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    assert said in cli.err("list", *words, code=ExitCode.USAGE)
