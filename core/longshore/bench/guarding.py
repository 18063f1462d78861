"""Rows 12 and 13: what the guards cost a drain, and how soon an idle worker has left."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from longshore.bench.command import environment, running, work
from longshore.bench.draining import beside, copies, drained
from longshore.bench.figures import Measured, percentile
from longshore.bench.floor import census
from longshore.bench.site import bench_on

if TYPE_CHECKING:
    from longshore.bench.site import Site

_LONGEST = 60.0


def guards(site: Site) -> Measured:
    """Drain the same tasks with leases kept on a thread, control and scheduler, and without."""
    guarded, bare = copies(site, "guarded", "bare")
    rates, counts = beside(site, drained(guarded), drained(bare, guarded=False))
    figures = {"cost": rates[1] / rates[0] - 1, "on": rates[0], "off": rates[1]}
    return Measured(figures=figures, counts=counts)


def stopping(site: Site) -> Measured:
    """Start a worker, let it do one task and idle, and send TERM; many times."""
    took: list[float] = []
    failed = 0
    database = site.database("longshore")
    with bench_on(database) as bench:
        for _ in range(site.tasks):
            with running("the worker", work(), site.folder, environment(database.url)) as worker:
                bench.clock.enqueue(0).result(timeout=_LONGEST)  # answered once it is there
                began = time.perf_counter()
                worker.signal(signal.SIGTERM)
                failed += not worker.ended(_LONGEST)
                took.append(time.perf_counter() - began)
    done = census(database)
    figures = {"p50": percentile(took, 0.5), "p95": percentile(took, 0.95), "greatest": max(took)}
    counts = {
        "enqueued": site.tasks,
        "succeeded": done.succeeded,
        "workers that did not end": failed,
        "lost": site.tasks - done.succeeded,
        "duplicated": done.attempts - site.tasks,
    }
    return Measured(figures=figures, counts=counts)
