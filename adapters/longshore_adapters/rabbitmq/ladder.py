"""Delays without a log: kombu's ladder of 28 queues, each of which holds a message 2^n seconds.

A message goes down it by the bits of its delay, which are its routing key, and from the last into
its queue. Every step is confirmed (at-least-once dead-lettering), on quorum queues.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

from longshore_adapters.rabbitmq import sdk
from longshore_adapters.rabbitmq.limits import MAX_LADDER, unsupported

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.options import Options
    from longshore_adapters.rabbitmq.sdk import Untyped

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
        option = f"a delay of {delay}"
        raise unsupported(option, instead)
    seconds = max(ceil(delay.total_seconds()), 1)
    first = sdk.step_of(sdk.BITS - 1, name_of(options))
    return first, sdk.delayed_key(seconds, names.queue)


def declare_ladder(channel: Untyped, names: Names, options: Options) -> None:
    """Make the ladder, and lead it to a queue."""
    last = sdk.declare_ladder(channel.connection, options.type, name_of(options))
    # Word by word: kombu's "#." before the name would also fit names that end in it behind a dot.
    channel.queue_bind(names.queue, last, "*." * sdk.BITS + names.queue)


def remove_ladder(channel: Untyped, options: Options) -> None:
    """Remove a ladder with all that is on it."""
    ladder = name_of(options)
    for level in range(sdk.BITS):
        channel.queue_delete(sdk.step_of(level, ladder))
        channel.exchange_delete(sdk.step_of(level, ladder))
    channel.exchange_delete(sdk.last_step(ladder))
