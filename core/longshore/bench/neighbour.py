"""huey, the neighbour that some rows are measured beside, where it is installed.

It keeps its tasks in SQLite as well, and no log of them. Left to itself it does not set
`PRAGMA synchronous`, which leaves it at FULL: one fsync for each commit. Both that and NORMAL,
which is Longshore's default, are measured.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from longshore.bench.tasks import Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

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
        huey: Any = import_module("huey")  # optional, and without types of its own
        self._huey: Any = huey.SqliteHuey("bench", filename=str(path))
        if synchronous is not None:
            self._huey.storage.conn.execute(f"PRAGMA synchronous = {synchronous}")
        self.calls = Calls()
        calls = self.calls

        def noop(number: int) -> None:
            del number
            calls.count()

        def clock(number: int) -> int:
            del number
            return time.monotonic_ns()

        self.enqueue: Callable[[int], Any] = self._huey.task(name="noop")(noop)
        self.ask: Callable[[int], Any] = self._huey.task(name="clock")(clock)

    @contextmanager
    def consuming(self) -> Generator[None]:
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
def opened(path: Path, synchronous: str | None = None) -> Generator[Neighbour]:
    """Use a huey, and close its file at the end."""
    neighbour = Neighbour(path, synchronous)
    try:
        yield neighbour
    finally:
        neighbour.close()
