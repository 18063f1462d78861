"""`longshore export` and `import`: the round trip, its header, and its limits (L26, P02)."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from longshore.cli import ExitCode
from longshore.cli.formats import FORMATS, Header
from longshore.cli.reading import ExportFile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli

ADD = {"task": "add", "args": [1], "tags": ["x"], "owner": "ann", "priority": 7}
LATER = {"task": "add", "args": [2], "delay": "1h"}
BOOM = {"task": "boom"}


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """An ended, a failed, a waiting, a scheduled and a paused task, in this order."""
    ids = cli.batch(ADD, BOOM)
    cli.work()
    ids += cli.batch(ADD, LATER, ADD)
    cli("pause", ids[-1])
    return cli


def other(cli: Cli) -> str:
    return f"sqlite:///{cli.folder / 'other.db'}"


def states_of(cli: Cli, url: str) -> list[str]:
    return [task["state"] for task in cli.json("list", "--url", url)["tasks"]][::-1]


# ---- what is written


def test_ndjson_has_a_header_line_and_a_line_for_each_task(filled: Cli) -> None:
    header, *tasks = map(json.loads, filled.out("export").splitlines())

    assert header["kind"] == "longshore export"
    assert (header["version"], header["count"], header["exact"]) == (1, 5, True)
    assert header["exported_at"].endswith("Z")
    assert [task["state"] for task in tasks] == (
        ["paused", "scheduled", "queued", "failed", "succeeded"]
    )
    assert (tasks[-1]["result"], tasks[-1]["arguments"]) == (3, {"a": 1})
    assert tasks[-2]["error"]["traceback"].startswith("Traceback")


def test_json_is_one_object_with_the_same(filled: Cli) -> None:
    whole = json.loads(filled.out("export", "--format", "json"))
    _, *lines = map(json.loads, filled.out("export").splitlines())

    assert whole["tasks"] == lines
    assert whole["header"]["count"] == 5


def test_csv_has_the_columns_of_a_job_table(filled: Cli) -> None:
    comment, *rest = filled.out("export", "--format", "csv").splitlines()
    rows = list(csv.DictReader(io.StringIO("\n".join(rest))))

    assert json.loads(comment.removeprefix("# "))["count"] == 5
    assert [row["state"] for row in rows][-1] == "succeeded"
    # P02: handler, queue, payload, status, attempts, exception, created, scheduled, failed.
    wanted = "task queue arguments state attempts error created_at due_at finished_at"
    assert set(wanted.split()) <= set(rows[0])
    assert json.loads(rows[-1]["arguments"]) == {"a": 1}
    assert json.loads(rows[-2]["error"])["type"] == "ValueError"


def test_text_that_a_spreadsheet_would_run_is_quoted(cli: Cli) -> None:
    cli.enqueue("add", "--args", "[1]", "--label", "=1+2", "--owner", "plain")

    (row,) = csv.DictReader(io.StringIO(cli.out("export", "--format", "csv").partition("\n")[2]))

    assert (row["label"], row["owner"]) == ("'=1+2", "plain")


def test_the_filter_is_obeyed_and_said_in_the_header(filled: Cli) -> None:
    words = ("task:export", "--status=failed", "--queue=mail", "--since", "1h")

    header, *tasks = map(json.loads, filled.out(*words).splitlines())

    assert header["filter"] == {"states": ["failed"], "queues": ["mail"], "since": "1h"}
    assert [task["state"] for task in tasks] == ["failed"]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_file_is_written_in_the_form_of_its_name(filled: Cli, form: str) -> None:
    said = filled.out("export", "--output", f"tasks.{form}")

    text = (filled.folder / f"tasks.{form}").read_text(encoding="utf-8")
    assert said == f"5 tasks written to tasks.{form}\n"
    assert text.startswith({"csv": "# {", "json": '{"header"', "ndjson": '{"exported_at"'}[form])
    assert [each.name for each in filled.folder.glob("*.part")] == []


def test_a_folder_gets_a_new_file(filled: Cli) -> None:
    said = filled.json("task:export", "-d=.", "--format", "csv")

    (written,) = filled.folder.glob("longshore-*.csv")
    assert said == {"written": 5, "file": written.name}


@pytest.mark.parametrize(
    "words",
    [
        ("--dir", "nowhere"),
        ("--output", "nowhere/tasks.json"),
        ("--output", "a", "--dir", "."),
        ("--format", "xml"),
    ],
)
def test_what_cannot_be_written_to_is_a_usage_error(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli.err("export", *words, code=ExitCode.USAGE).startswith("error: ")


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_writing_many_tasks_does_not_hold_them(form: str, cli: Cli) -> None:
    task = cli.claim(cli.enqueue("add", "--args", "[1]"))
    written: list[int] = []
    writer = FORMATS[form](lambda text: written.append(len(text)))
    writer.begin(Header(exported_at="", filter={}, count=0))

    tracemalloc.start()
    for _ in range(2_000):
        writer.task(task)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sum(written) > 400_000
    assert held < 250_000


# ---- the round trip


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_open_tasks_come_back_under_their_ids_oldest_first(filled: Cli, form: str) -> None:
    filled("export", "--output", f"tasks.{form}")

    said = filled.json("import", f"tasks.{form}", "--url", other(filled))

    assert said == {"imported": 3, "existing": 0, "ended": 2, "bad": 0}
    assert states_of(filled, other(filled)) == ["queued", "scheduled", "paused"]
    before = {task["id"]: task for task in filled.json("list")["tasks"]}
    for task in filled.json("list", "--url", other(filled))["tasks"]:
        same = ["task", "queue", "priority", "tags", "owner", "max_attempts", "key"]
        same += ["due_at"] if task["state"] == "scheduled" else []
        assert {name: task[name] for name in same} == (
            {name: before[task["id"]][name] for name in same}
        )


def test_what_was_imported_runs_with_its_arguments(filled: Cli) -> None:
    filled("export", "--output", "tasks.ndjson")
    filled("import", "tasks.ndjson", "--url", other(filled))

    filled("work", "--once", "--url", other(filled), "--app", filled.app)

    assert states_of(filled, other(filled)) == ["succeeded", "scheduled", "paused"]


def test_an_import_can_be_repeated(filled: Cli) -> None:
    filled("export", "--output", "tasks.ndjson")
    filled("import", "tasks.ndjson", "--url", other(filled))

    again = filled.out("import", "tasks.ndjson", "--url", other(filled))

    assert again == "0 tasks imported, 3 were there already, 2 had ended and were left out\n"


def test_requeued_a_failed_task_starts_anew_and_a_succeeded_one_does_not(filled: Cli) -> None:
    filled("export", "--output", "tasks.ndjson")

    said = filled.json("import", "tasks.ndjson", "--requeue", "--url", other(filled))

    assert (said["imported"], said["ended"]) == (4, 1)
    assert states_of(filled, other(filled)) == ["queued", "queued", "scheduled", "paused"]


def test_an_export_goes_through_a_pipe(filled: Cli) -> None:
    given = filled.out("export")

    assert filled.json("import", "-", "--url", other(filled), given=given)["imported"] == 3


@pytest.mark.parametrize("indent", [None, 1])
def test_json_of_another_layout_is_read_as_well(filled: Cli, indent: int | None) -> None:
    whole = json.loads(filled.out("export", "--format", "json"))

    given = json.dumps(whole, indent=indent)

    assert filled.json("import", "-", "--url", other(filled), given=given)["imported"] == 3


def test_tasks_keep_their_order_for_the_workers(cli: Cli) -> None:
    made = cli.batch(*({"task": "add", "args": [number]} for number in range(30)))
    cli("import", "-", "--url", other(cli), given=cli.out("export"))

    listed = [task["id"] for task in cli.json("list", "--url", other(cli))["tasks"]]

    assert listed[::-1] == made


# ---- what cannot be read


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, '"id" is missing'),
        ({"task": ""}, '"task" is missing'),
        ({"queue": 3}, '"queue" is not a text'),
        ({"state": "lost"}, "'lost' is not a state"),
        ({"message": None}, "its row held no message"),
        ({"message": "%"}, '"message" is not base64'),
        ({"due_at": "soon"}, '"due_at" is not a time with an offset'),
        ({"due_at": "2026-11-22T10:00:00"}, '"due_at" is not a time with an offset'),
        ({"tags": "x"}, '"tags" is not a list of texts'),
        ({"priority": "high"}, '"priority" is not a whole number'),
    ],
    ids=str,
)
def test_a_bad_line_is_said_by_number_and_nothing_is_imported(
    cli: Cli, change: dict[str, Any], said: str
) -> None:
    cli.batch(ADD, ADD)
    header, first, second = cli.out("export").splitlines()
    bad = json.dumps(json.loads(first) | change)
    given = f"{header}\n{bad}\n{second}"

    error = cli.err("import", "-", "--url", other(cli), given=given, code=ExitCode.USAGE)

    assert error.startswith("error: line 2: ")
    assert said in error
    assert states_of(cli, other(cli)) == []


def test_with_skip_bad_the_good_lines_are_imported(cli: Cli) -> None:
    cli.batch(ADD)
    given = cli.out("export") + "{\n"

    said = cli.json(
        "import", "-", "--skip-bad", "--url", other(cli), given=given, code=ExitCode.PARTIAL
    )

    assert (said["imported"], said["bad"]) == (1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is no export of Longshore"),
        ("root:x:0:0\n", "it is no export of Longshore"),
        ('{"kind": "other"}\n', "it is no export of Longshore"),
        ('{"kind": "longshore export", "version": 2}\n', "is of version 2, this Longshore reads 1"),
        ('{"header": {"kind": "longshore export", "version": 1},\n"tasks": [\n', "was cut off"),
    ],
    ids=["empty", "text", "other", "newer", "cut"],
)
def test_a_file_that_is_no_export_is_refused(
    tmp_path: Path, cli: Cli, text: str, said: str
) -> None:
    (tmp_path / "given").write_text(text, encoding="utf-8")

    assert said in cli.err("import", "given", code=ExitCode.USAGE)


def test_reading_many_tasks_does_not_hold_them(cli: Cli) -> None:
    cli.batch(ADD)
    header, line = cli.out("export").splitlines()
    file = io.BytesIO("\n".join([header, *[line] * 5_000]).encode())

    tracemalloc.start()
    count = sum(1 for _ in ExportFile(file).places())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 5_000
    assert peak < 250_000


def test_an_export_that_does_not_fit_leaves_no_file(cli: Cli) -> None:
    cli.batch(*[ADD] * 400)
    script = (
        "import resource, signal\n"
        "from longshore.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "main(['export', '--output', 'whole.ndjson'])\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True
    )

    assert (ran.returncode, ran.stderr) == (
        ExitCode.UNAVAILABLE,
        "error: whole.ndjson cannot be written: File too large; free some space, or name another\n",
    )
    assert list(cli.folder.glob("*whole*")) == []
