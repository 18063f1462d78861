"""SAQ on PostgreSQL, with a worker of its own defaults."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tests.bench import journal
from tests.bench.load import QUEUE, named, on_loop
from tests.bench.postgres.apps.server import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

queue: Any = import_module("saq").Queue.from_url(URL, name=QUEUE)


async def _noop(_: object, *, number: int, sent: int, filling: str) -> None:
    del filling
    journal.ran(number, sent)


settings: Final[dict[str, Any]] = {"queue": queue, "functions": [("noop", _noop)]}


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send by coroutines, of which many wait at once."""

    async def send(number: int) -> None:
        await queue.enqueue("noop", **named(number))

    with asyncio.Runner() as runner:
        runner.run(queue.connect())
        yield on_loop(runner, send)
        runner.run(queue.disconnect())
