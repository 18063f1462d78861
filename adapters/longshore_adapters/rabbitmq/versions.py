"""What servers of a version can do: old ones take arguments they do not know, and ignore them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.options import Options

_NUMBERS: Final = re.compile(r"(\d+)\.(\d+)")
OLDEST: Final = (3, 10)
"""Before it a quorum queue dead-letters at most once."""
UNLIMITED: Final = (4, 0)
"""From here on a queue without a delivery limit has one of 20; -1 means none."""
STRICT_PRIORITIES: Final = (4, 3)
"""Quorum queues with 32 priorities, and a consumer timeout that a consumer may give."""


def numbers(version: str) -> tuple[int, int]:
    """Read the first two numbers of a version; of one that says none, the newest known."""
    found = _NUMBERS.match(version)
    return STRICT_PRIORITIES if found is None else (int(found[1]), int(found[2]))


def check_version(options: Options, version: str) -> ConfigurationError | None:
    """Answer why a server cannot do what the URL asks for."""
    known = numbers(version)
    if options.quorum and known < OLDEST:
        return ConfigurationError(
            f"RabbitMQ {version} is too old for safe quorum queues; use 3.10 or newer, or "
            "type=classic"
        )
    if options.quorum and options.bands and known < STRICT_PRIORITIES:
        return ConfigurationError(
            f"quorum queues of RabbitMQ {version} have no strict priorities, 4.3 brought them; "
            "take bands= out of the URL, or use type=classic"
        )
    return None
