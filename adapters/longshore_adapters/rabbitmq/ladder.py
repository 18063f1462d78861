"""Delays without a log: kombu's ladder of 28 queues, each of which holds a message 2^n seconds.

A message goes down it by the bits of its delay, which are its routing key, and from the last into
its queue. Every step is confirmed (at-least-once dead-lettering), on quorum queues.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.rabbitmq.limits import MAX_LADDER, unsupported

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.options import Options

_BITS: Final = 28
_OURS: Final = "longshore"


def name_of(options: Options) -> str:
    """What kombu calls a ladder by: each prefix has its own."""
    return f"{options.prefix}{_OURS}"


def route(delay: timedelta, names: Names, options: Options) -> tuple[str, str]:
    """Where a message is published to be delayed, in whole seconds and never too short."""
    if not options.ladder or delay > MAX_LADDER:
        instead = "keep the wait in the log"
        if not options.ladder:
            instead += ", or give the URL ladder=on"
        raise unsupported(f"a delay of {delay}", instead)
    from kombu.transport.native_delayed_delivery import (  # noqa: PLC0415 - the SDK, when it is used
        MAX_LEVEL,
        calculate_routing_key,
        level_name,
    )

    seconds = max(ceil(delay.total_seconds()), 1)
    return level_name(MAX_LEVEL, name_of(options)), calculate_routing_key(seconds, names.queue)


def declare_ladder(channel: Any, names: Names, options: Options) -> None:  # noqa: ANN401 - py-amqp has no types
    """Make the ladder, and lead it to a queue."""
    from kombu.transport.native_delayed_delivery import (  # noqa: PLC0415 - as above
        CELERY_DELAYED_DELIVERY_EXCHANGE,
        declare_native_delayed_delivery_exchanges_and_queues,
    )

    ladder = name_of(options)
    declare_native_delayed_delivery_exchanges_and_queues(
        channel.connection, options.type, prefix=ladder
    )
    # Word by word: kombu's "#." before the name would also fit names that end in it behind a dot.
    key = "*." * _BITS + names.queue
    channel.queue_bind(names.queue, f"{ladder}_{CELERY_DELAYED_DELIVERY_EXCHANGE}", key)


def remove_ladder(channel: Any, options: Options) -> None:  # noqa: ANN401 - as above
    """Remove a ladder with all that is on it."""
    from kombu.transport.native_delayed_delivery import (  # noqa: PLC0415 - as above
        CELERY_DELAYED_DELIVERY_EXCHANGE,
        level_name,
    )

    ladder = name_of(options)
    for level in range(_BITS):
        channel.queue_delete(level_name(level, ladder))
        channel.exchange_delete(level_name(level, ladder))
    channel.exchange_delete(f"{ladder}_{CELERY_DELAYED_DELIVERY_EXCHANGE}")
