"""procrastinate, with its own connector; what it has run it keeps, as it comes.

`python -m tests.bench.postgres.apps.procrastinate_app` is its worker: its own command would log
each task.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.bench import journal
from tests.bench.load import HOW, QUEUE, named
from tests.bench.postgres.apps.server import AT_ONCE, URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

procrastinate: Any = import_module("procrastinate")
app: Any = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL))


async def _noop(number: int, sent: int, filling: str) -> None:
    del filling
    journal.ran(number, sent)


noop: Any = app.task(name="noop", queue=QUEUE)(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send with `batch_defer`, or with `defer`."""
    with app.open():
        if not app.check_connection():
            app.schema_manager.apply_schema()
        yield one_by_one if HOW == "one" else many


def many(numbers: range) -> None:
    """Send a thousand at once."""
    for start in range(0, len(numbers), AT_ONCE):
        noop.batch_defer(*map(named, numbers[start : start + AT_ONCE]))


def one_by_one(numbers: range) -> None:
    """Send each in a call of its own."""
    for number in numbers:
        noop.defer(**named(number))


if __name__ == "__main__":
    app.run_worker(concurrency=int(os.environ["BENCH_CONCURRENCY"]))
