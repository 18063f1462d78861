"""What tasks that wait for their time cost a worker in memory: ours wait in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from longshore.bench.footprint import memory_of
from tests.bench import journal
from tests.bench.beside import counted, holds, told_of
from tests.bench.figures import Measured
from tests.bench.processes import RoundError, produced, running, until
from tests.bench.rabbitmq.contenders import HOLDERS, LOGGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psutil

    from longshore.bench.footprint import Memory
    from tests.bench.contender import Contender
    from tests.bench.rabbitmq.place import Place

_LOOKS: Final = 8
_LOOK: Final = 0.5
_REST: Final = 131_072
"""Bytes by which a worker that still takes what was sent grows in a second, at least."""


def memory(place: Place, tasks: int, holders: Sequence[Contender] = HOLDERS) -> Measured:
    """Weigh a worker before and while tasks wait that are due in an hour; neighbours likewise."""
    ours = _ours(place, tasks)
    theirs = {
        f"growth_{one.name}": _grown(place, tasks, one) for one in holders if one.is_installed
    }
    missing = tuple(f"{one.text} is not installed" for one in holders if not one.is_installed)
    return Measured(figures={**ours.figures, **theirs}, counts=ours.counts, missing=missing)


def _ours(place: Place, tasks: int) -> Measured:
    with place.queue(LOGGED) as queue:
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
        left = holds(queue, 0)
        log = queue.logged()
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


def _grown(place: Place, tasks: int, one: Contender) -> float:
    """Bytes by which a neighbour's worker grows until it has taken what it takes."""
    with place.queue(one) as queue:
        told, folder = told_of(place, queue, one, "one")
        produced(one, told, folder, range(1))
        with running(one.command, told, folder) as worker:
            until(worker, folder, 1)
            before = _at_rest(worker)
            produced(one, told | {"BENCH_HOW": "later"}, folder, range(tasks))
            after = _at_rest(worker)
        if (ran := journal.made(folder / "runs")) != 1:
            raise RoundError(f"{ran - 1} tasks of {one.name} did not wait for their time", folder)
        return float(after - before)


def _weighed(pid: int) -> Memory:
    """The most that it weighs while its scheduler looks at the log a few times."""
    weights: list[Memory] = []
    for _ in range(_LOOKS):
        weights.append(memory_of(pid))
        time.sleep(_LOOK)
    return max(weights)


def _at_rest(worker: psutil.Process) -> int:
    """Resident bytes of a worker and all below it, once they grow no more."""
    before, now = 0, _resident(worker)
    while now > before + _REST:
        time.sleep(1)
        before, now = now, _resident(worker)
    return now


def _resident(worker: psutil.Process) -> int:
    every = (worker, *worker.children(recursive=True))
    return sum(memory_of(each.pid).resident for each in every)
