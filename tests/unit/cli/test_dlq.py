"""`longshore dlq`: dead letters listed, shown, sent again and removed, on every broker alike."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from longshore.cli import ExitCode, main
from longshore.cli.dlq import list_letters, show_letter
from longshore.cli.redriving import purge_letters, redrive
from longshore.queue import Outgoing, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.ports import Ports
    from tests.unit.cli.conftest import Cli

BOOM = {"task": "boom", "tags": ["nightly"]}
BINARY = b"\xff\x00no text"


def send(cli: Cli, body: bytes, *, queue: str = "default", url: str | None = None) -> None:
    """Put a message into a queue as some other program would."""

    async def work(ports: Ports) -> None:
        message = Outgoing(key=ports.ids(), body=body)
        assert await ports.queue(queue).send([message]) == [None]

    cli.ported(work, url)


@pytest.fixture
def dead(cli: Cli) -> Cli:
    """Two failed tasks of queue mail, and a message of queue default that nobody can read."""
    cli.batch(BOOM, BOOM)
    send(cli, BINARY)
    cli.work()
    return cli


def listed(cli: Cli, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli.json("dlq", "list", *words)["letters"]
    return found


def named(cli: Cli, *words: str) -> list[str]:
    return [f"{letter['task']} {letter['reason']}" for letter in listed(cli, *words)]


# ---- list


def test_the_dead_letters_of_every_known_queue_are_listed(dead: Cli) -> None:
    found = listed(dead)

    assert [(one["queue"], one["task"], one["reason"]) for one in found] == [
        ("default", None, "decode"),
        ("mail", "boom", "error"),
        ("mail", "boom", "error"),
    ]
    assert [one["key"] for one in found[1:]] == list(dead.states())[::-1]
    assert found[1]["tags"] == ["nightly"]
    assert (found[0]["size"], found[1]["stamp"]) == (len(BINARY), 0)


def test_for_people_each_letter_is_a_line(dead: Cli) -> None:
    head, *lines = dead.out("dlq", "list").splitlines()

    assert head.split()[:4] == ["Queue", "Id", "Task", "Reason"]
    assert [line.split()[0] for line in lines] == ["default", "mail", "mail"]
    assert "ValueError" in lines[1] or "boom" in lines[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--queue", "mail"), ["boom error"] * 2),
        (("--queue", "nosuch"), []),
        (("--reason", "decode,poison"), ["None decode"]),
        (("--task", "boom"), ["boom error"] * 2),
        (("--tag", "nightly"), ["boom error"] * 2),
        (("--tag", "nightly", "--tag", "big"), []),
        (("--older-than", "1h"), []),
        (("--newer-than", "1h"), ["None decode", "boom error", "boom error"]),
        (("--reason", "error", "--older-than", "0"), ["boom error"] * 2),
    ],
)
def test_what_the_filter_names_is_listed(
    dead: Cli, words: tuple[str, ...], expected: list[str]
) -> None:
    assert named(dead, *words) == expected


def test_a_letter_is_found_by_its_tasks_id(dead: Cli) -> None:
    task_id = next(iter(dead.states()))

    assert [one["key"] for one in listed(dead, "--key", task_id)] == [task_id]


def test_pages_go_on_behind_one_another_over_all_queues(dead: Cli) -> None:
    ids: list[str] = []
    cursor: list[str] = []
    while True:
        page = dead.json("dlq", "list", "--limit", "1", *cursor)
        ids += [letter["id"] for letter in page["letters"]]
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]

    assert ids == [letter["id"] for letter in listed(dead)]
    assert "more: --cursor" in dead.err("dlq", "list", "--limit", "2")
    assert "no cursor" in dead.err("dlq", "list", "--cursor", "x", code=ExitCode.USAGE)


def test_where_there_are_none_it_says_so(cli: Cli) -> None:
    assert cli.out("dlq", "list") == "no dead letters\n"


@pytest.mark.parametrize("words", ["list", "show 1", "redrive 1", "purge --all --yes"])
def test_a_queue_that_has_no_dead_letters_says_what_to_do(cli: Cli, words: str) -> None:
    error = cli.err("dlq", *words.split(), "--url", "null://", code=ExitCode.CONFIGURATION)

    assert "null does not support dead letters that can be looked at" in error
    assert "longshore list --state failed" in error


# ---- show


def test_a_letter_is_shown_with_its_body_and_its_row(dead: Cli) -> None:
    letter = listed(dead, "--queue", "mail")[0]

    shown = dead.json("dlq", "show", letter["id"])
    text = dead.out("dlq", "show", letter["id"], "--queue", "mail")

    assert {**shown, **letter} == shown
    assert json.loads(shown["body"]["text"])["type"] == "boom"
    assert (shown["row"]["id"], shown["row"]["state"]) == (letter["key"], "failed")
    assert "ValueError: no" in text
    assert '"type":"boom"' in text
    assert "failed after 1 attempts" in text


def test_a_body_that_is_no_text_is_shown_as_base64(dead: Cli) -> None:
    letter = listed(dead, "--queue", "default")[0]

    shown = dead.json("dlq", "show", letter["id"])
    text = dead.out("dlq", "show", letter["id"])

    assert b64decode(shown["body"]["base64"]) == BINARY
    assert shown["row"] is None
    assert f"{len(BINARY)} bytes that are no text, in base64:" in text
    assert "has no row of it" in text


def test_a_letter_that_is_not_there_is_not_found(dead: Cli) -> None:
    error = dead.err("dlq", "show", "4711", code=ExitCode.NOT_FOUND)

    assert "no dead letter 4711 in default, mail" in error
    assert "longshore dlq list" in error


# ---- redrive


def test_failed_tasks_run_again_and_their_letters_go(dead: Cli) -> None:
    said = dead.out("dlq", "redrive", "--queue", "mail", "--yes")

    assert said == "2 dead letters: 2 retried\n"
    assert list(dead.states().values()) == ["queued", "queued"]
    assert named(dead) == ["None decode"]


def test_a_redriven_letter_is_named_by_its_id_and_needs_no_consent(dead: Cli) -> None:
    first, second, third = (letter["id"] for letter in listed(dead))

    said = dead.json("dlq", "redrive", first, third)

    counts = {word: said[word] for word in ("retried", "moved", "settled", "refused")}
    assert counts == {"retried": 1, "moved": 1, "settled": 0, "refused": 0}
    assert [(one["id"], one["outcome"]) for one in said["letters"]] == [
        (first, "moved"),
        (third, "retried"),
    ]
    assert [letter["id"] for letter in listed(dead)] == [second]


def test_a_redrive_may_be_repeated(dead: Cli) -> None:
    dead("dlq", "redrive", "--all", "--yes")

    assert dead.out("dlq", "redrive", "--all", "--yes") == "0 dead letters\n"


def test_what_dies_again_meanwhile_is_left_for_the_next_time(dead: Cli) -> None:
    dead("dlq", "redrive", "--all", "--rate", "1000", "--yes")
    dead.work()

    assert named(dead) == ["None decode", "boom error", "boom error"]
    assert [letter["stamp"] for letter in listed(dead, "--queue", "mail")] == [1, 1]


def test_a_dry_run_says_what_would_become_of_each_and_changes_nothing(dead: Cli) -> None:
    before = listed(dead), dead.states()

    text = dead.out("dlq", "redrive", "--all", "--dry-run")
    said = dead.json("dlq", "redrive", "--all", "-n")

    assert text.splitlines()[-1] == "3 dead letters: would be 2 retried, 1 moved"
    assert [one["outcome"] for one in said["letters"]] == ["moved", "retried", "retried"]
    assert said["dry_run"] is True
    assert (listed(dead), dead.states()) == before


def test_a_cancelled_task_is_not_revived(dead: Cli) -> None:
    task_id = listed(dead, "--queue", "mail")[0]["key"]
    dead("dlq", "redrive", "--key", task_id, "--yes")
    dead("cancel", task_id)
    send(dead, b"?", queue="mail")

    said = dead.out("dlq", "redrive", "--all", "--yes")

    assert said == "2 dead letters: 1 retried, 1 moved\n"
    assert dead.states()[task_id] == "cancelled"


def test_nothing_is_sent_again_without_consent(dead: Cli) -> None:
    error = dead.err("dlq", "redrive", "--queue", "mail", code=ExitCode.USAGE)

    assert "confirm it with --yes" in error
    assert len(listed(dead)) == 3


@pytest.mark.parametrize("verb", ["redrive", "purge"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--yes",), "say which: ids, a filter, or --all"),
        (("1", "--reason", "error"), "give ids, or a filter"),
        (("1", "--all"), "give ids, or a filter"),
    ],
)
def test_what_could_mean_more_than_was_meant_is_refused(
    cli: Cli, verb: str, words: tuple[str, ...], said: str
) -> None:
    assert said in cli.err("dlq", verb, *words, code=ExitCode.USAGE)


@pytest.mark.parametrize("verb", ["redrive", "purge"])
def test_an_id_that_is_not_there_stops_the_others(dead: Cli, verb: str) -> None:
    known = listed(dead)[0]["id"]

    error = dead.err("dlq", verb, known, "4711", code=ExitCode.NOT_FOUND)

    assert "no dead letter 4711" in error
    assert len(listed(dead)) == 3


# ---- the broker's own


@pytest.fixture
def native(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A broker that can move letters by itself, and a log elsewhere."""
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", cli.plugin())
    cli.batch(BOOM)
    cli.work()
    return cli


