"""taskiq with taskiq-aio-sqs, as it comes; it receives one message at a time.

With BENCH_HOW=ten it receives ten, which it can be told to.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.bench import journal
from tests.bench.aws.apps import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

calls.count()
_TEN: dict[str, Any] = {"max_number_of_messages": 10}
broker: Any = import_module("taskiq_aio_sqs").SQSBroker(
    os.environ["BENCH_QUEUE"],
    endpoint_url=os.environ["BENCH_SQS"],
    **(_TEN if os.environ.get("BENCH_HOW") == "ten" else {}),
)


async def _noop(number: int) -> None:
    journal.ran(number)


noop: Any = broker.task(task_name="noop")(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send one by one."""

    async def send(numbers: range) -> None:
        for number in numbers:
            await noop.kiq(number)

    with asyncio.Runner() as runner:
        runner.run(broker.startup())
        yield lambda numbers: runner.run(send(numbers))
        runner.run(broker.shutdown())
