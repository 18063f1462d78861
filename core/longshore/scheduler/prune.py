"""Removing rows that were kept long enough, a few at a time (protocol.md §12, Keep)."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.ports import Ports
    from longshore.scheduler.earliest import EarliestNow
    from longshore.scheduler.options import SchedulerOptions
    from longshore.scheduler.tally import Tally
    from longshore.task import TaskState

BATCH: Final = 500


class Prune:
    """Removes final rows by state and age.

    A message without a row is adopted and run. So no row is removed while a message of it may
    come: for as long as the broker keeps one; in a store that holds both, the log itself looks.
    """

    def __init__(
        self, ports: Ports, options: SchedulerOptions, earliest: EarliestNow, tally: Tally
    ) -> None:
        """The first round begins at once."""
        self._ports = ports
        self._every = options.prune_every.total_seconds()
        self._earliest = earliest
        self._tally = tally
        self._ages = _by_age(
            options.keep,
            timedelta(0) if ports.together is not None else options.message_retention,
        )
        self._round_at = ports.clock.monotonic()
        self._left: deque[tuple[timedelta, frozenset[TaskState]]] = deque()

    async def step(self) -> bool:
        """Remove one batch if it is time; answer whether to go on at once."""
        now = self._ports.clock.monotonic()
        if not self._left and now >= self._round_at:
            self._round_at = now + self._every
            self._left.extend(self._ages.items())
        if not self._left:
            return False
        age, states = self._left[0]
        removed = await self._ports.task_log.prune(
            states=states, before=self._earliest() - age, limit=BATCH
        )
        self._tally.pruned += removed
        if removed < BATCH:
            self._left.popleft()
        return bool(self._left)


def _by_age(
    keep: Mapping[TaskState, timedelta], least: timedelta
) -> dict[timedelta, frozenset[TaskState]]:
    """Put states together that are kept equally long."""
    states: defaultdict[timedelta, set[TaskState]] = defaultdict(set)
    for state, age in keep.items():
        states[max(age, least)].add(state)
    return {age: frozenset(group) for age, group in states.items()}
