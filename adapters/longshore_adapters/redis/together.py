"""Rows and messages of one server, in one script each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore_adapters.redis import finishing, recording
from longshore_adapters.redis.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Finished, Record, Recorded
    from longshore.together import Settlement
    from longshore_adapters.redis.connection import Connection


class RedisTogether:
    """Rows and messages of an open server."""

    def __init__(self, connection: Connection) -> None:
        """Serve one connection."""
        self._connection = connection
        self._ledger = Ledger(connection)

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, all or none."""
        self._connection.check_open()
        recording.check(records)
        return await recording.insert(self._connection, records, silent=False) if records else []

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        """Finish attempts and settle their messages, each as one step."""
        self._connection.check_open()
        return await finishing.settle(self._connection, self._ledger, settlements)
