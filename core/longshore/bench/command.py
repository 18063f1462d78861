"""The processes of a measurement: started in a clean environment, ended with their block."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longshore.bench.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

APP: Final = "longshore.bench.tasks:app"
_LAST_WORDS: Final = 20

# Nothing else of the caller's environment goes along: a setting in it would be measured too.
_KEPT: Final = (
    *("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START"),
)

_CREDENTIALS: Final = "AWS_"


def environment(url: str | None = None, **settings: object) -> dict[str, str]:
    """The environment of a measured process; settings by their names."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_CREDENTIALS)
    }
    given = settings if url is None else {"url": url, "app": APP, **settings}
    return kept | {f"LONGSHORE_{name.upper()}": str(value) for name, value in given.items()}


def python(*words: str) -> list[str]:
    """Run the Python that runs this."""
    return [sys.executable, *words]


def work() -> list[str]:
    """Run the command that people run."""
    return python("-m", "longshore", "work")


class Running:
    """A process with pipes to and from it; what it says on standard error is kept in a file."""

    def __init__(self, what: str, process: subprocess.Popen[str], said: Path) -> None:
        """`what` names it in errors."""
        self._what = what
        self._process = process
        self._said = said

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def line(self) -> str:
        """Read a line of its output; `MeasurementError` where there is no more."""
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        line = self._process.stdout.readline()
        if not line:
            raise MeasurementError(self._what, self._process.wait(), self._last_words())
        return line

    def tell(self, line: str) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens where it has ended."""
        self._process.send_signal(number)

    def ended(self, seconds: float) -> bool:
        """Wait for its end; False where it does not come in time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _last_words(self) -> str:
        lines = self._said.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LAST_WORDS:])


@contextmanager
def running(
    what: str, command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Generator[Running]:
    """Run a command meanwhile; it is ended with the block."""
    number, path = tempfile.mkstemp(dir=folder, prefix="said-", suffix=".txt")
    with (
        open(number, "w", encoding="utf-8") as said,  # noqa: PTH123 - by its descriptor
        subprocess.Popen(  # noqa: S603 - commands of our own
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        try:
            yield Running(what, process, Path(path))
        finally:
            process.kill()
