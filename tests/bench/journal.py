"""What measured processes leave behind: a record for each run of a task.

The file is appended to in one write each, so that any number of processes and threads may.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

WIDTH: Final = 48
"""Bytes of a record: a number, two times, and the end of the line."""


class Run(NamedTuple):
    """A task's number, and by the clock that all processes share, when it was sent and begun."""

    number: int
    sent: int
    began: int


def ran(number: int, sent: int = 0) -> None:
    """Note that the task of this number begins, as the first thing that it does."""
    os.write(opened("BENCH_RUNS"), b"%07d %019d %019d\n" % (number, sent, time.monotonic_ns()))


def made(path: Path) -> int:
    """Count the runs so far."""
    return path.stat().st_size // WIDTH if path.exists() else 0


def read(path: Path) -> list[Run]:
    """Read all runs, in the order in which they were noted."""
    return [Run(*map(int, line.split())) for line in path.read_bytes().splitlines()]


@cache
def opened(name: str) -> int:
    """Open for appending the file that a variable of the environment names."""
    return os.open(os.environ[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
