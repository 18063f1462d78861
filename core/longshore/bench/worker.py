"""A worker in a process of its own, for one measurement: ready, go, and what it did.

`python -m longshore.bench.worker JOB` writes `ready` when it has opened everything, serves when
a line comes in, and writes what it did as JSON. It is wired as the command `work` is.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from longshore.bench.command import environment, python, running
from longshore.bench.tasks import Bench
from longshore.wiring import open_ports, policy_of
from longshore.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from longshore.bench.command import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is to do: run what waits in a database, and end when nothing does.

    `marks` are the calls at which it notes its memory. Without `guarded` its leases are kept on
    the loop, and it has neither control nor scheduler: to know what those cost.
    """

    url: str
    concurrency: int
    marks: tuple[int, ...] = ()
    guarded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a worker did. `began` is when it was let go, in seconds since the epoch."""

    calls: int
    began: float
    memory: dict[int, int] = field(default_factory=dict[int, int])


def serve(jobs: Sequence[Job], folder: Path) -> list[Served]:
    """Run each job in a process; all are let go at once, when the last is ready."""
    with ExitStack() as stack:
        workers: list[Running] = []
        for job in jobs:
            command = python("-m", "longshore.bench.worker", json.dumps(asdict(job)))
            workers.append(stack.enter_context(running("a worker", command, folder, environment())))
        for worker in workers:
            worker.line()
        for worker in workers:
            worker.tell("go")
        return [_served(worker.line()) for worker in workers]


def main(job: Job) -> None:
    """Be the worker."""
    served = asyncio.run(_run(job))
    sys.stdout.write(json.dumps(asdict(served)) + "\n")


async def _run(job: Job) -> Served:
    bench = Bench(job.url, job.marks)
    settings = bench.app.settings
    options = WorkerOptions(concurrency=job.concurrency, burst=True, publish=job.guarded)
    async with open_ports(settings) as ports:
        worker = Worker(
            ports if job.guarded else replace(ports, store=None),
            bench.app.registry,
            policy_of(settings),
            options,
            open_ports=(lambda: open_ports(settings)) if job.guarded else None,
        )
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        began = time.time()
        await worker.run()
    return Served(calls=bench.calls.made, began=began, memory=bench.memory)


def _served(line: str) -> Served:
    said = json.loads(line)
    said["memory"] = {int(calls): size for calls, size in said["memory"].items()}
    return Served(**said)


if __name__ == "__main__":
    main(Job(**json.loads(sys.argv[1])))
