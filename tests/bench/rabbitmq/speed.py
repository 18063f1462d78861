"""Publishing and draining: tasks a second of each contender, one after the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tests.bench import journal
from tests.bench.figures import Measured
from tests.bench.processes import middle, produced, running, until
from tests.bench.rabbitmq.beside import beside, counted, told_of
from tests.bench.rabbitmq.contenders import EVERYBODY, logged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.contender import Contender
    from tests.bench.rabbitmq.place import Place

_SECOND: Final = 1_000_000_000
_WARM: Final = 5
"""Tasks that are sent first, so that what begins with the first one is not timed."""


def publish(place: Place, tasks: int, contenders: Sequence[Contender] = EVERYBODY) -> Measured:
    """Everybody sends, as many at once as it can; a message of each is looked at."""
    return beside(contenders, partial(_publish, place, tasks, "many"), "rate", max)


def one_by_one(place: Place, tasks: int, contenders: Sequence[Contender] = EVERYBODY) -> Measured:
    """Everybody sends, and waits for each confirm before the next."""
    return beside(contenders, partial(_publish, place, tasks, "one"), "rate", max)


def drain(place: Place, tasks: int, contenders: Sequence[Contender] = EVERYBODY) -> Measured:
    """Everybody's worker runs what waits."""
    return beside(contenders, partial(_drain, place, tasks), "rate", max)


def _publish(place: Place, tasks: int, how: str, one: Contender) -> Measured:
    wanted = tasks + _WARM
    with place.queue() as queue:
        told, folder = told_of(place, queue, one, how)
        sent = produced(one, told, folder, range(wanted), _WARM)
        there = queue.holds(wanted)
        size, is_durable = queue.sample()
    figures = {"rate": tasks / sent["took"], "cpu": sent["cpu"] / tasks, "size": float(size)}
    counts = {
        "tasks": wanted,
        "lost": max(wanted - there, 0),
        "doubled": max(there - wanted, 0),
        "not durable": int(not is_durable),
    }
    return Measured(figures=figures, counts=counts)


def _drain(place: Place, tasks: int, one: Contender) -> Measured:
    """Run tasks; those at the start and at the end are run and not timed."""
    warm, cool = tasks // 5, max(tasks // 10, 1)
    wanted = warm + tasks + cool
    with place.queue() as queue:
        told, folder = told_of(place, queue, one)
        produced(one, told, folder, range(wanted))
        with running(one.command, told, folder) as worker:
            spent = middle(worker, folder, warm, warm + tasks)
            until(worker, folder, wanted)
        runs = journal.read(folder / "runs")
        left = queue.holds(0)
        log = logged(place, queue)
    took = max(runs[warm + tasks].began - runs[warm].began, 1) / _SECOND
    figures = {"rate": tasks / took}
    if spent.cpu:
        figures["cpu"] = spent.cpu / spent.tasks
    counts = counted(runs, wanted, left)
    if log:
        counts["not in the log"] = wanted - log.succeeded
    return Measured(figures=figures, counts=counts)
