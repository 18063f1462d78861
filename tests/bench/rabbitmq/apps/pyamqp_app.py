"""The floor: bare py-amqp, windowed confirms and multiple-acks, and nothing around them.

`python -m tests.bench.rabbitmq.apps.pyamqp_app` is its worker.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tests.bench import journal
from tests.bench.load import HOW, QUEUE, load
from tests.bench.rabbitmq.apps.server import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

amqp: Any = import_module("amqp")  # it has no types
_WINDOW: Final = 1 if HOW == "one" else 1000
_PREFETCH: Final = 500
_ACKED: Final = 100
_PATIENCE: Final = 30.0
_LINGER: Final = 0.02


@contextmanager
def channel(server: str) -> Generator[Any]:
    """A connection's only channel."""
    account, _, host = server.partition("@")
    user, _, password = account.partition(":")
    with amqp.Connection(host, userid=user, password=password) as connection:
        yield connection.channel()


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Publish durable messages with a window of unconfirmed ones."""
    confirmed = [0]
    published = [0]

    def confirm(tag: int, multiple: bool) -> None:  # noqa: FBT001 - as py-amqp calls it
        confirmed[0] = tag if multiple else confirmed[0] + 1

    with channel(URL) as to:
        to.queue_declare(
            QUEUE, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"}
        )
        to.confirm_select()
        to.events["basic_ack"].add(confirm)

        def send(numbers: range) -> None:
            for number in numbers:
                body = "{} {} {}".format(*load(number))
                to.basic_publish(amqp.Message(body, delivery_mode=2), "", QUEUE)
                published[0] += 1
                while published[0] - confirmed[0] >= _WINDOW:
                    to.connection.drain_events(timeout=_PATIENCE)
            while confirmed[0] < published[0]:
                to.connection.drain_events(timeout=_PATIENCE)

        yield send


def main() -> None:
    """Consume and acknowledge, a hundred at once or what came, until the process is ended."""
    signal.signal(signal.SIGTERM, _stop)
    taken: list[int] = []
    with channel(URL) as of:

        def settle() -> None:
            if taken:
                of.basic_ack(taken[-1], multiple=True)
                taken.clear()

        def take(message: Any) -> None:
            number, sent, _ = message.body.split(maxsplit=2)
            journal.ran(int(number), int(sent))
            taken.append(message.delivery_tag)
            if len(taken) == _ACKED:
                settle()

        of.basic_qos(0, _PREFETCH, a_global=False)
        of.basic_consume(QUEUE, callback=take)
        try:
            _consume(of, taken, settle)
        finally:
            settle()


def _stop(*_: object) -> NoReturn:
    sys.exit()


def _consume(of: Any, taken: list[int], settle: Callable[[], None]) -> NoReturn:
    while True:
        try:
            of.connection.drain_events(timeout=_LINGER if taken else None)
        except TimeoutError:
            settle()


if __name__ == "__main__":
    main()
