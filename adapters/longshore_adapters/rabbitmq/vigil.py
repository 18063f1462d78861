"""Is a consumer alive that brings nothing? It may have nothing to bring, or have been forgotten.

A quorum queue that has just come back takes a consumer now and then, and never answers; so does a
channel that hangs. While somebody waits the broker is asked what the queue has: no answer, or
messages that do not come, twice, and the channel is made anew.

An answer that lacks may be late: a queue that elects its leader, or a busy broker, takes seconds.
That the connection is gone its heartbeats tell. So silence is waited out for a while where messages
in hand would go with the channel; where there are none, another channel costs nothing.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

EVERY: Final = 2.0
"""Seconds between looks."""
SLOW: Final = 15
"""Looks for which an answer may lack while messages are in hand."""
TRUST: Final = 4
"""Channels that are made anew in vain before the connection is."""


class Step(Enum):
    """What to do after a look."""

    ASK = auto()
    RENEW = auto()
    RECONNECT = auto()


class Vigil:
    """Looks at one consumer for as long as somebody waits for what it brings."""

    def __init__(self) -> None:
        """Trust it."""
        self._asked = False
        self._suspect = False
        self._lacking = 0
        self._renewed = 0

    def begin(self) -> None:
        """Forget what was seen of another channel."""
        self._asked = self._suspect = False
        self._lacking = 0

    def came(self) -> None:
        """It brought something."""
        self._suspect = False
        self._renewed = 0

    def look(self, *, on: bool, holding: bool) -> Step | None:
        """Decide what to do, `EVERY` so often; None to wait on.

        `on` says that it has begun, `holding` that messages are in hand.
        """
        if on and not self._asked:
            self._asked = True
            return Step.ASK
        self._lacking += 1
        return None if holding and self._lacking < SLOW else self._renew()

    def counted(self, ready: int) -> Step | None:
        """The broker has said what is ready, and could be sent; None to go on."""
        self._asked = False
        self._lacking = 0
        if not ready:
            self.came()
        elif self._suspect:
            return self._renew()
        else:
            self._suspect = True
        return None

    def _renew(self) -> Step:
        self.begin()
        self._renewed += 1
        if self._renewed <= TRUST:
            return Step.RENEW
        self._renewed = 0
        return Step.RECONNECT
