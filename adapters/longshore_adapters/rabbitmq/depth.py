"""Counting: what the management API says, or else what a passive declare does, ready ones only."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from longshore.errors import UnavailableError
from longshore.queue import Depth
from longshore_adapters.rabbitmq.management import ask

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.options import Options
    from longshore_adapters.rabbitmq.sdk import Untyped

_log = logging.getLogger("longshore.rabbitmq")
_UNKNOWN: Final = frozenset({"in_flight", "delayed", "oldest_age"})


def depth_of(channel: Untyped, names: Names, options: Options, held: int) -> Depth:
    """Count; `held` is in our own hands. Blocks.

    A passive declare tells exactly what is ready; what others hold and what is on the ladder only
    the management API knows, five seconds late.
    """
    ready = channel.queue_declare(names.queue, passive=True).message_count
    dead = channel.queue_declare(names.dead, passive=True).message_count
    counted = _managed(names, options)
    if counted is None:
        return Depth(ready=ready, in_flight=held, dead=dead, approximate=_UNKNOWN)
    return Depth(ready=ready, in_flight=max(counted, held), dead=dead, approximate=_UNKNOWN)


def _managed(names: Names, options: Options) -> int | None:
    """What is in flight; None where nobody says."""
    if options.management is None:
        return None
    try:
        found = ask(options, "queues", options.vhost, names.queue)
    except UnavailableError as error:
        _log.warning("what is in flight on %s is not known: %s", names.queue, error)
        return None
    return None if found is None else found.get("messages_unacknowledged")
