"""Rows 1, 2 and 10: how fast tasks are enqueued.

The contenders of a row take turns in short laps, so that a busy moment of the machine meets
all of them.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Final

from longshore.bench import neighbour
from longshore.bench.figures import Measured, percentile
from longshore.bench.floor import census, floor, pattern_of
from longshore.bench.site import bench_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore.bench.site import Database, Site

LAPS: Final = 10
BATCH: Final = 1000
_SLOW: Final = 10
"""With an fsync for each task, huey is given one task where the others are given so many."""


@dataclass(slots=True)
class Contender:
    """Something that enqueues, one call after another, and how long each call took."""

    call: Callable[[int], object]
    share: int = 1
    took: list[float] = field(default_factory=list[float])

    def run(self, numbers: range) -> None:
        """Do the calls of one lap."""
        clock, call, note = time.perf_counter, self.call, self.took.append
        for number in numbers[:: self.share]:
            began = clock()
            call(number)
            note(clock() - began)

    @property
    def rate(self) -> float:
        """Calls per second."""
        return 1 / fmean(self.took)


def one_by_one(site: Site) -> Measured:
    """Enqueue tasks one after another, each durable when its call returns."""
    pattern = pattern_of(_sample(site, site.tasks))
    ours, bare = site.database("longshore"), site.database("floor")
    with ExitStack() as stack:
        bench = stack.enter_context(bench_on(ours))
        enqueue = Contender(bench.noop.enqueue)
        raw = Contender(stack.enter_context(floor(bare, pattern)).insert)
        beside = _neighbours(site, stack)
        bench.noop.enqueue(0)  # builds the validator and opens the file
        _take_turns([enqueue, raw, *beside.values()], site.tasks)
    figures = {
        "floor_share": enqueue.rate / raw.rate,
        **{f"times_{name}": enqueue.rate / one.rate for name, one in beside.items()},
        "rate": enqueue.rate,
        "floor": raw.rate,
        **{name: one.rate for name, one in beside.items()},
        "p50": percentile(enqueue.took, 0.5),
        "p99": percentile(enqueue.took, 0.99),
    }
    return Measured(figures=figures, counts=_counts(ours, site.tasks + 1), missing=_missing(beside))


def in_batches(site: Site) -> Measured:
    """Enqueue tasks a thousand per call."""
    pattern = pattern_of(_sample(site, site.tasks))
    ours, bare = site.database("longshore"), site.database("floor")
    with ExitStack() as stack:
        bench = stack.enter_context(bench_on(ours))
        insert = stack.enter_context(floor(bare, pattern)).insert_many
        message, enqueue = bench.noop.message, bench.app.enqueue_many
        bench.noop.enqueue(0)  # builds the validator and opens the file
        batches = Contender(lambda first: enqueue(message(n) for n in _batch(first, site.tasks)))
        raw = Contender(lambda first: insert(_batch(first, site.tasks)))
        for first in range(0, site.tasks, BATCH):
            for contender in (batches, raw):
                contender.run(range(first, first + 1))
    ours_took, raw_took = sum(batches.took), sum(raw.took)
    figures = {
        "floor_share": raw_took / ours_took,
        "rate": site.tasks / ours_took,
        "floor": site.tasks / raw_took,
        "p50": percentile(batches.took, 0.5),
        "p99": percentile(batches.took, 0.99),
    }
    return Measured(figures=figures, counts=_counts(ours, site.tasks + 1))


def like_for_like(site: Site) -> Measured:
    """Enqueue a thousand tasks one after another, with both synchronous modes."""
    figures: dict[str, float] = {}
    counts = {"enqueued": 0, "rows": 0, "lost": 0, "duplicated": 0}
    for mode in ("normal", "full"):
        database = site.database(mode, mode)
        with bench_on(database) as bench:
            bench.noop.enqueue(0)  # builds the validator and opens the file
            contender = Contender(bench.noop.enqueue)
            contender.run(range(site.tasks))
        figures |= {
            f"{mode}_rate": contender.rate,
            f"{mode}_mean": fmean(contender.took),
            **{f"{mode}_p{n}": percentile(contender.took, n / 100) for n in (50, 95, 99)},
        }
        counted = _counts(database, site.tasks + 1)
        counts = {name: count + counted[name] for name, count in counts.items()}
    return Measured(figures=figures, counts=counts)


def _take_turns(contenders: Sequence[Contender], tasks: int) -> None:
    for lap in range(LAPS):
        numbers = range(lap * tasks // LAPS, (lap + 1) * tasks // LAPS)
        for contender in contenders:
            contender.run(numbers)


def _neighbours(site: Site, stack: ExitStack) -> dict[str, Contender]:
    """Open huey as it comes, and huey with the durability that Longshore has."""
    if not neighbour.is_installed():
        return {}
    default = stack.enter_context(neighbour.opened(site.folder / "huey.db"))
    equal = stack.enter_context(neighbour.opened(site.folder / "huey-normal.db", "NORMAL"))
    return {
        "huey": Contender(default.enqueue, share=_SLOW),
        "huey_normal": Contender(equal.enqueue),
    }


def _sample(site: Site, tasks: int) -> Database:
    """Rows as Longshore writes them, for the floor to write again."""
    with site.filled("sample", "noop", tasks) as database:
        return database


def _batch(first: int, tasks: int) -> range:
    return range(first, min(first + BATCH, tasks))


def _counts(database: Database, tasks: int) -> dict[str, int]:
    rows = census(database).rows
    return {
        "enqueued": tasks,
        "rows": rows,
        "lost": max(tasks - rows, 0),
        "duplicated": max(rows - tasks, 0),
    }


def _missing(beside: dict[str, Contender]) -> tuple[str, ...]:
    return () if beside else (neighbour.MISSING,)
