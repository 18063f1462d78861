"""Row 11: what a further worker process costs in memory, before and after it has worked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from longshore.bench.command import environment, running, work
from longshore.bench.errors import MeasurementError
from longshore.bench.figures import Measured
from longshore.bench.floor import census
from longshore.bench.site import bench_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.bench.command import Running
    from longshore.bench.floor import Census
    from longshore.bench.site import Site

PROCESSES: Final = 4
_STAGES: Final = ("none", "tenth", "all")
_OWN: Final = ("Private_Clean:", "Private_Dirty:")
_KILOBYTE: Final = 1024
_LOOK: Final = 0.25
_REST: Final = 0.01
"""The share by which memory may still grow from look to look."""
_LONGEST: Final = 300.0
_WORKERS: Final = "the workers"
_LATE: Final = "they were not done in time"
_MISSING: Final = "memory of single processes is not told here: it takes Linux"


class Memory(NamedTuple):
    """Bytes: what is resident of a process, and what of it no other process has as well."""

    resident: int
    own: int


def footprint(site: Site) -> Measured:
    """Run four workers forked from one parent; weigh them idle, after a tenth, after all tasks."""
    if not Path("/proc/self/smaps_rollup").exists():
        return Measured(figures={}, counts={}, missing=(_MISSING,))
    database = site.database("longshore")
    figures: dict[str, float] = {}
    variables = environment(database.url, processes=PROCESSES, queue="default")
    with (
        running(_WORKERS, work(), site.folder, variables) as workers,
        bench_on(database) as bench,
    ):
        _until(lambda: len(_children(workers)) == PROCESSES)
        done = 0
        for stage, tasks in zip(_STAGES, (0, site.tasks // 10, site.tasks), strict=True):
            bench.fill("noop", tasks - done)
            done = tasks
            _until(lambda: census(database).messages == 0)
            figures |= _weighed(workers, stage)
    return Measured(figures=figures, counts=_counts(site, census(database)))


def memory_of(pid: int) -> Memory:
    """Weigh a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {name: int(size) for name, size, *_ in (line.split() for line in lines)}
    own = sum(sizes[name] for name in _OWN)
    return Memory(sizes["Rss:"] * _KILOBYTE, own * _KILOBYTE)


def _weighed(workers: Running, stage: str) -> dict[str, float]:
    """The heaviest of the workers, once they have come to rest, and the parent."""
    before, now = 0, [memory_of(pid) for pid in _children(workers)]
    while (own := sum(each.own for each in now)) > before * (1 + _REST):
        before = own
        time.sleep(4 * _LOOK)
        now = [memory_of(pid) for pid in _children(workers)]
    return {
        f"own_{stage}": float(max(each.own for each in now)),
        f"resident_{stage}": float(max(each.resident for each in now)),
        f"parent_{stage}": float(memory_of(workers.pid).resident),
    }


def _children(workers: Running) -> list[int]:
    pid = workers.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _LONGEST
    while not condition():
        if time.monotonic() > end:
            raise MeasurementError(_WORKERS, 0, _LATE)
        time.sleep(_LOOK)


def _counts(site: Site, after: Census) -> dict[str, int]:
    return {
        "enqueued": site.tasks,
        "rows": after.rows,
        "attempts": after.attempts,
        "succeeded": after.succeeded,
        "messages left": after.messages,
        "lost": site.tasks - after.succeeded,
        "duplicated": after.attempts - site.tasks,
    }
