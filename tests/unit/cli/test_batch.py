"""`longshore enqueue --batch`: all or nothing by default, and never half-sent in silence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from longshore.cli import ExitCode
from longshore.cli.batch import Sending, chunks
from longshore.cli.exit import DoneInPartError
from longshore.cli.invocation import Invocation
from longshore.cli.output import Output
from longshore.errors import EnqueueError, TooLargeError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.client import Enqueued
    from longshore.draft import Draft
    from longshore.session import Session
    from tests.unit.cli.conftest import Cli

GOOD = '{"task": "add", "args": [1]}'


def test_each_line_becomes_a_task_with_its_own_options(cli: Cli) -> None:
    first, second, third = cli.batch(
        {"task": "add", "args": [1]},
        {"task": "add", "args": {"a": 1}, "delay": "10m", "priority": "high", "tags": ["x"]},
        {"task": "boom", "kwargs": {"text": "hm"}, "queue": "other", "key": "k"},
    )

    tasks = {task["id"]: task for task in cli.json("list")["tasks"]}
    assert tasks[first]["state"] == "queued"
    assert (tasks[second]["state"], tasks[second]["priority"]) == ("scheduled", 10)
    assert tasks[second]["tags"] == ["x"]
    assert (tasks[third]["queue"], tasks[third]["key"]) == ("other", "k")


def test_a_batch_is_read_from_a_file_as_well(cli: Cli) -> None:
    (cli.folder / "tasks.ndjson").write_text(f"{GOOD}\n\n{GOOD}\n", encoding="utf-8")

    said = cli.json("enqueue", "--batch", "tasks.ndjson", "--app", cli.app)

    assert (said["sent"], said["bad"], len(said["ids"])) == (2, 0, 2)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ('{"args": [1]}', '"task" is missing'),
        ('{"task": "nosuch"}', "no task is registered as 'nosuch'"),
        ('{"task": "add", "args": ["x"]}', "do not fit its signature"),
        ('{"task": "add", "args": [1], "prority": 3}', "there is no prority"),
        ('{"task": "add", "args": 1}', "a list of arguments or an object"),
        ('{"task": "add", "args": [1], "priority": "most"}', "is not a priority"),
        ('{"task": "add", "args": [1], "queue": 3}', '"queue" is a text'),
        ('{"task": "add", "args": [1], "tags": "x"}', '"tags" is a list of texts'),
        ('{"task": "add", "args": [1], "delete_on_complete": 1}', "is true or false"),
        ('{"task": "add", "args": [1], "delay": true}', "cannot be read as a duration"),
        ('{"task": "add", "args": [1], "attempts": 0}', "give the number of tries"),
    ],
)
def test_nothing_is_sent_where_a_line_is_bad_and_its_number_is_said(
    cli: Cli, line: str, said: str
) -> None:
    given = f"{GOOD}\n{line}\n{GOOD}\n"

    error = cli.err("enqueue", "--batch", "-", "--app", cli.app, given=given, code=ExitCode.USAGE)

    problem, verdict = error.splitlines()
    assert problem.startswith("error: line 2: ")
    assert said in problem
    assert verdict == (
        "error: nothing was sent: a line is bad; mend them, or leave them out with --skip-bad"
    )
    assert cli.states() == {}


def test_a_line_that_is_not_utf_8_is_said_to_be_that(cli: Cli) -> None:
    path = cli.folder / "batch.ndjson"
    path.write_bytes(b'\xff\xfe{"task": "add"}\n')

    error = cli.err("enqueue", "--batch", str(path), "--app", cli.app, code=ExitCode.USAGE)

    assert "line 1: it is not JSON: byte 1 is not UTF-8" in error


def test_with_skip_bad_the_good_lines_are_sent_and_the_exit_code_says_in_part(cli: Cli) -> None:
    words = ("enqueue", "--batch", "-", "--skip-bad", "--app", cli.app)

    said = cli.json(*words, given=f"{GOOD}\n{{\n{GOOD}\n", code=ExitCode.PARTIAL)

    assert (said["sent"], said["bad"]) == (2, 1)
    assert set(said["ids"]) == set(cli.states())


def test_with_json_a_bad_line_is_an_object(cli: Cli) -> None:
    words = ("enqueue", "--batch", "-", "--json", "--app", cli.app)

    first = cli.err(*words, given="{", code=ExitCode.USAGE).splitlines()[0]

    assert json.loads(first)["error"]["message"].startswith("line 1: it is not JSON")


def test_a_file_that_is_not_there_is_a_usage_error(cli: Cli) -> None:
    error = cli.err("enqueue", "--batch", "nosuch.ndjson", code=ExitCode.USAGE)

    assert "nosuch.ndjson cannot be read: No such file or directory" in error


def test_a_batch_of_many_chunks_is_sent_whole_and_in_order(cli: Cli) -> None:
    ids = cli.batch(*({"task": "add", "args": [number]} for number in range(1201)))

    listed = [task["id"] for task in cli.json("list", "--limit", "5000")["tasks"]]
    assert listed[::-1] == ids


# ---- where sending fails half way


class Failing:
    """A session whose second call fails: a stand-in for a backend that goes away."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._calls = 0

    def enqueue(self, drafts: Sequence[Draft]) -> list[Enqueued]:
        self._calls += len(drafts) > 0
        if self._calls > 1:
            raise self._error
        return []


def send(error: Exception, *, before: int, lines: int) -> tuple[str, int]:
    sending = Sending(Invocation(output=Output()), sent=before)
    session: Any = Failing(error)
    drafts: Any = ((number, None) for number in range(1, lines + 1))
    with pytest.raises((DoneInPartError, UnavailableError)) as caught:
        _send(sending, session, drafts)
    return str(caught.value), sending.sent


def _send(sending: Sending, session: Session, drafts: Iterator[tuple[int, Draft]]) -> None:
    sending.send(session, drafts)


def test_the_error_names_the_line_to_go_on_from() -> None:
    said, _ = send(UnavailableError("the backend is away"), before=500, lines=501)

    assert said == (
        "500 tasks were sent, then: the backend is away; send the lines from 501 on again"
    )


def test_where_nothing_was_sent_the_error_is_the_backends_own() -> None:
    said, _ = send(UnavailableError("the backend is away"), before=0, lines=501)

    assert said == "the backend is away"


def test_where_single_tasks_failed_the_error_names_their_lines() -> None:
    too_large = TooLargeError("it", 2, 1, "a limit")
    error = EnqueueError({0: too_large, 2: too_large}, ["a", "b"])

    said, sent = send(error, before=500, lines=504)

    assert sent == 502
    assert "send line 501, 503 again, and all after line 504" in said


def test_chunks_keep_the_order_and_lose_nothing() -> None:
    items: Any = [(number, None) for number in range(7)]

    cut = [[number for number, _ in chunk] for chunk in chunks(iter(items), 3)]

    assert cut == [[0, 1, 2], [3, 4, 5], [6]]
