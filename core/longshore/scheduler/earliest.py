"""The earliest that now can be, for what is removed or judged by its age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.clock import Clock


class EarliestNow:
    """A wall clock that does not jump forward: the rows of a month are not old in a second.

    It follows jumps back, and what it then lags behind stays until the process ends. It cannot
    know of a clock that was wrong from the start.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with what the clock says."""
        self._clock = clock
        self._began = self._offset()

    def __call__(self) -> datetime:
        """Read it: aware, in UTC."""
        self._began = min(self._began, self._offset())
        return self._began + timedelta(seconds=self._clock.monotonic())

    def _offset(self) -> datetime:
        return self._clock.now() - timedelta(seconds=self._clock.monotonic())
