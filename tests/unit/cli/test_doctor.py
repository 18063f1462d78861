"""`longshore doctor`: what is wrong, and what to do about it (E41)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from longshore.cli import ExitCode
from longshore.cli.checks import check_clock, check_place, local_path
from longshore.protocol import Record
from longshore.task import TaskSpec, TaskState

if TYPE_CHECKING:
    from pathlib import Path

    from longshore.ports import Ports
    from tests.unit.cli.conftest import Cli


def verdicts(cli: Cli, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    found = cli.json("doctor", *words, code=code)
    return {check["name"]: check for check in found["checks"]}


def test_where_all_is_well_nothing_is_to_be_done(cli: Cli) -> None:
    cli("init")

    text = cli.out("doctor", "--app", cli.app)

    assert all(line.startswith("ok ") for line in text.splitlines()[:-1])
    assert text.splitlines()[-1].endswith("checks: 0 failed, 0 warnings")


def test_json_has_every_check_with_its_verdict_and_next_step(cli: Cli) -> None:
    cli("init")

    found = cli.json("doctor", "--app", cli.app)

    assert found["ok"] is True
    assert {"clock", "settings", "tasks", "adapter", "disk", "log", "store", "queue default"} <= (
        {check["name"] for check in found["checks"]}
    )
    assert all(set(check) == {"name", "verdict", "text", "next"} for check in found["checks"])


def test_a_paused_queue_is_a_warning(cli: Cli) -> None:
    cli("init")
    cli("queues", "pause", "mail")

    check = verdicts(cli)["paused mail"]
    cli("queues", "resume", "mail")

    assert (check["verdict"], check["next"]) == ("warn", "longshore queues resume mail")
    assert check["text"].startswith("queue mail is paused since 20")
    assert "paused mail" not in verdicts(cli)


def test_due_tasks_that_nobody_publishes_are_a_warning(cli: Cli) -> None:
    cli("init")

    async def leave(ports: Ports) -> None:
        now = ports.clock.now() - timedelta(hours=1)
        spec = TaskSpec(id=ports.ids(), name="add", queue="default", body=b"{}", created_at=now)
        entry = Record(spec=spec, state=TaskState.SCHEDULED, due_at=now, armed=True)
        await ports.task_log.record([entry])

    cli.ported(leave)
    check = verdicts(cli)["scheduler"]
    cli.json("schedule", "--once")

    assert (check["verdict"], check["next"]) == ("warn", "start a worker, or: longshore schedule")
    assert verdicts(cli)["scheduler"]["verdict"] == "ok"


def test_without_an_application_it_warns(cli: Cli) -> None:
    cli("init")

    assert verdicts(cli)["application"]["verdict"] == "warn"


def test_an_application_that_cannot_be_imported_is_a_failure(cli: Cli) -> None:
    check = verdicts(cli, "--app", "nosuch:app", code=ExitCode.FAILED)["application"]

    assert (check["verdict"], check["next"]) == (
        "fail",
        "mend the import, or name another with --app",
    )


def test_a_setting_that_cannot_be_used_is_a_failure(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_LEASE", "soon")

    assert verdicts(cli, code=ExitCode.FAILED)["settings"]["verdict"] == "fail"


def test_a_variable_that_changes_nothing_is_a_warning(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_CONCURENCY", "3")

    check = verdicts(cli)["variable LONGSHORE_CONCURENCY"]

    assert (check["verdict"], check["next"]) == ("warn", "unset it, or correct its name")


def test_annotations_that_cannot_be_used_are_a_failure_of_their_task(cli: Cli) -> None:
    module = cli.module_of(
        "from longshore import Longshore\n"
        "app = Longshore()\n"
        "@app.task\n"
        "def lost(a: 'Nowhere') -> None: ...\n"
    )

    check = verdicts(cli, "--app", f"{module}:app", code=ExitCode.FAILED)["task lost"]

    assert check["verdict"] == "fail"
    assert "Nowhere" in check["text"]


def test_an_adapter_that_is_not_installed_is_a_failure(cli: Cli) -> None:
    check = verdicts(cli, "--url", "nosuch://host", code=ExitCode.FAILED)["adapter"]

    assert "pip install 'longshore[nosuch]'" in check["text"]


def test_looking_does_not_make_what_is_not_there(cli: Cli) -> None:
    check = verdicts(cli)["place"]

    assert (check["verdict"], check["next"]) == ("warn", "run: longshore init")
    assert not (cli.folder / "tasks.db").exists()


def test_a_folder_that_is_not_there_is_a_failure(cli: Cli) -> None:
    check = verdicts(cli, "--url", "sqlite:///nowhere/tasks.db", code=ExitCode.FAILED)["place"]

    assert "there is no folder" in check["text"]


def test_a_file_of_another_program_is_a_failure(cli: Cli) -> None:
    (cli.folder / "tasks.db").write_text("not a database, but long enough for one\n" * 30)

    assert verdicts(cli, code=ExitCode.FAILED)["backend"]["verdict"] == "fail"


def test_a_log_that_ends_with_its_process_is_a_warning(cli: Cli) -> None:
    check = verdicts(cli, "--url", "memory://")["log"]

    assert "ends with its process" in check["text"]


def test_a_queue_that_a_worker_leaves_out_is_a_warning(cli: Cli) -> None:
    cli.enqueue("add", "--args", "[1]", "--queue", "forgotten")

    check = verdicts(cli, "--app", cli.app)["queue forgotten"]

    assert check["next"] == "start a worker for it: longshore work forgotten"


def test_dead_letters_are_a_warning(cli: Cli) -> None:
    cli.enqueue("boom")
    cli.work()

    check = verdicts(cli, "--app", cli.app)["queue mail"]

    assert check["text"] == "1 dead letters"
    assert check["next"].endswith("longshore dlq list --queue mail")


def test_what_an_adapter_finds_of_its_server_is_said_with_the_rest(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", cli.plugin())
    cli("init")

    check = verdicts(cli, "--app", cli.app)["broker"]

    assert (check["verdict"], check["next"]) == ("warn", "mend it")
    assert check["text"] == "serves default, mail"


def test_a_lease_that_has_ended_is_a_warning(cli: Cli) -> None:
    cli.claim(cli.enqueue("add", "--args", "[1]"), lease=-60)

    check = verdicts(cli, "--app", cli.app)["leases"]

    assert check["text"].startswith("1 tasks run under a lease that has ended")


def test_a_clock_that_cannot_be_right_is_a_failure() -> None:
    assert check_clock(datetime(1970, 1, 2, tzinfo=UTC)).verdict == "fail"
    assert check_clock(datetime(2027, 1, 1, tzinfo=UTC)).verdict == "ok"


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(
    ("free", "verdict"), [(1_000, "fail"), (500_000_000, "warn"), (5_000_000_000, "ok")]
)
def test_little_space_is_a_warning_and_none_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str
) -> None:
    def disk_usage(_folder: object) -> Usage:
        return Usage(free)

    monkeypatch.setattr("shutil.disk_usage", disk_usage)

    (*_, disk) = check_place("place", f"sqlite:///{tmp_path / 'tasks.db'}")

    assert (disk.name, disk.verdict) == ("disk", verdict)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///tasks.db", "tasks.db"),
        ("sqlite:////var/tasks%20of%20mine.db?synchronous=full", "/var/tasks of mine.db"),
        ("memory://", None),
        ("memory://name", None),
        ("redis://host/0", None),
    ],
)
def test_a_file_is_told_from_a_server_by_its_url(url: str, path: str | None) -> None:
    found = local_path(url)

    assert (found and found.as_posix()) == path


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "a power cut may undo the last seconds (WAL, synchronous=NORMAL)"),
        ("?synchronous=full", "and a power cut (WAL, synchronous=FULL)"),
        ("?synchronous=off", "not that of the system (WAL, synchronous=OFF)"),
    ],
)
def test_what_written_tasks_survive_is_said(cli: Cli, query: str, said: str) -> None:
    cli("init")

    check = verdicts(cli, "--url", f"{cli.url}{query}")["durability"]

    assert check["verdict"] == "ok"
    assert check["text"].endswith(said)
