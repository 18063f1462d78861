"""Are tasks so short that the next ones should be on their way before they are asked for?"""

from __future__ import annotations

from typing import Final

WINDOW: Final = 0.5
"""Seconds in which all that is asked for is done, where tasks are short."""
ENOUGH: Final = 8
"""So many have to be done in it, or it says nothing."""


class Pace:
    """Counts what is done, in this window and the one before it."""

    def __init__(self) -> None:
        """Nothing is done yet."""
        self._since = 0.0
        self._now = 0
        self._before = 0

    def done(self, count: int, now: float) -> None:
        """Count so many."""
        self._turn(now)
        self._now += count

    def is_short(self, wanted: int, now: float) -> bool:
        """Whether so many were done within a window."""
        self._turn(now)
        return max(self._now, self._before) >= max(wanted, ENOUGH)

    def _turn(self, now: float) -> None:
        passed = now - self._since
        if passed >= WINDOW:
            self._before = self._now if passed < 2 * WINDOW else 0
            self._now = 0
            self._since = now