def test_a_broker_may_move_every_letter_by_itself(native: Cli) -> None:
    said = native.out("dlq", "redrive", "--all", "--queue", "mail", "--native", "--rate=9", "--yes")

    assert said == "mail: 1 on their way, at 9 a second\n"
    assert listed(native) == []


def test_the_workers_restart_what_the_broker_moved(native: Cli) -> None:
    started = native.json("dlq", "redrive", "--all", "--native", "--yes")["started"]
    native.work()

    (task,) = native.json("list")["tasks"]
    assert started["mail"].startswith("1 on their way")
    assert (task["state"], task["run"]) == ("failed", 1)


@pytest.mark.parametrize(
    "words", [("--reason", "error"), ("1",), ("--all", "--dry-run"), ("--all", "--task", "boom")]
)
def test_the_broker_moves_whole_queues_only(native: Cli, words: tuple[str, ...]) -> None:
    error = native.err("dlq", "redrive", "--native", "--yes", *words, code=ExitCode.USAGE)

    assert "--native moves whole queues" in error


def test_a_broker_that_cannot_says_so(dead: Cli) -> None:
    words = ("--all", "--native", "--yes")

    error = dead.err("dlq", "redrive", *words, code=ExitCode.CONFIGURATION)

    assert "leave out --native" in error


