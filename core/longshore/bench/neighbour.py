"""huey, the neighbour that some rows are measured beside, where it is installed.

It keeps its tasks in SQLite as well, and no log of them. Left to itself it does not set
`PRAGMA synchronous`, which leaves it at FULL: one fsync for each commit. Both that and NORMAL,
which is Longshore's default, are measured.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from longshore.bench.tasks import Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MISSING: Final = "huey is not installed: pip install huey"
_LOOK: Final = 0.005


def is_installed() -> bool:
    """Whether huey can be measured."""
    return find_spec("huey") is not None


def version() -> str:
    """The version of huey, or that there is none."""
    if not is_installed():
        return "not installed"
    from importlib.metadata import version as read  # noqa: PLC0415 - only where it is there

    return read("huey")


class Neighbour:
    """A huey with one task, in a file of its own."""

    def __init__(self, path: Path, synchronous: str | None = None) -> None:
        """Use what huey itself sets where `synchronous` is None."""
        from huey import SqliteHuey  # noqa: PLC0415 - an optional neighbour

        self._huey: Any = SqliteHuey("bench", filename=str(path))
        if synchronous is not None:
            self._huey.storage.conn.execute(f"PRAGMA synchronous = {synchronous}")
        self.calls = Calls()
        calls = self.calls

        @self._huey.task(name="noop")
        def noop(number: int) -> None:
            del number
            calls.count()

        @self._huey.task(name="clock")
        def clock(number: int) -> int:
            del number
            return time.monotonic_ns()

        self.enqueue: Callable[[int], Any] = noop
        self.ask: Callable[[int], Any] = clock

    @contextmanager
    def consuming(self) -> Iterator[None]:
        """Run a consumer with one worker thread, its fastest way with SQLite, meanwhile."""
        consumer = self._huey.create_consumer(workers=1, worker_type="thread", periodic=False)
        consumer.start()
        try:
            yield
        finally:
            consumer.stop(graceful=True)

    def drain(self, tasks: int) -> float:
        """Enqueue tasks, then run them all; answer the seconds that the running took."""
        for number in range(tasks):
            self.enqueue(number)
        began = time.perf_counter()
        with self.consuming():
            while self.calls.made < tasks:
                time.sleep(_LOOK)
            return time.perf_counter() - began

    def close(self) -> None:
        """Close the file."""
        self._huey.storage.close()


@contextmanager
def opened(path: Path, synchronous: str | None = None) -> Iterator[Neighbour]:
    """Use a huey, and close its file at the end."""
    neighbour = Neighbour(path, synchronous)
    try:
        yield neighbour
    finally:
        neighbour.close()


def main(path: Path) -> None:
    """Consume, as huey does by default, until the pipe from the measurement closes."""
    with opened(path) as neighbour, neighbour.consuming():
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
