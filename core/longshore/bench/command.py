"""The processes of a measurement: started in a clean environment, ended with their block."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

APP: Final = "longshore.bench.tasks:app"

# Nothing else of the caller's environment goes along: a setting in it would be measured too.
_KEPT: Final = (
    *("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START"),
)


def environment(url: str | None = None, **settings: object) -> dict[str, str]:
    """The environment of a measured process; settings by their names."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    given = settings if url is None else {"url": url, "app": APP, **settings}
    return kept | {f"LONGSHORE_{name.upper()}": str(value) for name, value in given.items()}


def python(*words: str) -> list[str]:
    """Run the Python that runs this."""
    return [sys.executable, *words]


def work() -> list[str]:
    """Run the command that people run."""
    return python("-m", "longshore", "work")


@contextmanager
def running(
    command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run a command meanwhile; a pipe leads to and from it, and it ends with the block."""
    process = subprocess.Popen(  # noqa: S603 - commands of our own
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
