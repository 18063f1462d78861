"""Where it is measured: a RabbitMQ, and queues that are made once and removed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from longshore_adapters.rabbitmq.ladder import remove_ladder
from longshore_adapters.rabbitmq.options import parse_url
from tests.bench.processes import GRACE
from tests.bench.rabbitmq.apps.pyamqp_app import channel
from tests.brokers.servers import RABBITMQ

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NAME: Final = "tasks"
"""Longshore's name of a queue, behind a prefix."""
_MADE: Final = ("", "-dlq", ".DQ", ".XQ", ".dead_letter")
"""What contenders name their queues, behind the name that they are given."""
_LOOK: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server on this machine, and a folder for what processes write."""

    folder: Path
    port: int = RABBITMQ.port

    @contextmanager
    def queue(self) -> Generator[Queue]:
        """Name a queue; it is gone afterwards, with all that a contender makes of the name."""
        with channel(f"guest:guest@127.0.0.1:{self.port}") as of:
            queue = Queue(f"bench-{uuid4().hex[:8]}-", of)
            try:
                yield queue
            finally:
                for each in _MADE:
                    of.queue_delete(queue.name + each)
                of.exchange_delete(queue.name)
                remove_ladder(of, parse_url(self.url(queue)))

    def url(self, queue: Queue) -> str:
        """The URL of Longshore's queues under a prefix."""
        return f"rabbitmq://guest:guest@127.0.0.1:{self.port}?prefix={queue.prefix}"


class Queue:
    """A queue, seen by a connection of its own that consumes nothing."""

    def __init__(self, prefix: str, of: Any) -> None:
        """Look through a channel of py-amqp's."""
        self.prefix = prefix
        self.name = prefix + NAME
        self._of = of

    def left(self) -> int:
        """Messages that wait; what a worker holds is not among them."""
        return int(self._of.queue_declare(self.name, passive=True).message_count)

    def holds(self, wanted: int) -> int:
        """Wait for as many messages, for a while; how many there are."""
        end = time.monotonic() + GRACE
        while (left := self.left()) != wanted and time.monotonic() < end:
            time.sleep(_LOOK)
        return left

    def sample(self) -> tuple[int, bool]:
        """Look at a message that waits: the bytes of its body, and whether it is durable."""
        message = self._of.basic_get(self.name)
        self._of.basic_reject(message.delivery_tag, requeue=True)
        body = message.body
        size = len(body if isinstance(body, bytes) else body.encode())
        return size, message.properties.get("delivery_mode") == 2
