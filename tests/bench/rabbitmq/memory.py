"""What tasks that wait for their time cost a worker in memory: they wait in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from longshore.bench.footprint import memory_of
from tests.bench import journal
from tests.bench.figures import Measured
from tests.bench.processes import produced, running, until
from tests.bench.rabbitmq.beside import counted, told_of
from tests.bench.rabbitmq.contenders import LOGGED, logged

if TYPE_CHECKING:
    from longshore.bench.footprint import Memory
    from tests.bench.rabbitmq.place import Place

_LOOKS: Final = 8
_LOOK: Final = 0.5


def memory(place: Place, tasks: int) -> Measured:
    """Weigh a worker before and while tasks wait that are due in an hour."""
    with place.queue() as queue:
        told, folder = told_of(place, queue, LOGGED, "one")
        produced(LOGGED, told, folder, range(1))
        with running(LOGGED.command, told, folder) as worker:
            until(worker, folder, 1)
            before = _weighed(worker.pid)
            produced(LOGGED, told | {"BENCH_HOW": "later"}, folder, range(tasks))
            waiting = _weighed(worker.pid)
            produced(LOGGED, told, folder, range(1, 2))  # it still works
            until(worker, folder, 2)
        runs = journal.read(folder / "runs")
        left = queue.holds(0)
        log = logged(place, queue)
    figures = {
        "growth": float(waiting.resident - before.resident),
        "before": float(before.resident),
        "waiting": float(waiting.resident),
        "own_before": float(before.own),
        "own_waiting": float(waiting.own),
    }
    rows = log.rows if log else 0
    counts = counted(runs, 2, left) | {"waiting": rows - 2, "not in the log": tasks + 2 - rows}
    return Measured(figures=figures, counts=counts)


def _weighed(pid: int) -> Memory:
    """The most that it weighs while its scheduler looks at the log a few times."""
    weights: list[Memory] = []
    for _ in range(_LOOKS):
        weights.append(memory_of(pid))
        time.sleep(_LOOK)
    return max(weights)
