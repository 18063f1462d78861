"""`longshore bench`."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore.bench.figures import Result, Row
    from longshore.bench.host import Host
    from longshore.cli.invocation import Invocation
    from longshore.cli.output import Output

RUNS: Final = 5
_OF_ROWS: Final = ("rows", "runs", "quick", "listed")
_OF_CHAOS: Final = ("queue_url", "seconds", "workers", "seed")
_FLAGS: Final = {"rows": "ROW", "listed": "--list", "queue_url": "--queue-url"}
_STYLES = {"reached": "ok", "not reached": "fail", "not measured": "warn"}


@click.command(
    "bench",
    cls=Command,
    examples=(
        "bench",
        "bench enqueue drain",
        "bench 3 --runs 10",
        "bench --quick --json",
        "bench --chaos",
        "bench --chaos --tasks 2000 --seconds 15 --seed 7 --url sqlite:///try.db",
    ),
)
@click.argument("rows", metavar="[ROW]...", nargs=-1)
@option("--runs", type=click.IntRange(1), help="Runs of each row. Default: 5.")
@option("--tasks", type=click.IntRange(1), help="Tasks of each run, in place of the row's own.")
@option("--quick", is_flag=True, help="One run of few tasks: whether it works, not how fast.")
@option("--list", "listed", is_flag=True, help="List the rows, and measure nothing.")
@option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False, writable=True),
    help="Where the databases are made. Default: the temporary folder.",
)
@option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE",
    help="Write everything that was measured to a file, as JSON.",
)
@option("--chaos", is_flag=True, help="Kill, stop and restart workers, and count what was lost.")
@option("--queue-url", metavar="URL", help="With --chaos: the queue, if not where --url is.")
@option(
    "--seconds",
    type=click.FloatRange(1),
    help="With --chaos: how long workers are broken. Default: 90.",
)
@option("--workers", type=click.IntRange(1, 64), help="With --chaos: worker processes. Default: 4.")
@option("--seed", type=click.IntRange(0), help="With --chaos: repeat the plan of an earlier run.")
@click.pass_obj
def bench(invocation: Invocation, /, *, chaos: bool, **given: Any) -> int:  # noqa: ANN401 - its options
    """Measure what this machine does with SQLite, beside raw sqlite3 and huey.

    ROW is a name or number of --list; all are measured where none is given, which takes some
    minutes. Each run has new databases and a process of its own. Where tasks were lost or done
    twice the exit code is 1; a goal that is not reached is only said. docs/benchmarks.md tells
    how each is measured.

    With --chaos nothing is measured and much is broken: workers are killed each second, stopped
    past their leases and restarted, while they run 10,000 tasks; what must hold all the same is
    counted, and the exit code is 1 where something does not. It uses a SQLite file of its own,
    or, with --url, the queue longshore-chaos of another broker; with --queue-url as well, that
    broker's queue and the other's log.
    """
    shared = {"app": invocation.app, "url": invocation.url}
    if chaos:
        _refuse(shared | given, ("app", *_OF_ROWS), "with --chaos, which measures no rows")
        rest = {name: value for name, value in given.items() if name not in _OF_ROWS}
        return _break(invocation, rest)
    _refuse(shared, ("app", "url"), "here: bench measures databases and tasks of its own")
    _refuse(given, _OF_CHAOS, "without --chaos")
    rest = {name: value for name, value in given.items() if name not in _OF_CHAOS}
    return _measure(invocation.output, **rest)


def _refuse(given: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    """Ignore nothing silently that was given and has no meaning."""
    said = [_FLAGS.get(name, f"--{name}") for name in names if _is_given(given[name])]
    if said:
        message = f"{' and '.join(said)} cannot be used {where}"
        raise click.UsageError(message)


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value != ()


def _break(invocation: Invocation, given: dict[str, Any]) -> int:
    from longshore.cli.chaos import Wanted, break_workers  # noqa: PLC0415 - only for chaos

    return break_workers(invocation.output, Wanted(url=invocation.url, **given))


def _measure(  # noqa: PLR0913 - one parameter for each option
    output: Output,
    *,
    rows: tuple[str, ...],
    runs: int | None,
    tasks: int | None,
    quick: bool,
    listed: bool,
    folder: Path | None,
    save: Path | None,
) -> int:
    wanted = _found(rows)
    if listed:
        output.table(("row", "name", "what", "tasks"), [_entry(row) for row in wanted])
        return ExitCode.OK
    counts = {row.name: tasks or (row.quick if quick else row.tasks) for row in wanted}
    times = 1 if quick else runs or RUNS
    with tempfile.TemporaryDirectory(dir=folder, prefix="longshore-bench-") as place:
        host = _described(output, Path(place))
        results: list[Result] = []
        for result in _measured(output, wanted, times, counts, Path(place)):
            results.append(result)
            if save is not None:
                _save(save, host, results)
    return _ended(output, host, results)


def _found(rows: tuple[str, ...]) -> tuple[Row, ...]:
    from longshore.bench.errors import UnknownRowError  # noqa: PLC0415 - loaded when it runs
    from longshore.bench.rows import find  # noqa: PLC0415 - loaded when it runs

    try:
        return find(rows)
    except UnknownRowError as error:
        raise InputError(str(error)) from error


def _entry(row: Row) -> tuple[str, str, str, str]:
    return str(row.number), row.name, row.title, f"{row.tasks:,}"


def _described(output: Output, place: Path) -> Host:
    from longshore.bench.host import describe  # noqa: PLC0415 - loaded when it runs

    host = describe(place.resolve(), datetime.now(UTC))
    if not output.json:
        output.line(f"{host.date}  {host.system}, {host.processor}, {host.cores} cores")
        output.line(f"{host.storage}; load {host.load:.2f} at the start")
        output.line(f"{host.python}, SQLite {host.sqlite}, huey {host.huey}; {host.settings}")
    return host


def _measured(
    output: Output, rows: tuple[Row, ...], runs: int, counts: dict[str, int], place: Path
) -> Iterator[Result]:
    from longshore.bench.run import run  # noqa: PLC0415 - loaded when it runs

    with output.progress("runs", len(rows) * runs) as advance:
        for row in rows:
            tasks = counts[row.name]
            output.note(f"{row.number}. {row.name}: {runs} x {tasks:,} tasks …")
            result = run(row, runs=runs, tasks=tasks, folder=place, done=lambda: advance(1))
            if not output.json:
                _print(output, result)
            yield result


def _print(output: Output, result: Result) -> None:
    from longshore.bench.wording import table, verdicts  # noqa: PLC0415 - loaded when it runs

    row = result.row
    output.line()
    output.heading(f"{row.number}. {row.title}")
    output.line(f"{row.method}; {len(result.runs)} x {result.tasks:,} tasks")
    output.table((row.name, "min", "median", "max"), table(result))
    for verdict, text in verdicts(result):
        output.styled(f"{verdict}: {text}", _STYLES[verdict])
    output.line("counted: " + ", ".join(f"{n:,} {name}" for name, n in result.counts.items()))
    for said in result.missing:
        output.line(f"left out: {said}")


def _print_sum(output: Output, results: list[Result]) -> None:
    goals = [reached for result in results for reached in result.reached]
    output.line()
    output.line(f"{goals.count(True)} of {len(goals)} goals reached")
    if any(result.tasks < result.row.tasks for result in results):
        output.line("with fewer tasks than the goals are meant for")


def _save(file: Path, host: Host, results: list[Result]) -> None:
    """Write after each row, so that what was measured outlives what may go wrong later."""
    from longshore.bench.wording import document  # noqa: PLC0415 - loaded when it runs

    file.write_text(json.dumps(document(host, results), indent=2) + "\n", encoding="utf-8")


def _ended(output: Output, host: Host, results: list[Result]) -> int:
    from longshore.bench.wording import document  # noqa: PLC0415 - loaded when it runs

    if output.json:
        output.document(document(host, results))
    else:
        _print_sum(output, results)
    wrong = [result.row.name for result in results if not result.correct]
    if wrong:
        output.problem(f"lost or doubled tasks in: {', '.join(wrong)}", kind="Incorrect")
        return ExitCode.FAILED
    return ExitCode.OK
