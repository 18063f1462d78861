"""The table: what is measured. It has no goals: what is compared is in each run."""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.bench import speed
from tests.bench.figures import Row
from tests.bench.pickup import pickup
from tests.bench.postgres.contenders import SENDING, WORKING
from tests.bench.postgres.place import Place

ROWS: Final[tuple[Row[Place], ...]] = (
    Row(
        name="enqueue",
        title="enqueue, as many at once as each can",
        figures=(*SENDING.rates(None, None), *SENDING.each("size", "on disk, a task", "kB")),
        measure=partial(speed.many, SENDING),
        tasks=10_000,
        quick=40,
    ),
    Row(
        name="one",
        title="enqueue, one at a time",
        figures=SENDING.rates(None, None),
        measure=partial(speed.one_by_one, SENDING),
        tasks=1_000,
        quick=20,
    ),
    Row(
        name="drain",
        title="run no-op tasks that wait, by one worker",
        figures=WORKING.rates(None, None),
        measure=partial(speed.drain, WORKING),
        tasks=10_000,
        quick=40,
    ),
    Row(
        name="pickup",
        title="enqueue to the handler's first line, idle worker in another process",
        figures=WORKING.times(),
        measure=partial(pickup, WORKING),
        tasks=200,
        quick=5,
    ),
)
