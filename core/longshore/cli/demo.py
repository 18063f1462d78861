"""`longshore demo`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import InputError

if TYPE_CHECKING:
    from longshore.cli.invocation import Invocation
    from longshore.cli.output import Output
    from longshore.demo.run import Demo
    from longshore.demo.summary import Summary


@click.command(
    "demo",
    cls=Command,
    examples=("demo", "demo ~/Pictures --workers 4", "demo --kill", "demo --json"),
)
@click.argument("path", default=".", type=click.Path(path_type=Path))
@option("--workers", "-w", type=click.IntRange(1, 64), default=2, help="Worker processes.")
@option(
    "--database",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The SQLite file to make. Default: a new one in the temporary folder.",
)
@option("--kill", is_flag=True, help="Kill one worker in the middle; its tasks are rescued.")
@click.pass_obj
def demo(
    invocation: Invocation, *, path: Path, workers: int, database: Path | None, kill: bool
) -> None:
    """Hash the files under PATH with worker processes, and show what the log says.

    Makes a SQLite file, enqueues a task for each file, one that fails until its retries end,
    and a message that cannot be read; starts workers, waits for the end, and prints a summary
    with the commands to look further. The file is kept for them.
    """
    from longshore.app import Longshore  # noqa: PLC0415 - loaded by commands that run
    from longshore.demo.run import Demo, DemoError  # noqa: PLC0415 - loaded by commands that run
    from longshore.demo.summary import summarise  # noqa: PLC0415 - loaded by commands that run

    run = Demo(
        root=_folder(path), database=_database(database), workers=workers, kill=kill and workers > 1
    )
    output = invocation.output
    with Longshore(url=run.url) as app:
        run.enqueue(app)
        output.note(
            f"{len(run.files):,} files under {run.root}, a task each, and two that go wrong"
        )
        output.note(f"{workers} workers; what they say goes to {run.log}")
        with output.progress("tasks", run.total) as advance:
            run.watch(app, advance)
        summary = summarise(app, run.dead_letters(app))
    _print(output, run, summary)
    problems = summary.problems(len(run.files))
    if problems:
        message = f"not as expected: {'; '.join(problems)}; look further with the commands above"
        raise DemoError(message)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        message = f"{path} is not a folder; name one whose files are to be hashed"
        raise InputError(message)
    return path.resolve()


def _database(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="longshore-demo-")) / "demo.db"
    if given.exists():
        message = f"{given} exists; name a file that does not, the demo wants one of its own"
        raise InputError(message)
    return given.absolute()


def _print(output: Output, run: Demo, summary: Summary) -> None:
    if output.json:
        output.document(_document(run, summary))
        return
    rate = run.total / run.seconds if run.seconds else 0.0
    output.heading("What the log says")
    output.line(
        f"{run.total:,} tasks in {run.seconds:.1f} s ({rate:,.0f}/s, most of it workers starting), "
        f"{summary.attempts:,} attempts, {summary.rescued:,} rescued"
    )
    for state, count in sorted(summary.states.items()):
        output.styled(f"  {count:>7,} {state}", state)
    output.line(f"  {summary.size:,} bytes hashed")
    for name in run.unreadable:
        output.line(f"  left out, it cannot be read: {name}")
    output.heading("Slowest files")
    output.table(("ms", "file"), [(f"{1000 * took:.1f}", name) for name, took in summary.slowest])
    output.heading("The task that fails")
    output.table(
        ("attempt", "ended", "error"),
        [
            (str(one.number), one.outcome, one.error.message if one.error else "")
            for one in summary.tries
        ],
    )
    output.heading("Dead letters")
    output.table(
        ("reason", "detail"), [(letter.reason, letter.detail) for letter in summary.dead_letters]
    )
    output.heading("Look further")
    for command in _commands(run):
        output.line(f"  {command}")


def _commands(run: Demo) -> list[str]:
    base = f"--url {run.url}"
    return [
        f"longshore list {base} --state failed",
        f"longshore show {base} {run.failing}",
        f"longshore retry {base} {run.failing}",
        f"longshore stats {base}",
        f"longshore export {base} --format csv",
    ]


def _document(run: Demo, summary: Summary) -> dict[str, object]:
    return {
        "database": str(run.database),
        "seconds": round(run.seconds, 3),
        "states": summary.states,
        "attempts": summary.attempts,
        "rescued": summary.rescued,
        "bytes": summary.size,
        "files": {
            name: {"sha256": one.sha256, "size": one.size, "lines": one.lines}
            for name, one in summary.results.items()
        },
        "failed": {
            "id": summary.failed.id,
            "errors": [one.error.message for one in summary.tries if one.error],
        },
        "dead_letters": [
            {"reason": letter.reason, "detail": letter.detail} for letter in summary.dead_letters
        ],
        "commands": _commands(run),
    }
