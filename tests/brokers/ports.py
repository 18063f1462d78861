"""Ports for what a test starts, ends and starts again."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from tests.brokers.probe import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

# Below those that systems give to outgoing connections: one that is free stays so while nobody
# listens there.
PORTS: Final = range(20_000, 32_000)


def free_ports(count: int) -> Sequence[int]:
    """Find ports that nobody listens on."""
    chance = random.SystemRandom()  # tests repeat the other's numbers, and run side by side
    with ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            port = chance.choice(PORTS)
            listener = held.enter_context(socket.socket())
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            found.append(port)
        return found
