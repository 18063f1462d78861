"""FastStream, which waits for confirms as it comes, on a quorum queue.

`python -m tests.bench.rabbitmq.apps.faststream_app` is its worker: its own command would need more.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.bench import journal
from tests.bench.load import QUEUE, named, on_loop
from tests.bench.rabbitmq.apps.server import PREFETCH, URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

rabbit: Any = import_module("faststream.rabbit")
broker: Any = rabbit.RabbitBroker(
    f"amqp://{URL}/", default_channel=rabbit.Channel(prefetch_count=PREFETCH), logger=None
)
queue: Any = rabbit.RabbitQueue(QUEUE, queue_type=rabbit.QueueType.QUORUM, durable=True)
app: Any = import_module("faststream").FastStream(broker)


async def _noop(number: int, sent: int, filling: str) -> None:
    del filling
    journal.ran(number, sent)


noop: Any = broker.subscriber(queue)(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send by coroutines, of which many wait at once."""

    async def send(number: int) -> None:
        await broker.publish(named(number), queue, persist=True)

    with asyncio.Runner() as runner:
        runner.run(broker.connect())
        runner.run(broker.declare_queue(queue))
        yield on_loop(runner, send)
        runner.run(broker.stop())


if __name__ == "__main__":
    asyncio.run(app.run(log_level=logging.WARNING))
