"""Where it is measured: a RabbitMQ, and queues that are made once and removed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from longshore_adapters.rabbitmq.ladder import remove_ladder
from longshore_adapters.rabbitmq.options import parse_url
from tests.bench.figures import Measured
from tests.bench.rabbitmq.apps.pyamqp_app import channel
from tests.bench.rabbitmq.contenders import NAME, logged, settings
from tests.brokers.servers import RABBITMQ

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from longshore.bench.floor import Census
    from tests.bench.contender import Contender

_MADE: Final = ("", "-dlq", ".DQ", ".XQ", ".dead_letter")
"""What contenders name their queues, behind the name that they are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server on this machine, and a folder for what processes write."""

    folder: Path
    port: int = RABBITMQ.port

    @contextmanager
    def queue(self, one: Contender) -> Generator[Queue]:
        """Name a queue; it is gone afterwards, with all that a contender makes of the name."""
        with channel(f"guest:guest@127.0.0.1:{self.port}") as of:
            queue = Queue(self, one, f"bench-{uuid4().hex[:8]}-", of)
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
    """A contender's queue, seen by a connection of its own that consumes nothing."""

    def __init__(self, place: Place, one: Contender, prefix: str, of: Any) -> None:
        """Look through a channel of py-amqp's."""
        self.prefix = prefix
        self.name = prefix + NAME
        self._place = place
        self._one = one
        self._of = of

    def settings(self) -> Mapping[str, str]:
        """What the contender's processes are told."""
        return settings(self._place, self, self._one)

    def left(self) -> int:
        """Messages that wait; what a worker holds is not among them."""
        return int(self._of.queue_declare(self.name, passive=True).message_count)

    def look(self) -> Measured:
        """Look at a message that waits: the bytes of its body, and whether it is durable."""
        message = self._of.basic_get(self.name)
        self._of.basic_reject(message.delivery_tag, requeue=True)
        body = message.body
        size = len(body if isinstance(body, bytes) else body.encode())
        is_durable = message.properties.get("delivery_mode") == 2
        return Measured(figures={"size": size}, counts={"not durable": int(not is_durable)})

    def logged(self) -> Census | None:
        """What is in the log; None for a contender without one."""
        return logged(self._place, self)

    def succeeded(self) -> int | None:
        """Successes in the log."""
        log = self.logged()
        return None if log is None else log.succeeded
