"""What a delivery's receipt says: SQS's handle, the band it came from, and since when it is held.

Whoever settles or extends it, on whichever connection of this machine, has nothing else to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.clock import Clock
    from longshore.queue import Delivery


@dataclass(frozen=True, slots=True)
class Receipt:
    """`threshold` is the band's, `since` the monotonic time at which the message came."""

    threshold: int
    since: float
    handle: str

    def __str__(self) -> str:
        """Write it as a delivery has it."""
        return f"{self.threshold} {self.since:.3f} {self.handle}"


def receipt_of(delivery: Delivery) -> Receipt:
    """Read what `str` wrote."""
    threshold, since, handle = delivery.receipt.split(" ", 2)
    return Receipt(int(threshold), float(since), handle)


def held_for(delivery: Delivery, clock: Clock) -> timedelta:
    """How long it has been held, in whole seconds; rounded up, as SQS gave it before it came."""
    return timedelta(seconds=ceil(round(clock.monotonic() - receipt_of(delivery).since, 3)))
