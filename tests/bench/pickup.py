"""How soon an idle worker in another process begins what is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from longshore.bench.figures import percentile
from tests.bench import journal
from tests.bench.beside import counted, holds, told_of
from tests.bench.figures import Measured
from tests.bench.processes import answered, produced, running

if TYPE_CHECKING:
    from tests.bench.beside import Beside, Place
    from tests.bench.contender import Contender

_SECOND: Final = 1_000_000_000
_FIRST: Final = 3
"""Tasks that are not timed: the worker may be starting."""


def pickup(beside: Beside, place: Place, tasks: int) -> Measured:
    """Everybody's worker is sent one task at a time, when it has nothing to do."""
    return beside.measure(partial(_asked, place, tasks), "p50", min)


def _asked(place: Place, tasks: int, one: Contender) -> Measured:
    """Seconds from before the send to the handler's first line, by the clock both share."""
    wanted = tasks + _FIRST
    with place.queue(one) as queue:
        told, folder = told_of(place, queue, one, "one")
        produced(one, told, folder, range(0))  # makes the queue, where the worker does not
        with running(one.command, told, folder):
            answered(one, told, folder, "tests.bench.ask", one.module, str(wanted))
            holds(queue, 0)  # as in a drain
        runs = journal.read(folder / "runs")
        left = holds(queue, 0)
    took = [(run.began - run.sent) / _SECOND for run in runs if run.number >= _FIRST]
    figures = {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}
    return Measured(figures=figures, counts=counted(runs, wanted, left))
