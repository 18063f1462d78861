"""Processes of a measurement: a producer that is run, a worker that runs meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from tests.bench import journal

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tests.bench.contender import Contender

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 600.0
"""Seconds to send everything, or to run it."""
GRACE: Final = 30.0
_KEPT: Final = ("PATH", "HOME", "TMPDIR", "LANG", "VIRTUAL_ENV")
_LOOK: Final = 0.005
_LAST_WORDS: Final = 3000


class RoundError(Exception):
    """A process of a round did not do what was asked."""

    def __init__(self, what: str, folder: Path) -> None:
        """Say what the processes have said."""
        said = [path.read_text("utf-8", "replace") for path in folder.glob("*.txt")]
        super().__init__(f"{what}; its processes said:\n{''.join(said)[-_LAST_WORDS:]}")


def environment(folder: Path) -> dict[str, str]:
    """What a measured process is told: nothing of the caller's settings, and where to note runs."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return kept | {"PYTHONPATH": path, "BENCH_RUNS": str(folder / "runs")}


def produced(
    one: Contender, told: Mapping[str, str], folder: Path, numbers: range, warm: int = 0
) -> Mapping[str, float]:
    """Send tasks; the CPU seconds and the seconds that those behind the first `warm` took."""
    words = (one.module, str(warm), str(numbers.start), str(numbers.stop))
    return answered(one, told, folder, "tests.bench.produce", *words)


def answered(
    one: Contender, told: Mapping[str, str], folder: Path, program: str, *words: str
) -> Mapping[str, float]:
    """Run a program of ours to its end; what it answers."""
    with (folder / "produced.txt").open("w") as said:
        ran = subprocess.run(
            [sys.executable, "-m", program, *words],
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
class Middle:
    """What was used and done while neither start nor end was near; `tasks` may be none."""

    cpu: float
    took: float
    tasks: int


def middle(worker: psutil.Process, folder: Path, first: int, last: int) -> Middle:
    """Watch a worker from its `first` run to its `last`."""
    began = (until(worker, folder, first), cpu_of(worker), time.perf_counter())
    ended = (until(worker, folder, last), cpu_of(worker), time.perf_counter())
    return Middle(ended[1] - began[1], ended[2] - began[2], ended[0] - began[0])


def until(worker: psutil.Process, folder: Path, runs: int) -> int:
    """Wait until so many tasks have run; answer how many it were by then."""
    end = time.monotonic() + PATIENCE
    while (ran := journal.made(folder / "runs")) < runs:
        if time.monotonic() > end or worker.status() == psutil.STATUS_ZOMBIE:
            raise RoundError(f"{ran} of {runs} tasks were run", folder)
        time.sleep(_LOOK)
    return ran


def cpu_of(worker: psutil.Process) -> float:
    """CPU seconds of a process and all below it."""
    total = 0.0
    for each in (worker, *worker.children(recursive=True)):
        try:
            spent = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system
    return total


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
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
