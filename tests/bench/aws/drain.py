"""One contender's round: fill a queue, let its worker run what waits, count what came of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from tests.bench import journal
from tests.bench.aws.place import settings
from tests.bench.processes import GRACE, environment, middle, produced, running, until

if TYPE_CHECKING:
    from tests.bench.aws.place import Place
    from tests.bench.contender import Contender


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
    wanted = warm + tasks + cool
    with place.queue() as prefix:
        told = environment(folder) | _settings(place, prefix, folder) | dict(one.given)
        sent = produced(one, told, folder, range(wanted), warm)
        with running(one.command, told, folder) as worker:
            spent = middle(worker, folder, warm, warm + tasks)
            until(worker, folder, wanted)
            _emptied(place, prefix)
        numbers = Counter(run.number for run in journal.read(folder / "runs"))
        left = place.left(prefix)
    return Round(
        produced=sent["cpu"] / (tasks + cool),
        sent_rate=(tasks + cool) / sent["took"],
        worked=spent.cpu / spent.tasks,
        rate=spent.tasks / spent.took,
        calls=_size(folder / "calls") / wanted,
        tasks=wanted,
        lost=wanted - len(numbers),
        doubled=numbers.total() - len(numbers),
        left=left,
    )


def _settings(place: Place, prefix: str, folder: Path) -> dict[str, str]:
    return settings(place) | {
        "LONGSHORE_QUEUE_URL": place.sqs_url(prefix),
        "BENCH_QUEUE": f"{prefix}-default",
        "BENCH_CALLS": str(folder / "calls"),
    }


def _emptied(place: Place, prefix: str) -> None:
    """Wait for the last acknowledgements, for a while."""
    end = time.monotonic() + GRACE
    while place.left(prefix) and time.monotonic() < end:
        time.sleep(0.1)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
