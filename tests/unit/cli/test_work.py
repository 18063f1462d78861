"""`longshore work`: its options, those of the originals, and its exit codes (L19-L21, E02, P11)."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.cli import ExitCode, main
from longshore.cli.loading import load
from longshore.cli.work import Wanted, every_queue

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli

ADD = {"task": "add", "args": [1]}
BOOM = {"task": "boom"}


def wanted(name: str, *words: str) -> Wanted:
    command = main.commands["work"]
    with command.make_context(name, list(words)) as ctx:
        given: dict[str, Any] = dict(ctx.params)
        return Wanted.of(given, as_task_run=name == "task:run")


# ---- what options mean


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (("--concurrency", "50"), {"concurrency": 50}),
        (("--workers=4",), {"processes": 4}),
        (("--processes=4",), {"processes": 4}),
        (("--memory=100",), {"memory_limit": 100}),
        (("--max-jobs=1000",), {"max_tasks": 1000}),
        (("--max-tasks=1000",), {"max_tasks": 1000}),
        (("--limit", "5"), {"max_tasks": 5}),
        (("--timeout=3600",), {"max_time": timedelta(hours=1)}),
        (("--cooldown=600",), {"max_time": timedelta(minutes=10)}),
        (("--max-time", "10m"), {"max_time": timedelta(minutes=10)}),
        (("--sleep=2",), {"poll": timedelta(seconds=2)}),
        (("--poll", "250ms"), {"poll": timedelta(milliseconds=250)}),
        (("--grace", "1m"), {"grace": timedelta(minutes=1)}),
        (("--selection", "strict"), {"selection": "strict"}),
        (("--selection=round-robin",), {"selection": "round-robin"}),
        (("--stop-file", "stop"), {"stop_file": "stop"}),
        (("--lock-file=lock",), {"lock_file": "lock"}),
    ],
)
@pytest.mark.parametrize("name", ["work", "queue:work", "process:jobs"])
def test_a_flag_is_the_setting_it_names(
    name: str, words: tuple[str, ...], flags: dict[str, object]
) -> None:
    given = {key: value for key, value in wanted(name, *words).flags.items() if value is not None}

    assert given == flags


@pytest.mark.parametrize("words", [("--singleton",), ("--flock-worker",)])
def test_a_worker_is_the_only_one_if_asked_to(words: tuple[str, ...]) -> None:
    # L23: `--flock-worker` prevents two workers.
    assert wanted("work", *words, "emails").singleton
    assert not wanted("work", "emails").singleton


@pytest.mark.parametrize(
    ("words", "queues"),
    [
        ((), ()),
        (("emails",), ("emails",)),
        (("emails", "reports"), ("emails", "reports")),
        (("--queues=emails,default",), ("emails", "default")),
        (("emails", "--queue", "reports,emails"), ("emails", "reports")),
    ],
)
def test_queues_are_named_in_order_either_way(
    words: tuple[str, ...], queues: tuple[str, ...]
) -> None:
    assert wanted("work", *words).queues == queues


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ((), (False, None)),
        (("--once",), (True, None)),
        (("--burst",), (True, None)),
        (("--idle", "30s"), (False, timedelta(seconds=30))),
        (("--idle=0",), (False, None)),
    ],
)
def test_a_worker_ends_when_it_finds_nothing_if_asked_to(
    words: tuple[str, ...], ends: tuple[bool, timedelta | None]
) -> None:
    found = wanted("work", *words)

    assert (found.burst, found.idle) == ends


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        ((), timedelta(seconds=1)),
        (("--sleep=200000", "--idle=3"), timedelta(milliseconds=600)),
        (("--idle=0",), None),
        (("--sleep=200000",), timedelta(seconds=2)),
        (("--sleep=1s", "--idle=3"), timedelta(seconds=3)),
        (("--idle=30s",), timedelta(seconds=30)),
    ],
)
def test_as_task_run_sleep_is_microseconds_and_idle_counts_loops(
    words: tuple[str, ...], idle: timedelta | None
) -> None:
    # L20: the original's defaults are 100,000 µs and 10 loops; 0 loops never stop.
    found = wanted("task:run", *words)

    assert (found.idle, found.flags["poll"]) == (idle, None)


def test_as_task_run_limit_is_how_many_are_taken_at_once() -> None:
    flags = wanted("task:run", "--limit=10").flags

    assert (flags["concurrency"], flags["max_tasks"]) == (10, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--limit", "3", "--max-tasks", "4"), "--limit and --max-tasks say different things"),
        (("--once", "--idle", "3"), "give one"),
        (("--sleep", "soon"), "cannot be read as a duration"),
        (("--memory", "0"), "0 is not in the range"),
        (("--processes", "0"), "0 is not in the range"),
        (("--selection", "random"), "'random' is not one of"),
        (("--output", "nowhere/work.log"), "the log cannot be written to nowhere/work.log"),
    ],
)
def test_options_that_cannot_be_used_are_a_usage_error(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    assert said in cli.err("work", *words, code=ExitCode.USAGE)


def test_without_queues_named_every_queue_of_the_application_is_served(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUES", '{"reports": {}}')
    monkeypatch.setenv("LONGSHORE_ROUTES", "slow.*=slow")

    assert every_queue(load(cli.app)) == ("default", "reports", "slow", "mail")


# ---- how it ends


def test_once_does_what_there_is_and_exits_with_0(cli: Cli) -> None:
    cli.batch(*[ADD] * 30, BOOM)

    log = cli.work()

    assert log.splitlines()[-1] == "stopped (idle): 30 done, 1 failed"
    assert sorted(set(cli.states().values())) == ["failed", "succeeded"]


@pytest.mark.parametrize("option", ["--max-tasks=3", "--max-jobs=3", "--limit=3"])
def test_after_max_tasks_it_exits_with_10(cli: Cli, option: str) -> None:
    cli.batch(*[ADD] * 5)

    cli("work", option, "--app", cli.app, code=ExitCode.MAX_TASKS)

    assert sorted(cli.states().values()) == ["queued"] * 2 + ["succeeded"] * 3


@pytest.mark.parametrize("option", ["--max-time=10ms", "--cooldown=0.01", "--timeout=0.01"])
def test_after_max_time_it_exits_with_11(cli: Cli, option: str) -> None:
    cli("work", option, "--sleep", "0.1", code=ExitCode.MAX_TIME)

    assert cli.states() == {}


def test_above_the_memory_limit_it_exits_with_12(cli: Cli) -> None:
    cli("work", "--memory=1", "--sleep", "0.1", code=ExitCode.MEMORY)

    assert cli.states() == {}


def test_when_nothing_came_for_the_idle_time_it_exits_with_0(cli: Cli) -> None:
    task_id = cli.enqueue("add", "--args", "[1]")

    log = cli.err("work", "--idle", "50ms", "--app", cli.app)

    assert "stopped (idle): 1 done" in log
    assert cli.states() == {task_id: "succeeded"}


def test_json_ends_with_an_object_that_says_why(cli: Cli) -> None:
    cli.batch({"task": "boom"})

    result = cli("work", "--once", "--app", cli.app, "--json")

    assert json.loads(result.stdout) == {"stopped": "idle", "done": 0, "failed": 1, "stuck": 0}


def test_a_backend_that_cannot_be_opened_is_exit_code_5(cli: Cli) -> None:
    error = cli.err("work", "--url", "sqlite:///nowhere/x.db", code=ExitCode.UNAVAILABLE)

    assert "there is no folder" in error


# ---- what it says (P12)


def test_each_task_has_a_line_when_it_begins_and_when_it_ends(cli: Cli) -> None:
    done, failed = cli.batch(ADD, BOOM)

    log = cli.work()

    assert re.search(rf"Z \[PROCESSING\] add {done}, attempt 1\n", log)
    assert re.search(rf"Z \[PROCESSED\] add {done}, attempt 1 took \S+ ms\n", log)
    assert re.search(
        rf"Z \[FAILED\] boom {failed}, attempt 1 took .*; ValueError: no; no tries left\n", log
    )


def test_a_failure_that_is_tried_again_says_when(cli: Cli) -> None:
    cli.enqueue("boom", "--attempts", "2")

    assert re.search(r"ValueError: no; again in \S+ s\n", cli.work())


def test_json_lines_hold_the_facts(cli: Cli) -> None:
    task_id = cli.enqueue("boom")

    lines = [
        json.loads(line)
        for line in cli.err("work", "--once", "--app", cli.app, "--json").splitlines()
    ]

    events = [line for line in lines if "kind" in line]
    assert [event["kind"] for event in events] == ["processing", "failed"]
    assert {event["task_id"] for event in events} == {task_id}
    facts = ("task", "queue", "attempt", "run", "error", "message", "retry_in", "level")
    assert [events[1][name] for name in facts] == (
        ["boom", "mail", 1, 0, "ValueError", "no", None, "warning"]
    )


def test_output_names_a_level(cli: Cli) -> None:
    cli.batch(ADD, BOOM)

    log = cli.err("work", "--once", "--app", cli.app, "--output", "warning")

    assert "[PROCESS" not in log
    assert "[FAILED]" in log


def test_output_names_a_file(cli: Cli) -> None:
    # L21: `--output` is a level, or a file to write to.
    cli.batch(ADD)

    log = cli.err("task:run", "--app", cli.app, "--idle=50ms", "--output=work.log")

    assert log == "stopped (idle): 1 done, 0 failed\n"
    assert "[PROCESSED] add" in (cli.folder / "work.log").read_text(encoding="utf-8")
