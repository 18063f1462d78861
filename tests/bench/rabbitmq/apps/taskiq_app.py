"""taskiq with taskiq-aio-pika, which waits for confirms and has quorum queues as it comes."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.bench import journal
from tests.bench.load import QUEUE, load, on_loop
from tests.bench.rabbitmq.apps.server import PREFETCH, URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

aio_pika: Any = import_module("taskiq_aio_pika")
broker: Any = aio_pika.AioPikaBroker(
    f"amqp://{URL}/",
    qos=PREFETCH,
    exchange=aio_pika.Exchange(name=QUEUE),
    dead_letter_queue=aio_pika.Queue(name=f"{QUEUE}.dead_letter"),
).with_queue(aio_pika.Queue(name=QUEUE))


async def _noop(number: int, sent: int, filling: str) -> None:
    del filling
    journal.ran(number, sent)


noop: Any = broker.task(task_name="noop")(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send by coroutines, of which many wait at once."""
    with asyncio.Runner() as runner:
        runner.run(broker.startup())
        yield on_loop(runner, lambda number: noop.kiq(*load(number)))
        runner.run(broker.shutdown())
