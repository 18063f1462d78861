"""Running seeds: one at a time, checked, and printed where it fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.checker import Checker
from tests.simulation.history import Began, Fault, Wrote
from tests.simulation.plan import make_plan
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.checker import Violation
    from tests.simulation.history import History


@dataclass(frozen=True, slots=True)
class Report:
    """What one seed came to."""

    seed: int
    found: tuple[Violation, ...]
    history: History
    world: World

    def text(self) -> str:
        """The plan, the history and what is broken, to be read from the end."""
        plan = self.world.plan
        shown = [f"seed {self.seed}: {plan.profile.name}, {plan.workers} workers"]
        shown += [f"  {task}" for task in plan.tasks]
        shown += [f"  {one}" for one in plan.happenings]
        shown += [f"  {plan.weather}, {plan.skew=}, {plan.max_rescues=}", *self.history.lines()]
        return "\n".join(shown + [f"seed {self.seed} breaks {one}" for one in self.found])


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed that breaks a promise, and the first that it breaks."""

    seed: int
    what: str


@dataclass(slots=True)
class Tally:
    """What many seeds came to. `seen` counts what happened in them, to show that it did."""

    seeds: int = 0
    events: int = 0
    virtual: float = 0.0
    seen: Counter[str] = field(default_factory=Counter[str])
    failures: list[Failure] = field(default_factory=list[Failure])

    def add(self, other: Tally) -> None:
        """Take in what another process ran."""
        self.seeds += other.seeds
        self.events += other.events
        self.virtual += other.virtual
        self.seen += other.seen
        self.failures += other.failures

    def count(self, report: Report) -> None:
        """Take in one seed."""
        self.seeds += 1
        self.events += len(report.history.events)
        self.virtual += report.world.loop.time()
        for event in report.history.events:
            if isinstance(event, Began):
                self.seen["handlers run"] += 1
            elif isinstance(event, Fault):
                self.seen[event.what] += 1
            elif isinstance(event, Wrote) and event.verb == "claim":
                self._count_claim(event)
        if report.found:
            self.failures.append(Failure(report.seed, str(report.found[0])))

    def _count_claim(self, event: Wrote) -> None:
        before = event.before
        if before is not None and event.after.rescues > before.rescues:
            self.seen["rescues"] += 1
        elif event.after.reason == "poison":
            self.seen["poison"] += 1

    def summary(self) -> str:
        """What happened, most first."""
        return ", ".join(f"{count:,} {what}" for what, count in self.seen.most_common())


def simulate(seed: int) -> Report:
    """Run a seed and check its history."""
    world = World(make_plan(seed))
    history = world.run()
    found = Checker(world.plan).check(history.events, world.ending)
    return Report(seed, tuple(found), history, world)


def sweep(first: int, end: int, count: int) -> Tally:
    """Run up to `count` seeds from `first` on, none from `end` on."""
    tally = Tally()
    for seed in range(first, min(first + count, end)):
        tally.count(simulate(seed))
    return tally
