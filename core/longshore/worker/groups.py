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
    """Which groups have a task under way, and which have one that goes back."""

    def __init__(self) -> None:
        """Start with none."""
        self._under_way: dict[str, Holding] = {}
        self._blocked: set[str] = set()

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

    def take_blocked(self) -> frozenset[str]:
        """Answer the groups that were blocked, once."""
        blocked = frozenset(self._blocked)
        self._blocked.clear()
        return blocked
