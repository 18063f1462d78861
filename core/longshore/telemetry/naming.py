"""Names of the messaging conventions: systems, and destinations by the rules of each."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

RABBITMQ: Final = "rabbitmq"
_SYSTEMS: Final = {
    "sqs": "aws_sqs",
    "postgres": "postgresql",
    "rabbitmqs": RABBITMQ,
    "rediss": "redis",
}
ROUTING_KEY: Final = "messaging.rabbitmq.destination.routing_key"


def system_of(url: str) -> str:
    """Name the system behind a URL; one that the conventions do not list is its own scheme."""
    scheme = url.partition(":")[0].lower()
    return _SYSTEMS.get(scheme, scheme)


def prefix_of(url: str) -> str:
    """Answer what a URL has its server put before the name of each queue."""
    return parse_qs(urlsplit(url).query).get("prefix", [""])[-1]


def destination(system: str, queue: str) -> str:
    """Name a queue as the destination of its system.

    RabbitMQ's is exchange, routing key and queue, with equal and empty parts as one. Longshore
    sends through the default exchange, whose routing key is the queue's name, so the name is left.
    """
    return queue or ("amq.default" if system == RABBITMQ else queue)


def extras(system: str, prefix: str, queue: str) -> dict[str, str]:
    """Answer the attributes that one system asks for beside the common ones."""
    return {ROUTING_KEY: prefix + queue} if system == RABBITMQ else {}
