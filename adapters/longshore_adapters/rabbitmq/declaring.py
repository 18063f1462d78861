"""Making queues, emptying them, and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore_adapters.rabbitmq import sdk
from longshore_adapters.rabbitmq.desk import version_of
from longshore_adapters.rabbitmq.ladder import declare_ladder
from longshore_adapters.rabbitmq.limits import DELIVERY_LIMIT
from longshore_adapters.rabbitmq.versions import STRICT_PRIORITIES, UNLIMITED, numbers

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.options import Options
    from longshore_adapters.rabbitmq.sdk import Untyped


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


def declare(channel: Untyped, names: Names, options: Options) -> bool:
    """Make both queues; whether the queue was not there. Raises for one in another form."""
    version = version_of(channel.connection)
    missing = is_missing(channel.connection, names.queue)
    sdk.declare_queue(channel, names.dead, dead_arguments(options, version))
    sdk.declare_queue(channel, names.queue, queue_arguments(options, names))
    if options.ladder:
        declare_ladder(channel, names, options)
    return missing


def is_missing(connection: Untyped, name: str) -> bool:
    """Whether there is no such queue. On a channel of its own, which a no ends."""
    channel = connection.channel()
    try:
        channel.queue_declare(name, passive=True)
    except sdk.not_found():
        return True
    finally:
        channel.close()
    return False


def delete(channel: Untyped, names: Names) -> None:
    """Remove both queues; RabbitMQ says nothing of one that is not there."""
    for name in (names.queue, names.dead):
        channel.queue_delete(name)


def purge(channel: Untyped, names: Names) -> int:
    """Empty the queue of what is not in flight."""
    gone: int = channel.queue_purge(names.queue)
    return gone


def has_consumer_timeout(version: str) -> bool:
    """Whether a server lets a consumer give its own timeout."""
    return numbers(version) >= STRICT_PRIORITIES