def test_letters_of_a_queue_apart_from_its_log_go_the_same_way(native: Cli) -> None:
    assert native.out("dlq", "redrive", "--all", "--yes") == "1 dead letters: 1 retried\n"
    assert list(native.states().values()) == ["queued"]


# ---- the help


@pytest.mark.parametrize(
    "example",
    [one for each in (list_letters, show_letter, redrive, purge_letters) for one in each.examples],
)
def test_the_examples_of_the_help_do_what_they_can(dead: Cli, example: str) -> None:
    words = example.partition(" | ")[0].split()

    result = CliRunner().invoke(main, words)

    unknown_id, no_consent = ExitCode.NOT_FOUND, "confirm it with --yes" in result.stderr
    native = "--native" in words and result.exit_code == ExitCode.CONFIGURATION
    assert result.exit_code in {ExitCode.OK, unknown_id} or no_consent or native
    assert (result.exit_code == unknown_id) == ("17" in words)


# ---- what may go wrong


def test_a_letter_of_a_task_that_was_given_up_is_refused_once(cli: Cli) -> None:
    """The broker itself moved the message, so nothing says which run it was of."""
    task_id = cli.enqueue("add", "--args", "[1]")
    send(cli, BINARY)

    async def bury(ports: Ports) -> None:
        queue = ports.queue("default")
        held = await queue.receive(limit=2, wait=timedelta(0), lease=timedelta(minutes=1))
        await queue.reject([Rejection(delivery=one, reason="undeliverable") for one in held])

    cli.ported(bury)
    cli("cancel", task_id)

    ran = cli("dlq", "redrive", "--all", "--yes", code=ExitCode.PARTIAL)

    assert ran.stdout == "2 dead letters: 1 moved, 1 refused\n"
    assert f"its task is cancelled; to run it all the same: longshore retry {task_id}" in ran.stderr
    assert cli.states() == {task_id: "cancelled"}
    (kept,) = listed(cli)
    assert cli.json("dlq", "redrive", kept["id"], code=ExitCode.FAILED)["refused"] == 1


