"""`longshore workers`, `queues` and `signal` (E23, L24)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.cli import ExitCode
from longshore.cli.singleton import lock_path, only_one
from longshore.control import Orders, Registry, Running, WorkerEntry
from longshore.control.orders import orders_in
from longshore.control.records import ORDERS
from longshore.settings import Settings

if TYPE_CHECKING:
    from longshore.ports import Ports
    from tests.unit.cli.conftest import Cli

BASE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
"""Beats are told relative to this, and written relative to now: a run of all tests is long."""

ONE = WorkerEntry(
    id="web-1:7-abc123",
    name="web-1:7",
    host="web-1",
    pid=7,
    version="0.1.0",
    state="running",
    queues=("default", "mail"),
    paused_queues=("mail",),
    concurrency=20,
    running=1,
    held=3,
    done=40,
    failed=2,
    tasks=(Running(id="t1", task="add", queue="default", since=BASE),),
    started_at=BASE,
    beat_at=BASE,
    every=60.0,
)
TWO = replace(ONE, id="web-2:9-def456", name="web-2:9", host="web-2", queues=("mail",), tasks=())


def beat(cli: Cli, *entries: WorkerEntry) -> None:
    """Let workers that are not there write their entries."""

    async def work(ports: Ports) -> None:
        assert ports.store is not None
        age = datetime.now(UTC) - BASE
        for entry in entries:
            await Registry(ports.store).beat(replace(entry, beat_at=entry.beat_at + age))

    cli.ported(work)


def ordered(cli: Cli, entry: WorkerEntry) -> list[tuple[str, int | None]]:
    async def work(ports: Ports) -> list[tuple[str, int | None]]:
        assert ports.store is not None
        (found,) = await ports.store.get([f"{ORDERS}{entry.id}"])
        return [(order.verb.value, order.concurrency) for order in orders_in(found)]

    return cli.ported(work)


def paused(cli: Cli) -> list[str]:
    async def work(ports: Ports) -> list[str]:
        assert ports.store is not None
        return [*await Orders(ports.store, ports.clock).paused_queues()]

    return cli.ported(work)


# ---- workers


def test_workers_are_listed_with_all_that_is_known_of_them(cli: Cli) -> None:
    beat(cli, ONE, replace(TWO, beat_at=ONE.beat_at - timedelta(minutes=3)))

    one, two = cli.json("workers")["workers"]

    assert (one["id"], one["host"], one["pid"], one["version"]) == (ONE.id, "web-1", 7, "0.1.0")
    assert (one["health"], two["health"]) == ("ok", "late")
    assert (one["queues"], one["paused_queues"]) == (["default", "mail"], ["mail"])
    assert (one["concurrency"], one["running"], one["held"]) == (20, 1, 3)
    assert [task["id"] for task in one["tasks"]] == ["t1"]
    assert one["started_at"] == "2026-11-22T10:00:00Z"
    assert 180 <= two["silent"] < 240


def test_the_table_of_workers_has_a_row_each_and_their_tasks_if_asked(cli: Cli) -> None:
    beat(cli, ONE)

    head, row = cli.out("workers").splitlines()
    tasks = cli.out("workers", "--tasks").splitlines()[3:]

    assert head.split()[:4] == ["Worker", "Health", "State", "Queues"]
    assert row.startswith(
        "web-1:7-abc123  ok      running  default, mail (paused)  1/20     40    2 "
    )
    assert tasks[1].split()[:4] == ["web-1:7-abc123", "t1", "add", "default"]


def test_without_workers_the_next_step_is_said(cli: Cli) -> None:
    assert "start one: longshore work" in cli.err("workers")
    assert cli.json("workers") == {"workers": []}


@pytest.mark.parametrize(
    "words", [("workers",), ("queues",), ("queues", "pause", "x"), ("signal", "drain", "--all")]
)
def test_where_there_is_no_store_it_is_said_what_to_set(cli: Cli, words: tuple[str, ...]) -> None:
    error = cli.err(*words, "--url", "null://", code=ExitCode.CONFIGURATION)

    assert "set LONGSHORE_STORE_URL" in error


# ---- queues


def test_queues_are_paused_and_resumed_by_name(cli: Cli) -> None:
    assert cli.out("queues", "pause", "mail", "default,slow").splitlines() == [
        "mail paused",
        "default paused",
        "slow paused",
    ]
    assert paused(cli) == ["default", "mail", "slow"]
    assert cli.out("queues", "pause", "mail") == "mail was paused already\n"
    assert cli.json("queues", "resume", "mail", "other") == {
        "verb": "resume",
        "queues": [
            {"queue": "mail", "paused": False, "changed": True},
            {"queue": "other", "paused": False, "changed": False},
        ],
    }
    assert paused(cli) == ["default", "slow"]


def test_every_queue_is_shown_with_what_waits_and_who_serves_it(cli: Cli) -> None:
    cli.batch({"task": "add", "args": [1]}, {"task": "boom"}, {"task": "boom"})
    cli("queues", "pause", "mail", "unused")
    gone = replace(TWO, beat_at=ONE.beat_at - timedelta(minutes=5))
    beat(cli, ONE, gone)

    queues = {one["queue"]: one for one in cli.json("queues")["queues"]}
    (row,) = [line for line in cli.out("queues").splitlines() if line.startswith("mail")]

    assert list(queues) == ["default", "mail", "unused"]
    assert [one["paused"] for one in queues.values()] == [False, True, True]
    assert [one["workers"] for one in queues.values()] == [1, 1, 0]
    assert [one["depth"]["ready"] for one in queues.values()] == [1, 2, 0]
    assert "paused since 20" in row
    assert "2 ready" in row
    assert [one["queue"] for one in cli.json("queues", "list", "x,y")["queues"]] == ["x", "y"]


def test_a_worker_leaves_a_paused_queue_alone(cli: Cli) -> None:
    cli.batch({"task": "add", "args": [1]}, {"task": "boom"})
    cli("queues", "pause", "default")

    log = cli.work()

    assert "paused from now on: default" in log
    assert sorted(cli.states().values()) == ["failed", "queued"]


@pytest.mark.parametrize("words", [("pause",), ("resume",), ("stop", "mail")])
def test_a_change_of_queues_needs_a_verb_and_a_name(cli: Cli, words: tuple[str, ...]) -> None:
    cli("queues", *words, code=ExitCode.USAGE)

    assert paused(cli) == []


# ---- signal


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--all",), [ONE, TWO]),
        (("--worker", ONE.id), [ONE]),
        (("--worker", "web-2:9"), [TWO]),
        (("--host", "web-2"), [TWO]),
        (("--queue", "default"), [ONE]),
        (("-q", "mail"), [ONE, TWO]),
        (("-q=mail", "--host=web-1"), [ONE]),
    ],
    ids=["all", "id", "name", "host", "queue", "queue-of-both", "queue-and-host"],
)
def test_an_order_reaches_the_workers_that_are_meant(
    cli: Cli, words: tuple[str, ...], meant: list[WorkerEntry]
) -> None:
    beat(cli, ONE, TWO)

    said = cli.json("signal", "drain", *words)

    assert said == {"verb": "drain", "concurrency": None, "workers": [one.id for one in meant]}
    for entry in (ONE, TWO):
        assert ordered(cli, entry) == ([("drain", None)] if entry in meant else [])


def test_orders_follow_one_another_and_say_what_will_be_done(cli: Cli) -> None:
    beat(cli, ONE)

    said = [
        cli.out("signal", *words, "--all").strip()
        for words in (("pause",), ("resume",), ("resize", "50"), ("drain",), ("stop",))
    ]

    assert said == [
        f"{ONE.id} is to take nothing more until it is resumed",
        f"{ONE.id} is to take tasks again",
        f"{ONE.id} is to run 50 tasks at once",
        f"{ONE.id} is to finish what runs, and end",
        f"{ONE.id} is to give back what runs, and end",
    ]
    assert ordered(cli, ONE) == [
        ("pause", None),
        ("resume", None),
        ("resize", 50),
        ("drain", None),
        ("stop", None),
    ]


def test_an_order_for_nobody_is_not_found(cli: Cli) -> None:
    beat(cli, ONE)

    error = cli.err("signal", "stop", "--host", "web-9", "-q", "mail", code=ExitCode.NOT_FOUND)

    assert error == (
        "error: there is no worker on host web-9 of queue mail; see: longshore workers\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what: pause, resume, drain, stop, resize"),
        (("drain",), "say which workers"),
        (("drain", "--all", "--host", "x"), "say which workers"),
        (("resize", "--all"), "takes a number"),
        (("drain", "5", "--all"), "takes a number"),
        (("resize", "0", "--all"), "0 is not in the range"),
        (("explode", "--all"), "'explode' is not one of"),
        (("-s", "-r"), "stand alone"),
        (("drain", "-s"), "stand alone"),
    ],
)
def test_an_order_that_is_not_clear_is_a_usage_error(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    beat(cli, ONE)

    assert said in cli.err("signal", *words, code=ExitCode.USAGE)
    assert ordered(cli, ONE) == []


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (("--stop-worker",), "drain"),
        (("-s",), "drain"),
        (("--resume-worker",), "resume"),
        (("-r",), "resume"),
    ],
)
def test_as_task_sig_every_worker_is_stopped_or_resumed(
    cli: Cli, words: tuple[str, ...], verb: str
) -> None:
    beat(cli, ONE, TWO)

    cli("task:sig", *words)

    assert ordered(cli, ONE) == ordered(cli, TWO) == [(verb, None)]


def test_as_task_sig_the_stop_file_is_made_and_removed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_STOP_FILE", "stop")
    task_id = cli.enqueue("add", "--args", "[1]")

    for _ in range(2):
        assert "made the stop file stop" in cli.err("task:sig", "--stop-worker")
    assert cli.json("work", "--once", "--app", cli.app) == {
        "stopped": "stop_file",
        "done": 0,
        "failed": 0,
        "stuck": 0,
    }
    assert cli.states() == {task_id: "queued"}
    for _ in range(2):
        assert "removed the stop file stop" in cli.err("task:sig", "--resume-worker")
    cli.work()
    assert cli.states() == {task_id: "succeeded"}


def test_a_stop_file_that_cannot_be_made_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_STOP_FILE", "nowhere/stop")

    error = cli.err("task:sig", "-s", code=ExitCode.USAGE)

    assert "the stop file nowhere/stop cannot be changed: No such file" in error


# ---- one worker at a time


def test_a_second_singleton_does_not_start(cli: Cli) -> None:
    with only_one(cli.folder / "lock"):
        error = cli.err("work", "--once", "--lock-file", "lock", code=ExitCode.LOCKED)
    cli("work", "--once", "--lock-file", "lock")

    assert error == (
        "error: another worker holds the lock lock; it ends with that worker's process\n"
    )


def test_a_lock_that_cannot_be_opened_is_no_free_lock(cli: Cli) -> None:
    error = cli.err("work", "--once", "--lock-file", "no/where", code=ExitCode.CONFIGURATION)

    assert "the lock no/where cannot be opened: No such file or directory" in error


def test_without_a_file_named_singletons_are_told_apart_by_url_and_queues() -> None:
    def path(url: str, *queues: str, **given: Any) -> object:
        return lock_path(Settings.load(url=url, **given), queues, singleton=True)

    assert path("memory://", "a", "b") == path("memory://", "b", "a")
    assert len({path("memory://", "a"), path("memory://", "b"), path("null://", "a")}) == 3
    assert str(path("null://", "a", lock_file="/run/lock")) == "/run/lock"
    assert lock_path(Settings.load(), ("a",), singleton=False) is None
