"""What operators do with a URL alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore_adapters.rabbitmq import sdk
from longshore_adapters.rabbitmq.desk import Desk
from longshore_adapters.rabbitmq.ladder import remove_ladder
from longshore_adapters.rabbitmq.management import ask

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.options import Options


def remove_ours(options: Options) -> list[str]:
    """Remove the queues under the URL's prefix, and its ladder; say what went."""
    if not options.prefix:
        return ["rabbitmq: without prefix= in the URL, queues are removed by their names alone"]
    if options.management is None:
        return ["rabbitmq: only the management API lists queues; give the URL management=http://…"]
    found: list[dict[str, Any]] = ask(options, "queues", options.vhost) or []
    names = sorted(str(each["name"]) for each in found)
    ours = [name for name in names if name.startswith(options.prefix)]

    def remove(channel: sdk.Untyped) -> None:
        for name in ours:
            channel.queue_delete(name)
        if options.ladder:
            remove_ladder(channel, options)

    desk = Desk(options)
    try:
        desk.ask_now(remove, options.prefix)
    finally:
        desk.close_now()
    return [f"rabbitmq: removed the queue {name} with its messages" for name in ours]


def warm_up() -> None:
    """Load what the first connection would load."""
    for name in ("amqp.method_framing", "kombu.transport.pyamqp"):
        sdk.loaded(name)
