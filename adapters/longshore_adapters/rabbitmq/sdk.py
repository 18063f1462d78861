"""kombu and py-amqp, which have no types: all that is used of them, in one place.

They are loaded when they are first used, not with the adapter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

Untyped: TypeAlias = Any
"""A connection, channel or message of py-amqp's."""

BITS: Final = 28
"""How many queues kombu's ladder has: one for each bit of a delay in seconds."""


def loaded(name: str) -> Untyped:
    """Load a module of theirs; `ConfigurationError` without them."""
    try:
        return import_module(name)
    except ImportError as error:
        message = "RabbitMQ needs kombu; run: pip install 'longshore[rabbitmq]'"
        raise ConfigurationError(message) from error


def dial(transport_options: dict[str, object], **given: object) -> Untyped:
    """Connect to one host; a connection of py-amqp's. Blocks."""
    client = loaded("kombu").Connection(
        transport="pyamqp", transport_options=transport_options, **given
    )
    return client.transport.establish_connection()


def frame_writer(connection: Untyped, outbox: object) -> Callable[..., None]:
    """Make py-amqp's writer of frames, for something to `write` to."""
    made: Callable[..., None] = loaded("amqp.method_framing").frame_writer(connection, outbox)
    return made


def close_method() -> tuple[int, int]:
    """The method that ends a connection."""
    method: tuple[int, int] = loaded("amqp.spec").Connection.Close
    return method


def channel_errors() -> type[Exception]:
    """What py-amqp raises where a channel was closed."""
    error: type[Exception] = loaded("amqp").ChannelError
    return error


def connection_errors() -> tuple[type[Exception], ...]:
    """What py-amqp and sockets raise where a connection breaks.

    An AttributeError is one of them: py-amqp forgets its parts while it still uses them.
    """
    error: type[Exception] = loaded("amqp").AMQPError
    return error, OSError, AttributeError


def not_found() -> type[Exception]:
    """What py-amqp raises where there is no such queue."""
    error: type[Exception] = loaded("amqp").NotFound
    return error


def declare_queue(channel: Untyped, name: str, arguments: dict[str, Any]) -> None:
    """Make a durable queue, or see that it is there in this form."""
    queue = loaded("kombu").Queue(name, durable=True, queue_arguments=arguments)
    queue.bind(channel).queue_declare()


def declare_ladder(connection: Untyped, queue_type: str, prefix: str) -> str:
    """Make kombu's ladder of queues; the exchange that its last step leads to."""
    ladder = loaded("kombu.transport.native_delayed_delivery")
    ladder.declare_native_delayed_delivery_exchanges_and_queues(
        connection, queue_type, prefix=prefix
    )
    return last_step(prefix)


def last_step(prefix: str) -> str:
    """The exchange that the last step of a ladder leads to."""
    ladder = loaded("kombu.transport.native_delayed_delivery")
    return f"{prefix}_{ladder.CELERY_DELAYED_DELIVERY_EXCHANGE}"


def step_of(level: int, prefix: str) -> str:
    """What the queue and the exchange of a level are called."""
    ladder = loaded("kombu.transport.native_delayed_delivery")
    name: str = ladder.level_name(level, prefix)
    return name


def delayed_key(seconds: int, key: str) -> str:
    """The routing key of a message on the ladder."""
    ladder = loaded("kombu.transport.native_delayed_delivery")
    routing: str = ladder.calculate_routing_key(seconds, key)
    return routing
