"""Longshore: where queue and log are, its settings say."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from longshore import Longshore
from longshore.wiring import open_ports
from tests.bench import journal
from tests.bench.load import DELAY, HOW, load

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

app = Longshore()


@app.task(name="noop")
async def noop(number: int, sent: int, filling: str) -> None:
    """Note the run."""
    del filling
    journal.ran(number, sent)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send with `enqueue_many`, or with `enqueue`."""
    asyncio.run(_declare())
    with app:
        yield {"many": many, "one": one_by_one, "later": later}[HOW]


async def _declare() -> None:
    """Make the queue, as `longshore init` does."""
    async with open_ports(app.settings) as ports:
        await ports.queue(app.settings.queue).declare()


def many(numbers: range) -> None:
    """Send in batches."""
    app.enqueue_many(noop.message(*load(number)) for number in numbers)


def one_by_one(numbers: range) -> None:
    """Send each in a call of its own."""
    for number in numbers:
        noop.enqueue(*load(number))


def later(numbers: range) -> None:
    """Send what is to run in an hour."""
    delayed = noop.using(delay=f"{DELAY}s")
    app.enqueue_many(delayed.message(*load(number)) for number in numbers)
