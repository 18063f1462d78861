"""Longshore: where queue and log are, its settings say."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from longshore import Longshore
from longshore_adapters.sqs import sender
from longshore_adapters.sqs.signed import Signed
from tests.bench import journal
from tests.bench.aws.apps import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

calls.count()


class Counted(Signed):
    """The requests that are signed by hand."""

    def call(self, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Note it, and make it."""
        calls.called()
        return super().call(operation, asked)


setattr(sender, "Signed", Counted)  # noqa: B010 - a counting stand-in is of no type they know
app = Longshore()


@app.task(name="noop")
async def noop(number: int) -> None:
    """Note the run."""
    journal.ran(number)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send with `enqueue_many`, or one by one where BENCH_HOW says so."""
    with app:
        yield one_by_one if os.environ.get("BENCH_HOW") == "one" else many


def many(numbers: range) -> None:
    """Send in batches."""
    app.enqueue_many(noop.message(number) for number in numbers)


def one_by_one(numbers: range) -> None:
    """Send each in a call of its own."""
    for number in numbers:
        noop.enqueue(number)
