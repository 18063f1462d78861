"""`null://`: a queue that discards what it is sent, and a log that keeps nothing.

The queue is for producers whose tasks shall not run: tests, dry runs, a switched-off feature.
The log is what a worker runs on where no log is wanted: broker leases alone, no fence, no
recognition of finished tasks (protocol.md §14).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from longshore.errors import ConfigurationError
from longshore.masking import mask_url
from longshore.registry import Backend
from longshore_adapters.null.connection import Connection
from longshore_adapters.null.queue import NullQueue
from longshore_adapters.null.task_log import NullTaskLog

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from longshore.clock import Clock


class NullAdapter:
    """Opens backends that share nothing, as there is nothing to share."""

    forgets: Final = True

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Open a queue and a log. There is no store: coordination needs a memory."""
        _check(url)
        connection = Connection(clock)
        try:
            yield Backend(
                url=url,
                queue=lambda name: NullQueue(connection, name),
                task_log=NullTaskLog(connection),
            )
        finally:
            connection.close()

    def init(self, url: str) -> list[str]:
        """Nothing needs to be made."""
        _check(url)
        return [f"{url}: nothing to create, it keeps nothing"]

    def deinit(self, url: str) -> list[str]:
        """Nothing is left behind."""
        _check(url)
        return [f"{url}: nothing to remove, it kept nothing"]


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.netloc or parts.path or parts.query or parts.fragment:
        message = (
            f"{mask_url(url)!r} says more than null:// can mean; it has no names and no options"
        )
        raise ConfigurationError(message)


ADAPTER = NullAdapter()
