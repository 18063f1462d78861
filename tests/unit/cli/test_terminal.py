"""On a terminal: colour and tables, unless NO_COLOR is set; a real one, made by the system."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli

ESCAPE = "\x1b["


def on_a_terminal(*words: str, **environment: str) -> str:
    """Run the command line with a terminal for its output; answer what it wrote there."""
    ours, theirs = pty.openpty()
    ran = subprocess.Popen(
        [sys.executable, "-m", "longshore", *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", **environment},
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65_536):
            written += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    finally:
        os.close(ours)
        ran.wait()
    return written.decode()


@pytest.mark.parametrize("words", [("list",), ("doctor",)], ids=lambda words: words[0])
def test_a_terminal_is_given_colour(cli: Cli, words: tuple[str, ...]) -> None:
    cli.enqueue("add", "--args", "[1]")

    assert ESCAPE in on_a_terminal(*words)


@pytest.mark.parametrize("words", [("list",), ("doctor",)], ids=lambda words: words[0])
def test_no_color_is_honoured(cli: Cli, words: tuple[str, ...]) -> None:
    cli.enqueue("add", "--args", "[1]")

    written = on_a_terminal(*words, NO_COLOR="1")

    assert "default" in written
    assert re.search(r"\x1b\[[0-9;]*[34][0-7]", written) is None


def test_a_name_cannot_write_markup_into_a_table(cli: Cli) -> None:
    cli.enqueue("add", "--args", "[1]")

    written = on_a_terminal("settings", LONGSHORE_ROUTES="mail.[red]=slow")

    assert "routes.mail.[red]" in written
