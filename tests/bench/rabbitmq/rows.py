"""The table: what is measured, and what it is to reach."""

from __future__ import annotations

from typing import Final

from tests.bench.contender import names
from tests.bench.figures import Figure, Row
from tests.bench.rabbitmq import memory, pickup, speed
from tests.bench.rabbitmq.contenders import EVERYBODY, HOLDERS
from tests.bench.rabbitmq.place import Place

_NAMES: Final = names(EVERYBODY)
_MEGABYTE: Final = 1024 * 1024


def _rates(of_floor: float, of_best: float | None, **goals: float) -> tuple[Figure, ...]:
    return (
        Figure("of_floor", "Longshore, no log: of bare py-amqp", at_least=of_floor),
        Figure("of_best", "Longshore, no log: times the best neighbour", at_least=of_best),
        *(Figure(f"rate_{name}", text, "/s", at_least=goals.get(name)) for name, text in _NAMES),
        *(Figure(f"cpu_{name}", f"{text}: CPU a task", "µs") for name, text in _NAMES),
    )


def _times(**goals: float) -> tuple[Figure, ...]:
    return (
        Figure("of_floor", "Longshore, no log: p50, times bare py-amqp"),
        Figure("of_best", "Longshore, no log: p50, times the best neighbour"),
        *(
            Figure(f"p50_{name}", f"{text}: p50", "µs", at_most=goals.get(name))
            for name, text in _NAMES
        ),
        *(Figure(f"p99_{name}", f"{text}: p99", "µs") for name, text in _NAMES),
    )


ROWS: Final[tuple[Row[Place], ...]] = (
    Row(
        name="publish",
        title="publish, confirmed, as many at once as each can",
        figures=(
            *_rates(0.7, None),
            *(Figure(f"size_{name}", f"{text}: body", "B") for name, text in _NAMES),
        ),
        measure=speed.publish,
        tasks=10_000,
        quick=40,
    ),
    Row(
        name="one",
        title="publish, confirmed, one at a time",
        figures=_rates(0.9, None),
        measure=speed.one_by_one,
        tasks=1_000,
        quick=20,
    ),
    Row(
        name="drain",
        title="run no-op tasks that wait, by one worker",
        figures=_rates(0.6, 1, logged=5000),
        measure=speed.drain,
        tasks=10_000,
        quick=40,
    ),
    Row(
        name="pickup",
        title="publish to the handler's first line, idle worker in another process",
        figures=_times(longshore=0.0016),
        measure=pickup.pickup,
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
