"""Dramatiq with dramatiq_sqs, as it comes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.bench import journal
from tests.bench.aws.apps import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

calls.count()
dramatiq: Any = import_module("dramatiq")
broker: Any = import_module("dramatiq_sqs").SQSBroker(endpoint_url=os.environ["BENCH_SQS"])
dramatiq.set_broker(broker)


def _noop(number: int) -> None:
    journal.ran(number)


noop: Any = dramatiq.actor(queue_name=os.environ["BENCH_QUEUE"], actor_name="noop")(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send one by one: it has no other way."""

    def send(numbers: range) -> None:
        for number in numbers:
            noop.send(number)

    yield send
