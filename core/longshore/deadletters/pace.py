"""How fast letters are sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from longshore.clock import Clock
    from longshore.deadletters.letter import Letter

PORTION: Final = 100


class Pace:
    """Holds work to so many letters a second."""

    def __init__(self, clock: Clock, rate: int | None) -> None:
        """`rate` None holds nothing back."""
        self._clock = clock
        self._rate = rate
        self._free_at = clock.monotonic()

    async def portions(self, letters: Sequence[Letter]) -> AsyncIterator[Sequence[Letter]]:
        """Give out some letters at a time, each portion when the one before has had its time."""
        size = min(self._rate or PORTION, PORTION)
        for begin in range(0, len(letters), size):
            portion = letters[begin : begin + size]
            await self._turn(len(portion))
            yield portion

    async def _turn(self, count: int) -> None:
        if self._rate is None:
            return
        wait = self._free_at - self._clock.monotonic()
        if wait > 0:
            await self._clock.sleep(wait)
        self._free_at = self._clock.monotonic() + count / self._rate
