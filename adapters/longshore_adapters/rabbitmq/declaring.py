"""Making queues, emptying them, and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.rabbitmq.desk import version_of
from longshore_adapters.rabbitmq.ladder import declare_ladder
from longshore_adapters.rabbitmq.limits import DELIVERY_LIMIT
from longshore_adapters.rabbitmq.versions import STRICT_PRIORITIES, UNLIMITED, numbers

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.options import Options

NOT_FOUND: Final = 404


def queue_arguments(options: Options, names: Names) -> dict[str, Any]:
    """What a queue is made with. What a server would take and not heed is not in it."""
    arguments: dict[str, Any] = {
        "x-queue-type": options.type,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": names.dead,
        "x-overflow": "reject-publish",
    }
    if options.quorum:
        arguments["x-dead-letter-strategy"] = "at-least-once"
        arguments["x-delivery-limit"] = DELIVERY_LIMIT
    elif options.bands:
        arguments["x-max-priority"] = len(options.bands)
    return arguments


def dead_arguments(options: Options, version: str) -> dict[str, Any]:
    """What its dead-letter queue is made with: each look at it counts as a delivery."""
    arguments: dict[str, Any] = {"x-queue-type": options.type}
    if options.quorum and numbers(version) >= UNLIMITED:
        arguments["x-delivery-limit"] = -1
    return arguments


def declare(channel: Any, names: Names, options: Options) -> bool:  # noqa: ANN401 - py-amqp has no types
    """Make both queues; whether the queue was not there. Raises for one in another form."""
    version = version_of(channel.connection)
    missing = is_missing(channel.connection, names.queue)
    make(channel, names.dead, dead_arguments(options, version))
    make(channel, names.queue, queue_arguments(options, names))
    if options.ladder:
        declare_ladder(channel, names, options)
    return missing


def make(channel: Any, name: str, arguments: dict[str, Any]) -> None:  # noqa: ANN401 - as above
    """Make a durable queue, or see that it is there in this form."""
    from kombu import Queue  # noqa: PLC0415 - the SDK is loaded when it is used

    Queue(name, durable=True, queue_arguments=arguments).bind(channel).queue_declare()


def is_missing(connection: Any, name: str) -> bool:  # noqa: ANN401 - as above
    """Whether there is no such queue. On a channel of its own, which a no ends."""
    from amqp import NotFound  # noqa: PLC0415 - as above

    channel = connection.channel()
    try:
        channel.queue_declare(name, passive=True)
    except NotFound:
        return True
    finally:
        channel.close()
    return False


def delete(channel: Any, names: Names) -> None:  # noqa: ANN401 - as above
    """Remove both queues; RabbitMQ says nothing of one that is not there."""
    for name in (names.queue, names.dead):
        channel.queue_delete(name)


def purge(channel: Any, names: Names) -> int:  # noqa: ANN401 - as above
    """Empty the queue of what is not in flight."""
    gone: int = channel.queue_purge(names.queue)
    return gone


def has_consumer_timeout(version: str) -> bool:
    """Whether a server lets a consumer give its own timeout."""
    return numbers(version) >= STRICT_PRIORITIES
