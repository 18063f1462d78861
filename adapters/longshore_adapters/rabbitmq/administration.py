"""What operators do with a URL alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore_adapters.rabbitmq import sdk
from longshore_adapters.rabbitmq.desk import Desk
from longshore_adapters.rabbitmq.ladder import name_of, remove_ladder

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.options import Options


def remove_ours(options: Options) -> list[str]:
    """Remove what belongs to no queue: the ladder of the URL's prefix; say that it went."""
    if not (options.ladder and options.prefix):
        return []
    desk = Desk(options)
    try:
        desk.ask_now(lambda channel: remove_ladder(channel, options), name_of(options))
    finally:
        desk.close_now()
    return [f"rabbitmq: removed the ladder {name_of(options)} with what was delayed on it"]


def warm_up() -> None:
    """Load what the first connection would load."""
    for name in ("amqp.method_framing", "kombu.transport.pyamqp"):
        sdk.loaded(name)
