"""What a queue, and what belongs to it, is called in RabbitMQ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError
from longshore_adapters.rabbitmq.sdk import BITS

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.options import Options

MAX_NAME: Final = 255
"""Bytes of a queue's name: it is an AMQP short string."""
_DEAD: Final = "-dlq"
_STEPS: Final = 2 * BITS
"""Bytes that the ladder puts before a name in routing keys, which are short strings as well."""


@dataclass(frozen=True, slots=True)
class Names:
    """The queue as Longshore knows it, as RabbitMQ does, and its dead-letter queue."""

    name: str
    queue: str
    dead: str


def names_of(name: str, options: Options) -> Names:
    """Name a queue; `ConfigurationError` for what RabbitMQ would not take."""
    queue = options.prefix + name
    if queue.startswith("amq."):
        message = f"{queue!r} cannot be a queue's name: RabbitMQ keeps 'amq.' for itself"
        raise ConfigurationError(message)
    if not name or len((queue + _DEAD).encode()) > MAX_NAME:
        message = (
            f"{name!r} cannot be a queue's name: use 1 to {MAX_NAME} bytes, with prefix and -dlq"
        )
        raise ConfigurationError(message)
    if options.ladder and len(queue.encode()) > MAX_NAME - _STEPS:
        message = (
            f"{name!r} cannot be a queue's name with ladder=on: use {MAX_NAME - _STEPS} bytes at "
            "most, with prefix"
        )
        raise ConfigurationError(message)
    return Names(name=name, queue=queue, dead=queue + _DEAD)
