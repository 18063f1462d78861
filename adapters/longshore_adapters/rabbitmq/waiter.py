"""Somebody who receives and waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from longshore.queue import Delivery


@dataclass(slots=True, eq=False)
class Waiter:
    """A receive that waits, until a time of the loop's."""

    limit: int
    until: float
    latest: float
    came: asyncio.Future[list[Delivery]]
    timer: asyncio.TimerHandle | None = None
