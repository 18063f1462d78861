"""How long what a call left undone is asked for again."""

from __future__ import annotations

import asyncio
from random import uniform
from typing import Final

from longshore_adapters.dynamodb.errors import refused

TRIES: Final = 7
"""Three seconds in all, beside the SDK's own repeats."""
_FIRST: Final = 0.05


class Patience:
    """Waits between tries, ever longer and never in step; real time, whatever the clock."""

    def __init__(self, operation: str, table: str) -> None:
        """Be patient with one call."""
        self._operation = operation
        self._table = table
        self._turn = 0

    async def wait(self) -> None:
        """Wait before the next try; `UnavailableError` when there were enough."""
        self._turn += 1
        if self._turn == TRIES:
            code, said = "ThrottlingError", f"{TRIES} times"
            raise refused(code, said, self._operation, self._table)
        pause = uniform(0.5, 1) * _FIRST * 2**self._turn  # noqa: S311 - spreads, keeps no secret
        await asyncio.sleep(pause)
