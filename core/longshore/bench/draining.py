"""Rows 3, 4, 5, 7 and 9: how fast waiting tasks are run, and what that does to memory.

Times are the log's own: from when the workers were let go, or the first handler's first line,
to the last end of an attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from longshore.bench import neighbour
from longshore.bench.figures import Measured
from longshore.bench.floor import census, copy, drain
from longshore.bench.site import CONCURRENCY, Database
from longshore.bench.tasks import SLEEP
from longshore.bench.worker import Job, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.bench.floor import Census
    from longshore.bench.site import Site
    from longshore.bench.worker import Served

_NEIGHBOUR_SHARE = 20
"""huey is given one task where Longshore is given so many: its rate does not depend on it."""


def on_the_loop(site: Site) -> Measured:
    """Drain tasks with async handlers, beside the floor and huey."""
    with site.filled("longshore", "noop", site.tasks) as database:
        bare = Database(path=site.folder / "floor.db")
        copy(database, bare)
    [served], after = drained(database)
    rate, floor = site.tasks / (after.ended - served.began), site.tasks / drain(bare)
    others = _neighbours(site)
    figures = {
        "floor_share": rate / floor,
        **{f"times_{name}": rate / other for name, other in others.items()},
        "rate": rate,
        "floor": floor,
        **others,
    }
    missing = () if others else (neighbour.MISSING,)
    return Measured(figures=figures, counts=counts_of(site, [served], after), missing=missing)


def on_threads(site: Site) -> Measured:
    """Drain tasks with handlers that run on threads."""
    with site.filled("longshore", "thread", site.tasks) as database:
        bare = Database(path=site.folder / "floor.db")
        copy(database, bare)
    [served], after = drained(database)
    rate, floor = site.tasks / (after.ended - served.began), site.tasks / drain(bare)
    figures = {"floor_share": rate / floor, "rate": rate, "floor": floor}
    return Measured(figures=figures, counts=counts_of(site, [served], after))


def two_processes(site: Site) -> Measured:
    """Drain the same tasks with one process, then with two."""
    one, two = copies(site, "one", "two")
    alone, pair = drained(one), drained(two, processes=2)
    rates, counts = beside(site, alone, pair)
    figures = {
        "gain": rates[1] / rates[0],
        "less_busy": min(one.calls for one in pair[0]) / site.tasks,
        "one": rates[0],
        "two": rates[1],
    }
    return Measured(figures=figures, counts=counts)


def sleeping(site: Site) -> Measured:
    """Drain tasks that sleep, beside as many sleeps on a bare event loop."""
    with site.filled("longshore", "sleep", site.tasks) as database:
        [served], after = drained(database)
    took = after.ended - after.began
    ideal = site.tasks * SLEEP / CONCURRENCY
    figures = {
        "of_ideal": ideal / took,
        "bare_of_ideal": ideal / asyncio.run(_sleep_bare(site.tasks)),
        "took": took,
        "ideal": ideal,
    }
    return Measured(figures=figures, counts=counts_of(site, [served], after))


def memory(site: Site) -> Measured:
    """Drain tasks, and compare the memory early on, half-way and at the end."""
    marks = (site.tasks // 20, site.tasks // 2, site.tasks)
    with site.filled("longshore", "noop", site.tasks) as database:
        [served], after = drained(database, marks=marks)
    early, middle, late = (float(served.memory[mark]) for mark in marks)
    figures = {
        "growth": late - early,
        "second_half": late - middle,
        "early": early,
        "late": late,
    }
    return Measured(figures=figures, counts=counts_of(site, [served], after))


def drained(
    database: Database,
    *,
    processes: int = 1,
    marks: tuple[int, ...] = (),
    guarded: bool = True,
) -> tuple[list[Served], Census]:
    """Let workers run what waits; answer what each did, and what the database says after."""
    job = Job(url=database.url, concurrency=CONCURRENCY, marks=marks, guarded=guarded)
    return serve([job] * processes, database.path.parent), census(database)


def copies(site: Site, *names: str) -> list[Database]:
    """Fill a database and copy it under each name: a file just written is quicker to read."""
    made = [Database(path=site.folder / f"{name}.db") for name in names]
    with site.filled("filled", "noop", site.tasks) as filled:
        for each in made:
            copy(filled, each)
    return made


def beside(site: Site, *drains: tuple[list[Served], Census]) -> tuple[list[float], dict[str, int]]:
    """Tasks per second of each drain, from its first worker's start on, and their summed counts."""
    rates = [
        site.tasks / (after.ended - min(one.began for one in served)) for served, after in drains
    ]
    counts: Counter[str] = Counter()
    for served, after in drains:
        counts.update(counts_of(site, served, after))
    return rates, dict(counts)


def counts_of(site: Site, served: Sequence[Served], after: Census) -> dict[str, int]:
    """Count; lost is what has not succeeded, duplicated what a handler was called for again."""
    calls = sum(one.calls for one in served)
    return {
        "enqueued": site.tasks,
        "rows": after.rows,
        "calls": calls,
        "attempts": after.attempts,
        "succeeded": after.succeeded,
        "messages left": after.messages,
        "lost": site.tasks - after.succeeded,
        "duplicated": max(calls, after.attempts) - site.tasks,
    }


def _neighbours(site: Site) -> dict[str, float]:
    """Answer huey's rates, as it comes and with the durability that Longshore has."""
    if not neighbour.is_installed():
        return {}
    tasks = max(site.tasks // _NEIGHBOUR_SHARE, 1)
    rates: dict[str, float] = {}
    for name, synchronous in (("huey", None), ("huey_normal", "NORMAL")):
        with neighbour.opened(site.folder / f"{name}.db", synchronous) as other:
            rates[name] = tasks / other.drain(tasks)
    return rates


async def _sleep_bare(tasks: int) -> float:
    """Sleep as the handlers do, a hundred at once and nothing else; answer the seconds."""
    left = iter(range(tasks))

    async def sleeper() -> None:
        for _ in left:
            await asyncio.sleep(SLEEP)

    began = time.perf_counter()
    await asyncio.gather(*(sleeper() for _ in range(CONCURRENCY)))
    return time.perf_counter() - began
