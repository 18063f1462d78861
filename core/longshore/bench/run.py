"""Running rows: each run in a process of its own, in an empty folder, with a clean environment.

`python -m longshore.bench.run ROW TASKS FOLDER` makes one run and writes what it measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from longshore.bench.command import environment, python, running
from longshore.bench.figures import Measured, Result
from longshore.bench.rows import find
from longshore.bench.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.bench.figures import Row


def run(row: Row, *, runs: int, tasks: int, folder: Path, done: Callable[[], object]) -> Result:
    """Make the runs of a row, below `folder`; `done` is called after each.

    `MeasurementError` where a run ends without an answer.
    """
    result = Result(row=row, tasks=tasks)
    for _ in range(runs):
        result = replace(result, runs=(*result.runs, _run_once(row, tasks, folder)))
        done()
    return result


def main(row: str, tasks: int, folder: Path) -> None:
    """Be the process of one run."""
    [found] = find([row])
    measured = found.measure(Site(folder=folder, tasks=tasks))
    sys.stdout.write(json.dumps(asdict(measured)) + "\n")


def _run_once(row: Row, tasks: int, folder: Path) -> Measured:
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{row.name}-") as place:
        command = python("-m", "longshore.bench.run", row.name, str(tasks), place)
        what = f"row {row.number} ({row.name})"
        with running(what, command, Path(place), environment()) as process:
            measured = json.loads(process.line())
    return Measured(
        figures=measured["figures"],
        counts=measured["counts"],
        missing=tuple(measured["missing"]),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
