"""The table: what is measured, and what each row is to reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore.bench.draining import memory, on_the_loop, on_threads, sleeping, two_processes
from longshore.bench.enqueueing import in_batches, like_for_like, one_by_one
from longshore.bench.errors import UnknownRowError
from longshore.bench.figures import Bound, Figure, Goal, Row
from longshore.bench.footprint import footprint
from longshore.bench.guarding import guards, stopping
from longshore.bench.pickup import pickup
from longshore.bench.starting import starting

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEGABYTE: Final = 1024 * 1024
_FLOOR_SHARE: Final = Figure("floor_share", "of the floor", "%")
_FLOOR: Final = Figure("floor", "floor: raw sqlite3", "/s")
_HUEYS: Final = (
    Figure("times_huey", "times huey as it comes (synchronous FULL)", "x"),
    Figure("times_huey_normal", "times huey at synchronous NORMAL", "x"),
)
_HUEY_RATES: Final = (
    Figure("huey", "huey as it comes (synchronous FULL)", "/s"),
    Figure("huey_normal", "huey at synchronous NORMAL", "/s"),
)


def _least(figure: str, value: float) -> Bound:
    return Bound(figure=figure, at_least=value)


def _most(figure: str, value: float) -> Bound:
    return Bound(figure=figure, at_most=value)


ROWS: Final = (
    Row(
        number=1,
        name="enqueue",
        title="enqueue one by one, durable, validated, with a row in the log",
        method="task.enqueue() in a loop; the floor inserts the same rows, a transaction each",
        figures=(
            _FLOOR_SHARE,
            *_HUEYS,
            Figure("rate", "enqueued", "/s"),
            _FLOOR,
            *_HUEY_RATES,
            Figure("p50", "one call, p50", "s"),
            Figure("p99", "one call, p99", "s"),
        ),
        goals=(
            Goal((_least("floor_share", 0.5),)),
            Goal((_least("times_huey", 4),)),
            Goal((_most("p50", 0.0001),)),
        ),
        measure=one_by_one,
        tasks=10_000,
        quick=500,
    ),
    Row(
        number=2,
        name="batch",
        title="enqueue_many, 1,000 a call",
        method="app.enqueue_many() of 1,000 messages; the floor: executemany of the same rows",
        figures=(
            _FLOOR_SHARE,
            Figure("rate", "enqueued", "/s"),
            _FLOOR,
            Figure("p50", "one call, p50", "s"),
            Figure("p99", "one call, p99", "s"),
        ),
        goals=(Goal((_least("rate", 50_000), _least("floor_share", 0.45))),),
        measure=in_batches,
        tasks=50_000,
        quick=2_000,
    ),
    Row(
        number=3,
        name="drain",
        title="drain no-op tasks, one process, async handlers",
        method="a worker of concurrency 100; the floor: claim 100, finish 100, one after the other",
        figures=(
            _FLOOR_SHARE,
            *_HUEYS,
            Figure("rate", "run", "/s"),
            _FLOOR,
            *_HUEY_RATES,
        ),
        goals=(
            Goal((_least("rate", 10_000), _least("floor_share", 0.4))),
            Goal((_least("times_huey", 4),)),
        ),
        measure=on_the_loop,
        tasks=100_000,
        quick=2_000,
    ),
    Row(
        number=4,
        name="threads",
        title="drain no-op tasks, one process, sync handlers on threads",
        method="as `drain`",
        figures=(_FLOOR_SHARE, Figure("rate", "run", "/s"), _FLOOR),
        goals=(Goal((_least("rate", 6_000),)),),
        measure=on_threads,
        tasks=100_000,
        quick=2_000,
    ),
    Row(
        number=5,
        name="processes",
        title="drain no-op tasks, two processes beside one",
        method="as `drain`, on two copies of one database",
        figures=(
            Figure("gain", "two processes, times one", "x"),
            Figure("less_busy", "done by the less busy of two", "%"),
            Figure("one", "one process", "/s"),
            Figure("two", "two processes", "/s"),
        ),
        goals=(Goal((_least("gain", 1.4),)),),
        measure=two_processes,
        tasks=50_000,
        quick=2_000,
    ),
    Row(
        number=6,
        name="pickup",
        title="enqueue to the handler's first line, idle worker in another process",
        method="`longshore work`, asked after 5 to 25 ms of idling; its idle CPU by /proc",
        figures=(
            Figure("p50", "p50", "s"),
            Figure("p95", "p95", "s"),
            Figure("p99", "p99", "s"),
            Figure("greatest", "greatest", "s"),
            Figure("idle", "of a core while idle", "%"),
            Figure("huey_p50", "huey, p50", "s"),
            Figure("huey_p99", "huey, p99", "s"),
        ),
        goals=(
            Goal((_most("p50", 0.005),)),
            Goal((_most("p99", 0.02),)),
            Goal((_most("idle", 0.01),)),
        ),
        measure=pickup,
        tasks=200,
        quick=8,
    ),
    Row(
        number=7,
        name="sleep",
        title="tasks that sleep 10 ms, concurrency 100",
        method="from the first handler's first line to the last end in the log",
        figures=(
            Figure("of_ideal", "of the ideal", "%"),
            Figure("bare_of_ideal", "as many sleeps on a bare event loop", "%"),
            Figure("took", "took", "s"),
            Figure("ideal", "ideal", "s"),
        ),
        goals=(Goal((_least("of_ideal", 0.85),)),),
        measure=sleeping,
        tasks=2_000,
        quick=300,
    ),
    Row(
        number=8,
        name="start",
        title="cold start to the first task done, and the import",
        method="`longshore work` for one task, by the log; `import longshore` and its Longshore",
        figures=(
            Figure("start", "start to the first task done, median", "s"),
            Figure("start_p95", "start to the first task done, p95", "s"),
            Figure("bare", "floor: a Python that imports asyncio, pydantic, sqlite3", "s"),
            Figure("import", "import longshore, median", "s"),
            Figure("clients", "broker clients imported by it", "n"),
        ),
        goals=(
            Goal((_most("start", 0.6),)),
            Goal((_most("import", 0.15),)),
            Goal((_most("clients", 0),)),
        ),
        measure=starting,
        tasks=20,
        quick=2,
    ),
    Row(
        number=9,
        name="memory",
        title="growth of a worker's memory while it drains",
        method="resident memory at the last task, less that when a twentieth was done",
        figures=(
            Figure("growth", "growth", "B"),
            Figure("second_half", "growth in the second half", "B"),
            Figure("early", "when a twentieth was done", "B"),
            Figure("late", "at the last task", "B"),
        ),
        goals=(Goal((_most("growth", 2 * _MEGABYTE),)),),
        measure=memory,
        tasks=200_000,
        quick=4_000,
    ),
    Row(
        number=10,
        name="sequential",
        title="1,000 enqueues one after another, like for like with the figures of 2,915/s",
        method="task.enqueue() in a loop, with synchronous NORMAL and FULL",
        figures=tuple(
            figure
            for mode in ("normal", "full")
            for figure in (
                Figure(f"{mode}_rate", f"{mode.upper()}: enqueued", "/s"),
                Figure(f"{mode}_mean", f"{mode.upper()}: one call, mean", "s"),
                Figure(f"{mode}_p50", f"{mode.upper()}: one call, p50", "s"),
                Figure(f"{mode}_p95", f"{mode.upper()}: one call, p95", "s"),
                Figure(f"{mode}_p99", f"{mode.upper()}: one call, p99", "s"),
            )
        ),
        goals=(
            Goal((_least("normal_rate", 2_915),)),
            Goal((_most("normal_mean", 0.000337),)),
        ),
        measure=like_for_like,
        tasks=1_000,
        quick=100,
    ),
    Row(
        number=11,
        name="footprint",
        title="memory of each further worker process, forked from one warmed parent",
        method="`longshore work --processes 4`, by /proc/PID/smaps_rollup: the heaviest of four",
        figures=tuple(
            figure
            for stage, when in (
                ("none", "before any task"),
                ("tenth", "after a tenth of the tasks"),
                ("all", "after all tasks"),
            )
            for figure in (
                Figure(f"own_{stage}", f"its own (USS) {when}", "B"),
                Figure(f"resident_{stage}", f"resident (RSS) {when}", "B"),
                Figure(f"parent_{stage}", f"the parent's resident {when}", "B"),
            )
        ),
        goals=(Goal((_most("own_all", 5 * _MEGABYTE),)),),
        measure=footprint,
        tasks=100_000,
        quick=1_000,
    ),
    Row(
        number=12,
        name="guards",
        title="what the lease thread, control and scheduler cost a drain",
        method="as `drain`, on two copies of one database, with them and without",
        figures=(
            Figure("cost", "longer with them", "%"),
            Figure("on", "with them", "/s"),
            Figure("off", "without", "/s"),
        ),
        goals=(Goal((_most("cost", 0.15),)),),
        measure=guards,
        tasks=50_000,
        quick=2_000,
    ),
    Row(
        number=13,
        name="stop",
        title="TERM to the end of an idle worker",
        method="`longshore work`, one task, then TERM",
        figures=(
            Figure("p50", "p50", "s"),
            Figure("p95", "p95", "s"),
            Figure("greatest", "greatest", "s"),
        ),
        goals=(Goal((_most("p95", 0.3),)),),
        measure=stopping,
        tasks=10,
        quick=2,
    ),
)


def find(asked: Sequence[str]) -> tuple[Row, ...]:
    """Find rows by number or name, in the table's order; all where none is asked for."""
    known = {word: row for row in ROWS for word in (row.name, str(row.number))}
    for word in asked:
        if word not in known:
            raise UnknownRowError(word, [row.name for row in ROWS])
    wanted = {known[word].number for word in asked}
    return tuple(row for row in ROWS if row.number in wanted or not wanted)
