"""Dramatiq, told to wait for confirms. It declares classic queues and has no setting for others.

The method that gives a queue's arguments is replaced, to have a quorum queue as everybody.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.bench import journal
from tests.bench.load import DELAY, HOW, QUEUE, load, on_threads
from tests.bench.rabbitmq.apps.server import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_MS = 1000
dramatiq: Any = import_module("dramatiq")
broker: Any = import_module("dramatiq.brokers.rabbitmq").RabbitmqBroker(
    url=f"amqp://{URL}/%2F", confirm_delivery=True
)
_classic: Any = broker._build_queue_arguments  # noqa: SLF001 - no other way to a quorum queue


def _quorum(name: str) -> dict[str, Any]:
    return {**_classic(name), "x-queue-type": "quorum"}


broker._build_queue_arguments = _quorum  # noqa: SLF001 - as above
dramatiq.set_broker(broker)


def _noop(number: int, sent: int, filling: str) -> None:
    del filling
    journal.ran(number, sent)


noop: Any = dramatiq.actor(queue_name=QUEUE, actor_name="noop")(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send one by one, or so on several threads: each has a connection of its own."""
    delay = DELAY * _MS if HOW == "later" else None
    yield on_threads(lambda number: noop.send_with_options(args=load(number), delay=delay))
    broker.close()
