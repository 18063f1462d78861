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
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from longshore.bench.command import environment, python, running
from longshore.bench.errors import MeasurementError
from longshore.bench.tasks import Bench
from longshore.wiring import open_ports, policy_of
from longshore.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

_READY: Final = "ready\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is to do: run what waits in a database, and end when nothing does.

    `marks` are the calls at which it notes its memory.
    """

    url: str
    concurrency: int
    marks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a worker did. `began` is when it was let go, in seconds since the epoch."""

    calls: int
    began: float
    memory: dict[int, int] = field(default_factory=dict[int, int])


def serve(jobs: Sequence[Job], folder: Path) -> list[Served]:
    """Run each job in a process; all are let go at once, when the last is ready."""
    with ExitStack() as stack:
        processes: list[subprocess.Popen[str]] = []
        for job in jobs:
            command = python("-m", "longshore.bench.worker", json.dumps(asdict(job)))
            processes.append(stack.enter_context(running(command, folder, environment())))
        for process in processes:
            if _line(process) != _READY:
                raise MeasurementError(_WHAT, process.wait())
        for process in processes:
            _let_go(process)
        return [_served(process) for process in processes]


def main(job: Job) -> None:
    """Be the worker."""
    served = asyncio.run(_run(job))
    sys.stdout.write(json.dumps(asdict(served)) + "\n")


async def _run(job: Job) -> Served:
    bench = Bench(job.url, job.marks)
    settings = bench.app.settings
    options = WorkerOptions(concurrency=job.concurrency, burst=True)
    async with open_ports(settings) as ports:
        worker = Worker(
            ports,
            bench.app.registry,
            policy_of(settings),
            options,
            open_ports=lambda: open_ports(settings),
        )
        sys.stdout.write(_READY)
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        began = time.time()
        await worker.run()
    return Served(calls=bench.calls.made, began=began, memory=bench.memory)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    return process.stdout.readline()


def _let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    process.stdin.write("go\n")
    process.stdin.flush()


def _served(process: subprocess.Popen[str]) -> Served:
    line = _line(process)
    if not line:
        raise MeasurementError(_WHAT, process.wait())
    said = json.loads(line)
    said["memory"] = {int(calls): size for calls, size in said["memory"].items()}
    return Served(**said)


_WHAT: Final = "a worker of the measurement"

if __name__ == "__main__":
    main(Job(**json.loads(sys.argv[1])))
