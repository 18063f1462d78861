"""Sending and draining: tasks a second of each contender, one after the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tests.bench import journal
from tests.bench.beside import counted, holds, told_of
from tests.bench.figures import Measured
from tests.bench.processes import middle, produced, running, until

if TYPE_CHECKING:
    from tests.bench.beside import Beside, Place
    from tests.bench.contender import Contender

_SECOND: Final = 1_000_000_000
_WARM: Final = 5
"""Tasks that are sent first, so that what begins with the first one is not timed."""


def many(beside: Beside, place: Place, tasks: int) -> Measured:
    """Everybody sends, as many at once as it can; what waits then is looked at."""
    return beside.measure(partial(_send, place, tasks, "many"), "rate", max)


def one_by_one(beside: Beside, place: Place, tasks: int) -> Measured:
    """Everybody sends, and waits until one is safe before the next."""
    return beside.measure(partial(_send, place, tasks, "one"), "rate", max)


def drain(beside: Beside, place: Place, tasks: int) -> Measured:
    """Everybody's worker runs what waits."""
    return beside.measure(partial(_drain, place, tasks), "rate", max)


def _send(place: Place, tasks: int, how: str, one: Contender) -> Measured:
    wanted = tasks + _WARM
    with place.queue(one) as queue:
        told, folder = told_of(place, queue, one, how)
        sent = produced(one, told, folder, range(wanted), _WARM)
        there = holds(queue, wanted)
        seen = queue.look()
    figures = {"rate": tasks / sent["took"], "cpu": sent["cpu"] / tasks}
    counts = {"tasks": wanted, "lost": max(wanted - there, 0), "doubled": max(there - wanted, 0)}
    return Measured(figures={**figures, **seen.figures}, counts={**counts, **seen.counts})


def _drain(place: Place, tasks: int, one: Contender) -> Measured:
    """Run tasks; those at the start and at the end are run and not timed."""
    tasks = max(tasks // one.slower, 1)
    warm, cool = tasks // 5, max(tasks // 10, 1)
    wanted = warm + tasks + cool
    with place.queue(one) as queue:
        told, folder = told_of(place, queue, one)
        produced(one, told, folder, range(wanted))
        with running(one.command, told, folder) as worker:
            spent = middle(worker, folder, warm, warm + tasks)
            until(worker, folder, wanted)
            holds(queue, 0)  # what has run is marked so, before the worker is told to end
        runs = journal.read(folder / "runs")
        left = holds(queue, 0)
        succeeded = queue.succeeded()
    took = max(runs[warm + tasks].began - runs[warm].began, 1) / _SECOND
    figures = {"rate": tasks / took}
    if spent.cpu and spent.tasks:
        figures["cpu"] = spent.cpu / spent.tasks
    counts = counted(runs, wanted, left)
    if succeeded is not None:
        counts["not in the log"] = wanted - succeeded
    return Measured(figures=figures, counts=counts)
