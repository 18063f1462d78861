"""The floor: bare py-amqp, windowed confirms and multiple-acks, and nothing around them."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

WINDOW: Final = 1000
PREFETCH: Final = 500
ACKED: Final = 100
BODY: Final = b"x" * 500
PATIENCE: Final = 30.0


@contextmanager
def channel(port: int) -> Generator[Any]:
    """A connection's only channel."""
    amqp: Any = import_module("amqp")
    with amqp.Connection(f"127.0.0.1:{port}", userid="guest", password="guest") as connection:  # noqa: S106 - of every fresh RabbitMQ
        yield connection.channel()


def publish(port: int, queue: str, count: int, window: int = WINDOW) -> float:
    """Publish durable messages, so many of them unconfirmed at once; the seconds it took."""
    amqp: Any = import_module("amqp")
    confirmed = [0]

    def confirm(tag: int, multiple: bool) -> None:  # noqa: FBT001 - as py-amqp calls it
        confirmed[0] = tag if multiple else confirmed[0] + 1

    with channel(port) as to:
        to.confirm_select()
        to.events["basic_ack"].add(confirm)
        began = perf_counter()
        for number in range(1, count + 1):
            to.basic_publish(amqp.Message(BODY, delivery_mode=2), "", queue)
            while number - confirmed[0] >= window:
                to.connection.drain_events(timeout=PATIENCE)
        while confirmed[0] < count:
            to.connection.drain_events(timeout=PATIENCE)
        return perf_counter() - began


def drain(port: int, queue: str, count: int) -> float:
    """Consume and acknowledge, a hundred at once; the seconds it took."""
    got = [0]
    with channel(port) as of:

        def take(message: Any) -> None:
            got[0] += 1
            if got[0] % ACKED == 0 or got[0] == count:
                of.basic_ack(message.delivery_tag, multiple=True)

        of.basic_qos(0, PREFETCH, a_global=False)
        began = perf_counter()
        of.basic_consume(queue, callback=take)
        while got[0] < count:
            of.connection.drain_events(timeout=PATIENCE)
        return perf_counter() - began
