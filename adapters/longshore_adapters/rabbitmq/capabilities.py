"""What a queue on RabbitMQ can do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.queue import QueueCapabilities
from longshore_adapters.rabbitmq import limits

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.options import Options


def capabilities_of(options: Options) -> QueueCapabilities:
    """What a queue can do: a delivery is held by a connection, not by time."""
    delay = limits.MAX_LADDER if options.ladder else timedelta(0)
    return QueueCapabilities(
        adapter="rabbitmq",
        max_body=limits.MAX_BODY,
        max_batch=limits.MAX_BATCH,
        max_delay=delay,
        max_release_delay=delay,
        priorities=bool(options.bands),
        leases=False,
        max_hold=options.consumer_timeout,
        retention=options.retention,
        receive_counts=options.quorum,
    )
