"""One contender's round: fill a queue, let its worker run what waits, count what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

import psutil

from tests.bench.aws.apps.journal import WIDTH
from tests.bench.aws.place import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tests.bench.aws.contenders import Contender
    from tests.bench.aws.place import Place

PATIENCE: Final = 180.0
"""Seconds for a worker to run everything."""
_GRACE: Final = 30.0
_LOOK: Final = 0.005
_LAST_WORDS: Final = 3000


class RoundError(Exception):
    """A process of a round did not do what was asked."""

    def __init__(self, what: str, folder: Path) -> None:
        """Say what the processes have said."""
        said = [path.read_text("utf-8", "replace") for path in folder.glob("*.txt")]
        super().__init__(f"{what}; its processes said:\n{''.join(said)[-_LAST_WORDS:]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """CPU seconds per task of producer and worker, tasks a second, and what went wrong."""

    produced: float
    sent_rate: float
    worked: float
    rate: float
    calls: float
    tasks: int
    lost: int
    doubled: int
    left: int


def play(place: Place, one: Contender, tasks: int) -> Round:
    """Send and run tasks; CPU is taken from the middle of each, where nothing begins or ends."""
    warm, cool = tasks // 5, tasks // 10
    folder = Path(mkdtemp(dir=place.folder, prefix=f"{one.name}-"))
    with place.queue() as prefix:
        told = {**environment(place), **_settings(place, prefix, folder), **one.given}
        sent = _produce(one, told, folder, warm, tasks + cool)
        with running(one.command, told, folder) as worker:
            middle = _middle(worker, folder, warm, warm + tasks)
            _until(folder, warm + tasks + cool)
            _emptied(place, prefix)
        numbers = Counter((folder / "runs").read_bytes().split())
        left = place.left(prefix)
    wanted = warm + tasks + cool
    return Round(
        produced=sent["cpu"] / (tasks + cool),
        sent_rate=(tasks + cool) / sent["took"],
        worked=middle.cpu / middle.tasks,
        rate=middle.tasks / middle.took,
        calls=_size(folder / "calls") / wanted,
        tasks=wanted,
        lost=wanted - len(numbers),
        doubled=numbers.total() - len(numbers),
        left=left,
    )


def _settings(place: Place, prefix: str, folder: Path) -> dict[str, str]:
    return {
        "LONGSHORE_QUEUE_URL": place.sqs_url(prefix),
        "BENCH_QUEUE": f"{prefix}-default",
        "BENCH_RUNS": str(folder / "runs"),
        "BENCH_CALLS": str(folder / "calls"),
    }


def _produce(
    one: Contender, told: Mapping[str, str], folder: Path, warm: int, tasks: int
) -> Mapping[str, float]:
    command = [sys.executable, "-m", "tests.bench.aws.produce", one.module, str(warm), str(tasks)]
    with (folder / "produced.txt").open("w") as said:
        ran = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=told,
            stderr=said,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
    if ran.returncode:
        raise RoundError(f"the producer of {one.name} failed", folder)
    answer: Mapping[str, float] = json.loads(ran.stdout)
    return answer


@dataclass(frozen=True, slots=True)
class _Middle:
    cpu: float
    took: float
    tasks: int


def _middle(worker: psutil.Process, folder: Path, first: int, last: int) -> _Middle:
    began = (_until(folder, first), _cpu(worker), time.perf_counter())
    ended = (_until(folder, last), _cpu(worker), time.perf_counter())
    return _Middle(ended[1] - began[1], ended[2] - began[2], ended[0] - began[0])


def _until(folder: Path, runs: int) -> int:
    """Wait until so many tasks have run; answer how many it were by then."""
    end = time.monotonic() + PATIENCE
    while (ran := _size(folder / "runs") // WIDTH) < runs:
        if time.monotonic() > end:
            raise RoundError(f"{ran} of {runs} tasks were run", folder)
        time.sleep(_LOOK)
    return ran


def _emptied(place: Place, prefix: str) -> None:
    """Wait for the last acknowledgements, for a while."""
    end = time.monotonic() + _GRACE
    while place.left(prefix) and time.monotonic() < end:
        time.sleep(0.1)


def _cpu(worker: psutil.Process) -> float:
    """CPU seconds of a process and all below it."""
    total = 0.0
    for each in (worker, *worker.children(recursive=True)):
        try:
            spent = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system
    return total


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def running(command: list[str], told: Mapping[str, str], folder: Path) -> Generator[psutil.Process]:
    """Run a worker meanwhile; it is told to end, and where it does not, it is ended."""
    with (
        (folder / "worked.txt").open("w") as said,
        subprocess.Popen(
            command, cwd=ROOT, env=told, stderr=said, stdout=said, start_new_session=True
        ) as process,
    ):
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
