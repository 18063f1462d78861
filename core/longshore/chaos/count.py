"""Counting what was promised, from what was seen: pure, and the same for every broker."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from longshore.chaos.rescues import Rescue, Troubles, rescued
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from longshore.chaos.journal import Line
    from longshore.chaos.monkey import Deed
    from longshore.identity import TaskId
    from longshore.task import Attempt, Task

BLOCKING: Final = "chaos.block"
FINISHES: Final = frozenset({"succeeded", "retrying", "failed", "cancelled"})
"""How attempts end that were accepted as ended by themselves."""
_ENDING: Final = frozenset({"killed", "terminated", "dismissed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Two handlers of one task at the same moment, by their tokens; equal ones began twice."""

    task_id: TaskId
    earlier: int
    later: int
    at: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen of one run. `enqueued` says how many attempts each task should take.

    `lease` is in seconds. Rows and attempts are what the log says at the end.
    """

    enqueued: Mapping[TaskId, int]
    rows: Sequence[Task]
    attempts: Sequence[Attempt]
    journal: Sequence[Line]
    deeds: Sequence[Deed]
    lease: float

    @property
    def lost(self) -> list[str]:
        """Tasks that have not succeeded, and where they stand."""
        stand = {row.id: str(row.state) for row in self.rows}
        return [
            f"{task_id}: {stand.get(task_id, 'not in the log')}"
            for task_id in self.enqueued
            if stand.get(task_id) != TaskState.SUCCEEDED
        ]

    @property
    def finished_twice(self) -> list[str]:
        """Attempts that the log let end by themselves more than once."""
        ends = Counter(
            (one.task_id, one.run, one.number) for one in self.attempts if one.outcome in FINISHES
        )
        return [
            f"{task_id}: attempt {number} of run {run} ended {times} times"
            for (task_id, run, number), times in ends.items()
            if times > 1
        ]

    @property
    def succeeded_not_once(self) -> list[str]:
        """Tasks without exactly one success in the log."""
        successes = Counter(one.task_id for one in self.attempts if one.outcome == "succeeded")
        return [
            f"{task_id}: {successes[task_id]} successes"
            for task_id in self.enqueued
            if successes[task_id] != 1
        ]

    @property
    def consumed(self) -> list[str]:
        """Attempts beyond those that a task takes by itself: a TERM, a kill or a stop took them."""
        return [
            f"{row.id}: {row.attempts} attempts, {self.enqueued[row.id]} of its own"
            for row in self.rows
            if row.id in self.enqueued and row.attempts > self.enqueued[row.id]
        ]

    @cached_property
    def meetings(self) -> list[Meeting]:
        """Every two handlers of one task that were there at the same moment, said once."""
        found: dict[tuple[TaskId, int, int], Meeting] = {}
        for line in self.journal:
            if line.event == "met":
                earlier, later = sorted((line.token, line.other))
                seen = Meeting(task_id=line.task_id, earlier=earlier, later=later, at=line.at)
                found.setdefault((line.task_id, earlier, later), seen)
        return list(found.values())

    @property
    def overlaps(self) -> list[str]:
        """Meetings for which nobody was stopped: these must not be."""
        return [_told(one) for one in self.meetings if not self._is_excused(one)]

    @property
    def excused(self) -> int:
        """Meetings whose earlier holder had been stopped past its lease."""
        return sum(self._is_excused(one) for one in self.meetings)

    @property
    def stale_commits(self) -> list[str]:
        """Meetings whose earlier holder was let finish all the same."""
        return [
            _told(one)
            for one in self.meetings
            if self._outcomes.get((one.task_id, one.earlier)) in FINISHES
        ]

    @property
    def deserted(self) -> list[str]:
        """Workers that ended without having been killed or told to."""
        told = {deed.worker for deed in self.deeds if deed.act in _ENDING}
        return [
            f"worker {deed.worker} at {deed.at:.3f}"
            for deed in self.deeds
            if deed.act == "ended" and deed.worker not in told
        ]

    @cached_property
    def rescues(self) -> list[Rescue]:
        """Every takeover of what a killed worker held."""
        blocking = frozenset(row.id for row in self.rows if row.spec.name == BLOCKING)
        troubles = Troubles.of(self.deeds, self.journal, blocking)
        return list(rescued(self.attempts, self.deeds, troubles, self.lease))

    @property
    def outlasting(self) -> int:
        """Handlers that ran for longer than a lease and were let finish."""
        began = {
            (line.task_id, line.token): line.at for line in self.journal if line.event == "began"
        }
        return sum(
            line.at - began[line.task_id, line.token] > self.lease
            and self._outcomes.get((line.task_id, line.token)) in FINISHES
            for line in self.journal
            if line.event == "ended"
        )

    def outcomes(self, word: str) -> int:
        """How many attempts the log says ended so."""
        return sum(one.outcome == word for one in self.attempts)

    def acts(self, word: str) -> int:
        """How often something was done to a worker."""
        return sum(deed.act == word for deed in self.deeds)

    def _is_excused(self, meeting: Meeting) -> bool:
        if meeting.earlier == meeting.later:
            return False
        worker = self._workers.get((meeting.task_id, meeting.earlier))
        return any(
            began <= meeting.at and end - began > self.lease
            for began, end in self._stops.get(worker, ())
        )

    @cached_property
    def _outcomes(self) -> dict[tuple[TaskId, int], str]:
        return {(one.task_id, one.token): one.outcome for one in self.attempts}

    @cached_property
    def _workers(self) -> dict[tuple[TaskId, int], int]:
        return {
            (line.task_id, line.token): line.worker
            for line in self.journal
            if line.event == "began"
        }

    @cached_property
    def _stops(self) -> Mapping[int | None, Sequence[tuple[float, float]]]:
        """When each worker was stopped, and until when; one that never went on, for ever."""
        stops: defaultdict[int | None, list[tuple[float, float]]] = defaultdict(list)
        for number, deeds in _by_worker(self.deeds):
            times = [deed.at for deed in deeds if deed.act == "continued"]
            for deed in deeds:
                if deed.act == "stopped":
                    end = next((at for at in times if at >= deed.at), float("inf"))
                    stops[number].append((deed.at, end))
        return stops


def _by_worker(deeds: Sequence[Deed]) -> Iterator[tuple[int, list[Deed]]]:
    for number in dict.fromkeys(deed.worker for deed in deeds):
        yield number, [deed for deed in deeds if deed.worker == number]


def _told(meeting: Meeting) -> str:
    return f"{meeting.task_id}: tokens {meeting.earlier} and {meeting.later} at {meeting.at:.3f}"
