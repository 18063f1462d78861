"""The table: what is measured, and what it is to reach."""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.bench import speed
from tests.bench.contender import names
from tests.bench.figures import Figure, Row
from tests.bench.pickup import pickup
from tests.bench.rabbitmq import memory
from tests.bench.rabbitmq.contenders import BESIDE, HOLDERS
from tests.bench.rabbitmq.place import Place

_MEGABYTE: Final = 1024 * 1024

ROWS: Final[tuple[Row[Place], ...]] = (
    Row(
        name="publish",
        title="publish, confirmed, as many at once as each can",
        figures=(*BESIDE.rates(0.7, None), *BESIDE.each("size", "body", "B")),
        measure=partial(speed.many, BESIDE),
        tasks=10_000,
        quick=40,
    ),
    Row(
        name="one",
        title="publish, confirmed, one at a time",
        figures=BESIDE.rates(0.9, None),
        measure=partial(speed.one_by_one, BESIDE),
        tasks=1_000,
        quick=20,
    ),
    Row(
        name="drain",
        title="run no-op tasks that wait, by one worker",
        figures=BESIDE.rates(0.6, 1, logged=5000),
        measure=partial(speed.drain, BESIDE),
        tasks=10_000,
        quick=40,
    ),
    Row(
        name="pickup",
        title="publish to the handler's first line, idle worker in another process",
        figures=BESIDE.times(longshore=0.0016),
        measure=partial(pickup, BESIDE),
        tasks=200,
        quick=5,
    ),
    Row(
        name="memory",
        title="memory of a worker, log in SQLite, while tasks wait for their time",
        figures=(
            Figure("growth", "growth", "MB", at_most=2 * _MEGABYTE),
            Figure("before", "resident before", "MB"),
            Figure("waiting", "resident while they wait", "MB"),
            Figure("own_before", "its own before", "MB"),
            Figure("own_waiting", "its own while they wait", "MB"),
            *(Figure(f"growth_{name}", f"{text}: growth", "MB") for name, text in names(HOLDERS)),
        ),
        measure=memory.memory,
        tasks=100_000,
        quick=500,
    ),
)