def test_a_broker_that_shows_a_part_at_a_time_is_asked_until_nothing_is_left(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", cli.plugin() + "?few")
    cli.batch(*[BOOM] * 3)
    cli.work()

    said = cli.json("dlq", "purge", "--queue", "mail", "--all", "--yes")

    assert said["removed"] == 3


@pytest.fixture
def half(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Cli]:
    """A broker with dead letters in two queues, one of which then refuses a verb."""
    url = cli.plugin()
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", url)
    cli.batch(BOOM)
    send(cli, BINARY, url=url)
    cli.work()

    def refusing(verb: str) -> Cli:
        monkeypatch.setenv("LONGSHORE_QUEUE_URL", f"{url}?{verb}")
        return cli

    return refusing


def test_a_queue_that_cannot_be_asked_is_named_and_the_others_are_listed(
    half: Callable[[str], Cli],
) -> None:
    cli = half("dead_letters")

    found = json.loads(cli.out("dlq", "list", "--json", code=ExitCode.PARTIAL))

    assert [letter["queue"] for letter in found["letters"]] == ["default"]
    assert "the server is away" in found["errors"]["mail"]
    text = cli.err("dlq", "list", code=ExitCode.PARTIAL)
    assert text.startswith("queue mail is left out: ")
    cli("dlq", "list", "--queue", "mail", code=ExitCode.UNAVAILABLE)


def test_where_it_fails_half_way_it_says_how_far_it_came(half: Callable[[str], Cli]) -> None:
    cli = half("discard")

    error = cli.err("dlq", "purge", "--all", "--yes", code=ExitCode.PARTIAL)

    assert error.startswith("error: 1 dead letters were done before this: discard: ")
    assert error.endswith("; run it again\n")
    cli("dlq", "purge", "--all", "--queue", "mail", "--yes", code=ExitCode.UNAVAILABLE)


def test_what_the_broker_began_is_said_where_it_refuses_the_rest(
    half: Callable[[str], Cli],
) -> None:
    cli = half("redrive")

    error = cli.err("dlq", "redrive", "--all", "--native", "--yes", code=ExitCode.PARTIAL)

    assert error.startswith("error: default had begun before this: mail: redrive: ")


# ---- purge


def test_what_the_filter_names_is_removed_and_the_log_keeps_its_tasks(dead: Cli) -> None:
    dry = dead.out("dlq", "purge", "--task", "boom", "--dry-run").splitlines()[-1]
    said = dead.out("dlq", "purge", "--task", "boom", "--yes")

    assert dry == "2 dead letters: would be 2 removed"
    assert said == "2 dead letters: 2 removed\n"
    assert named(dead) == ["None decode"]
    assert list(dead.states().values()) == ["failed", "failed"]


def test_a_letter_is_removed_by_its_id(dead: Cli) -> None:
    first = listed(dead)[0]["id"]

    said = dead.json("dlq", "purge", first)

    assert (said["removed"], said["letters"][0]["id"]) == (1, first)
    assert named(dead) == ["boom error", "boom error"]


def test_nothing_is_removed_without_consent(dead: Cli) -> None:
    assert "--yes" in dead.err("dlq", "purge", "--all", code=ExitCode.USAGE)
    assert len(listed(dead)) == 3
