"""A wall clock that jumps to and fro, as one does that is set by hand or by a bad time server.

The jumps are shorter than the margin that a lease is honoured beyond its end, and two clocks that
jump apart are no further apart than it: up to there nothing may overlap (protocol.md §12).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

from longshore.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "CHAOS_CLOCK_JUMPS"
JUMPS: Final = (0.0, 0.9, -0.9)
"""Seconds by which the clocks of one worker after another jump."""
_EVERY: Final = 5.0


def variables(number: int) -> dict[str, str]:
    """What the `number`-th worker is to find in its environment."""
    return {VARIABLE: str(JUMPS[number % len(JUMPS)])}


def begin(environment: Mapping[str, str]) -> None:
    """Let this process's wall clock jump as its environment says; the monotonic one never does."""
    jump = timedelta(seconds=float(environment.get(VARIABLE, "0")))
    if not jump:
        return

    def now(self: SystemClock) -> datetime:
        del self
        away = int(monotonic() / _EVERY) % 2
        return datetime.now(UTC) + jump * away

    # A host's clock cannot be set for one process alone, so the reading of it is replaced.
    SystemClock.now = now  # type: ignore[method-assign] # as said above
