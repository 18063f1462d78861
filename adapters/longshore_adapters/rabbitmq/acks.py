"""Which deliveries of a channel are unsettled, and how to acknowledge many of them in few frames.

An acknowledgement may mean "and all before it", so of what is done from the oldest on, the last is
acknowledged for all. What is done out of turn waits a moment for those before it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

KEPT: Final = 10_000
"""Tags of released deliveries that are remembered, to tell them from acknowledged ones."""
_SLACK: Final = 1000
"""Settled tags that may stand behind one that is held: taking them out costs a look at each."""


class Acks:
    """The unsettled deliveries of one channel, by their tags, which only grow."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._done: set[int] = set()
        self._order: deque[int] = deque()
        self._released: deque[int] = deque(maxlen=KEPT)
        self._newest = 0
        self._mark = 0
        self.fresh = 0
        """How many of the unsettled came since the last `mark`."""

    def __len__(self) -> int:
        """How many the broker holds as unacknowledged."""
        return len(self._open)

    @property
    def waiting(self) -> bool:
        """Whether some that are done wait for those before them."""
        return bool(self._done)

    def came(self, tag: int) -> None:
        """Note a delivery."""
        self._open.add(tag)
        self._order.append(tag)
        self._newest = tag
        self.fresh += 1

    def mark(self) -> None:
        """Count anew: what came until now is no longer of those who take."""
        self._mark = self._newest
        self.fresh = 0

    def is_ours(self, tag: int) -> bool:
        """Whether a delivery can still be settled."""
        return tag in self._open and tag not in self._done

    def was_released(self, tag: int) -> bool:
        """Whether it was given back, as far as that is remembered."""
        return tag in self._released

    def done(self, tag: int) -> None:
        """Let a delivery be acknowledged with the next frames."""
        self._done.add(tag)

    def release(self, tag: int) -> None:
        """Note that a delivery goes back."""
        self._settle(tag)
        self._released.append(tag)

    def in_turn(self) -> int | None:
        """Take the longest run of done deliveries from the oldest on; answer its last, or None."""
        last: int | None = None
        order, unsettled, done = self._order, self._open, self._done
        while order:
            tag = order[0]
            if tag in done:
                done.discard(tag)
                self._settle(tag)
                last = tag
            elif tag in unsettled:
                break
            order.popleft()
        return last

    def out_of_turn(self) -> list[int]:
        """Take all others that are done, to be acknowledged one by one."""
        tags = sorted(self._done)
        for tag in tags:
            self._settle(tag)
        self._done.clear()
        if len(self._order) > 2 * len(self._open) + _SLACK:
            self._order = deque(tag for tag in self._order if tag in self._open)
        return tags

    def _settle(self, tag: int) -> None:
        self._open.discard(tag)
        if tag > self._mark:
            self.fresh -= 1
