"""Row 6: how soon an idle worker in another process begins a task, and what its waiting costs."""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longshore.bench import neighbour
from longshore.bench.command import environment, python, running, work
from longshore.bench.figures import Measured, percentile
from longshore.bench.floor import census
from longshore.bench.site import bench_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.bench.site import Site

_IDLE_SHARE: Final = 40
"""A second of idling is watched for so many tasks."""
_NEIGHBOUR_SHARE: Final = 4
_LONGEST: Final = 60.0
_USER_TIME: Final = 11
"""The place of the user's time in /proc/PID/stat, counted behind the name; the system's follows."""


def pickup(site: Site) -> Measured:
    """Enqueue tasks one at a time for a worker that has nothing to do."""
    database = site.database("longshore")
    variables = environment(database.url)
    with ExitStack() as stack:
        worker = stack.enter_context(running("the worker", work(), site.folder, variables))
        bench = stack.enter_context(bench_on(database))

        def ask(number: int) -> int:
            return bench.clock.enqueue(number).result(timeout=_LONGEST)

        ask(0)  # answered once the worker is there
        idle = _share_of_a_core(worker.pid, site.tasks / _IDLE_SHARE)
        took = _latencies(ask, site.tasks)
    figures = {
        **{f"p{n}": percentile(took, n / 100) for n in (50, 95, 99)},
        "greatest": max(took),
        "idle": idle,
    }
    beside = _neighbour(site)
    done = census(database)
    counts = {
        "enqueued": site.tasks + 1,
        "succeeded": done.succeeded,
        "attempts": done.attempts,
        "lost": site.tasks + 1 - done.succeeded,
        "duplicated": done.attempts - site.tasks - 1,
    }
    missing = () if beside else (neighbour.MISSING,)
    return Measured(figures=figures | beside, counts=counts, missing=missing)


def _latencies(ask: Callable[[int], int], tasks: int) -> list[float]:
    """Seconds from before the enqueue to the handler's first line, by the clock both share."""
    took: list[float] = []
    for number in range(tasks):
        # Of varied length, so that no worker's own rhythm is met at the same point each time.
        time.sleep(random.uniform(0.005, 0.025))  # noqa: S311 - no secret
        began = time.monotonic_ns()
        took.append((ask(number) - began) / 1e9)
    return took


def _share_of_a_core(pid: int, seconds: float) -> float:
    """Watch what a process uses of a core while it has nothing to do."""
    before, began = _used(pid), time.monotonic()
    time.sleep(seconds)
    return (_used(pid) - before) / (time.monotonic() - began)


def _used(pid: int) -> float:
    """Seconds of processor time, of all threads."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    times = stat.rpartition(")")[2].split()[_USER_TIME : _USER_TIME + 2]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def _neighbour(site: Site) -> dict[str, float]:
    if not neighbour.is_installed():
        return {}
    path = site.folder / "huey.db"
    command = python("-m", "longshore.bench.consumer", str(path))
    with (
        running("huey's consumer", command, site.folder, environment()) as consumer,
        neighbour.opened(path) as other,
    ):
        consumer.line()

        def ask(number: int) -> int:
            answer: int = other.ask(number).get(blocking=True, timeout=_LONGEST)
            return answer

        ask(0)
        took = _latencies(ask, max(site.tasks // _NEIGHBOUR_SHARE, 1))
    return {"huey_p50": percentile(took, 0.5), "huey_p99": percentile(took, 0.99)}
