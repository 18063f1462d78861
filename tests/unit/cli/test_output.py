"""Output: harmless, and plain where nobody looks."""

from __future__ import annotations

import errno
import io
import json
import os
import sys

import pytest

from longshore.cli.output import Output, flush, printable, to_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – text", "plain – text"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\u202eright to left", "\\u202eright to left"),
        ("half \udc80", "half \\udc80"),
    ],
    ids=["plain", "lines", "escapes", "direction", "surrogate"],
)
def test_what_a_terminal_would_obey_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["plain", "ünï", "half \udc80", 'quote " and \\'])
def test_json_can_always_be_encoded_and_read_back(text: str) -> None:
    written = to_json({"text": text})

    assert json.loads(written.encode("utf-8")) == {"text": text}


def test_a_table_without_a_terminal_has_aligned_columns_and_no_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output().table(("Id", "State"), [("long one", "failed"), ("x", "a\nb")])

    assert capsys.readouterr().out == "Id        State\nlong one  failed\nx         a b\n"


def test_a_line_without_a_terminal_has_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    Output().styled("gone", "failed")
    Output().heading("Part")

    assert capsys.readouterr().out == "gone\nPart\n"


def test_notes_go_to_standard_error_and_nowhere_with_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output().note("more")
    Output(json=True).note("nothing")

    assert capsys.readouterr() == ("", "more\n")


def test_progress_without_a_terminal_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("tasks", 3) as advance:
        advance(3)

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("output", [Output(), Output(json=True)], ids=["text", "json"])
def test_where_standard_error_is_gone_nothing_is_said_and_nothing_fails(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        """A terminal that has gone away."""

        def write(self, _: str) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sys, "stderr", Gone())

    output.note("stopped")
    output.problem("broken", kind="Error")
    output.traceback(ValueError("broken"))


def test_what_a_terminal_that_is_gone_did_not_take_fails_no_later_flush(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        os.close(ours)

        Output().note("nobody reads this")

        flush()
