"""Entries that wait for a request, by group: a group that is on its way holds up no other.

What an entry costs does not depend on how many wait: of the groups that may go, a heap knows which
has waited longest.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, TypeVar

from longshore_adapters.sqs.batching import fits
from longshore_adapters.sqs.limits import MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from longshore_adapters.sqs.wire import Entry

T = TypeVar("T")


class Backlog(Generic[T]):
    """Entries, each with whatever its sender wants back; of a group they go as they came."""

    def __init__(self, *, ordered: bool) -> None:
        """Where order does not count all entries are as of one group, which is never held up."""
        self._ordered = ordered
        self._came = 0
        self._groups: dict[str | None, deque[tuple[int, Entry, T]]] = {}
        self._heads: list[tuple[int, str | None]] = []
        self._away: set[str | None] = set()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._groups)

    def add(self, entry: Entry, sender: T) -> None:
        """Put an entry behind all others."""
        group = self._group(entry)
        self._came += 1
        waiting = self._groups.setdefault(group, deque())
        waiting.append((self._came, entry, sender))
        if len(waiting) == 1:
            self._offer(group)

    def take(self) -> tuple[list[tuple[int, Entry, T]], bool]:
        """Take out what goes next, and say whether nothing more goes with it."""
        taken: list[tuple[int, Entry, T]] = []
        size = 0
        while self._heads:
            came, group = self._heads[0]
            waiting = self._groups.get(group)
            if group in self._away or waiting is None or waiting[0][0] != came:
                heappop(self._heads)  # it was held up, or has gone meanwhile
                continue
            entry = waiting[0][1]
            if taken and not fits(len(taken), size, entry):
                return taken, True
            heappop(self._heads)
            taken.append(waiting.popleft())
            size += entry.size
            if not waiting:
                del self._groups[group]
            self._offer(group)
        return taken, len(taken) == MAX_ENTRIES

    def put_back(self, taken: Sequence[tuple[int, Entry, T]]) -> None:
        """Have what was taken wait on, in its old place."""
        groups = [self._group(entry) for _, entry, _ in taken]
        for item, group in zip(reversed(taken), reversed(groups), strict=True):
            self._groups.setdefault(group, deque()).appendleft(item)
        for group in dict.fromkeys(groups):
            self._offer(group)

    def hold(self, entries: Iterable[Entry]) -> set[str | None]:
        """Keep the groups of entries that are on their way; answer which."""
        groups = set(map(self._group, entries)) - {None}
        self._away |= groups
        return groups

    def free(self, groups: Iterable[str | None]) -> None:
        """Let groups go on."""
        for group in groups:
            self._away.discard(group)
            self._offer(group)

    def _group(self, entry: Entry) -> str | None:
        return entry.fields.get("MessageGroupId") if self._ordered else None

    def _offer(self, group: str | None) -> None:
        waiting = self._groups.get(group)
        if waiting is not None and group not in self._away:
            heappush(self._heads, (waiting[0][0], group))
