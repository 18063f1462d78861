"""How much waits, as SQS counts it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from longshore.queue import Depth
from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.names import Names

READY: Final = "ApproximateNumberOfMessages"
IN_FLIGHT: Final = "ApproximateNumberOfMessagesNotVisible"
DELAYED: Final = "ApproximateNumberOfMessagesDelayed"
_ASKED: Final = (READY, IN_FLIGHT, DELAYED)
_APPROXIMATE: Final = frozenset({"ready", "in_flight", "delayed", "dead", "oldest_age"})


async def counts_of(connection: Connection, queue: str) -> tuple[int, int, int]:
    """Count what is ready, in flight and delayed in one queue of SQS."""
    found = await connection.ask(
        Purpose.SETTLE, "GetQueueAttributes", queue, AttributeNames=list(_ASKED)
    )
    ready, in_flight, delayed = (int(found["Attributes"].get(name, 0)) for name in _ASKED)
    return ready, in_flight, delayed


async def depth_of(connection: Connection, names: Names) -> Depth:
    """Count the bands together, and the dead-letter queue."""
    *bands, dead = await asyncio.gather(*(counts_of(connection, name) for name in names.every))
    ready, in_flight, delayed = (sum(column) for column in zip(*bands, strict=True))
    return Depth(
        ready=ready,
        in_flight=in_flight,
        delayed=delayed,
        dead=sum(dead),
        approximate=_APPROXIMATE,
    )
