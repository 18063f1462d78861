"""Ordering groups in a worker: one task of a group at a time, in the order they came.

The broker delivers several messages of a group at once, and none of the group to anybody else
meanwhile. So what comes after a task that is not done yet goes back to the broker, behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque

    from longshore.worker.holding import Holding


class Groups:
    """Which groups have a task under way, and which have one that goes back.

    Batches are numbered as they are received: what was received before one of its group went back,
    and is held only later because the log took its time, comes behind it as well.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._under_way: dict[str, Holding] = {}
        self._blocked: set[str] = set()
        self._latest = 0
        self._claiming: set[int] = set()
        self._turned: dict[str, int] = {}

    def received(self) -> int:
        """Number a batch that is to be claimed."""
        self._latest += 1
        self._claiming.add(self._latest)
        return self._latest

    def claimed(self, batch: int) -> None:
        """Forget a batch whose tasks are held now, and what only it had to be told."""
        self._claiming.discard(batch)
        oldest = min(self._claiming, default=self._latest + 1)
        self._turned = {group: at for group, at in self._turned.items() if at >= oldest}

    def follow(self, batch: int, group: str | None) -> None:
        """Block a group of which one went back since a batch of it was received."""
        if group is not None and self._turned.get(group, 0) >= batch:
            self.block(group)

    def take_first(self, ready: deque[Holding]) -> Holding | None:
        """Take the first whose group has nothing under way; without a group any may begin.

        It is under way from now on: until its message is settled, none of its group begins.
        """
        for place, held in enumerate(ready):
            if held.group is None or held.group not in self._under_way:
                del ready[place]
                if held.group is not None:
                    self._under_way[held.group] = held
                return held
        return None

    def end(self, held: Holding) -> None:
        """Let the next of the group begin."""
        if held.group is not None and self._under_way.get(held.group) is held:
            del self._under_way[held.group]

    def block(self, group: str | None) -> None:
        """Remember that one of the group goes back: those behind it are to follow."""
        if group is not None:
            self._blocked.add(group)
            if self._claiming:
                self._turned[group] = self._latest

    def take_blocked(self) -> frozenset[str]:
        """Answer the groups that were blocked, once."""
        blocked = frozenset(self._blocked)
        self._blocked.clear()
        return blocked
