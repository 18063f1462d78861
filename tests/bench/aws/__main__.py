"""The command: `python -m tests.bench.aws [ROW …] [--runs N] [--tasks N] [--quick]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.aws.figures import Result
from tests.bench.aws.place import Place, isolated
from tests.bench.aws.rows import ROWS, find


def main(words: list[str]) -> int:
    """Measure rows and print them; 1 where a task was lost, doubled or left."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.aws", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *(row.name for row in ROWS)])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tasks", type=int, help="tasks of each run; seconds of the row idle")
    parser.add_argument("--quick", action="store_true", help="one run with few tasks")
    parser.add_argument("--save", type=Path, help="a file for everything measured, as JSON")
    given = parser.parse_args(words)
    results: list[Result] = []
    with isolated(), tempfile.TemporaryDirectory(prefix="bench-aws-") as folder:
        for row in find(given.rows):
            tasks = given.tasks or (row.quick if given.quick else row.tasks)
            place = Place(folder=Path(folder))
            runs = [row.measure(place, tasks) for _ in range(1 if given.quick else given.runs)]
            results.append(Result(row=row, runs=runs))
            print("\n".join(results[-1].lines()), flush=True)  # noqa: T201 - how a script speaks
    if given.save:
        rows = {one.row.name: [dict(run.figures) for run in one.runs] for one in results}
        given.save.write_text(json.dumps(rows, indent=2), "utf-8")
    return 0 if all(result.correct for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
