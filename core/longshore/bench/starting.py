"""Row 8: how long it takes from nothing to the first task, and to import the package."""

from __future__ import annotations

import json
import subprocess
import time
from statistics import median
from typing import TYPE_CHECKING, Final

from longshore.bench.command import environment, python, running, work
from longshore.bench.figures import Measured, percentile
from longshore.bench.floor import census

if TYPE_CHECKING:
    from longshore.bench.site import Site

# What a broker's adapter would bring along; `import longshore` must not.
_CLIENTS: Final = (
    *("aiobotocore", "amqp", "boto3", "botocore", "kombu", "psycopg", "pymysql", "redis"),
    *("longshore_adapters", "sqlite3"),
)
_IMPORT: Final = f"""
import json, sys, time
began = time.perf_counter()
import longshore
longshore.Longshore
took = time.perf_counter() - began
print(json.dumps([took, len({{*{_CLIENTS!r}}} & sys.modules.keys())]))
"""
_LONGEST: Final = 15.0
_BARE: Final = "import asyncio, pydantic, sqlite3"


def starting(site: Site) -> Measured:
    """Start a worker for one task, import the package, and start a bare Python, many times each."""
    starts: list[float] = []
    imports: list[float] = []
    bare: list[float] = []
    clients = succeeded = stuck = 0
    for number in range(site.tasks):
        took, done, hung = _cold(site, number)
        starts.append(took)
        succeeded += done
        stuck += hung
        seconds, brought = json.loads(_output(site, _IMPORT))
        imports.append(seconds)
        clients += brought
        began = time.perf_counter()
        _output(site, _BARE)
        bare.append(time.perf_counter() - began)
    figures = {
        "start": median(starts),
        "start_p95": percentile(starts, 0.95),
        "bare": median(bare),
        "import": median(imports),
        "clients": float(clients),
    }
    counts = {
        "enqueued": site.tasks,
        "succeeded": succeeded,
        "workers that did not end": stuck,
        "lost": site.tasks - succeeded,
        "duplicated": 0,
    }
    return Measured(figures=figures, counts=counts)


def _cold(site: Site, number: int) -> tuple[float, int, bool]:
    """Seconds from before the start to the first task's end, by the log; and whether it hung."""
    with site.filled(f"start-{number}", "noop", 1) as database:
        variables = environment(database.url, max_tasks=1)
        began = time.time()
        with running("the worker", work(), site.folder, variables) as worker:
            ended = worker.ended(_LONGEST)
    after = census(database)
    return after.ended - began, after.succeeded, not ended


def _output(site: Site, program: str) -> str:
    ran = subprocess.run(  # noqa: S603 - programs of our own
        python("-c", program),
        capture_output=True,
        check=True,
        cwd=site.folder,
        env=environment(),
        text=True,
    )
    return ran.stdout
