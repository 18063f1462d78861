"""The command of a table of rows: `python -m … [ROW …] [--runs N] [--tasks N] [--quick]`."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from tests.bench.figures import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from tests.bench.figures import Row

P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[P]):
    """Rows that are measured in one place; `place` makes it in a folder."""

    name: str
    title: str
    rows: Sequence[Row[P]]
    place: Callable[[Path], AbstractContextManager[P]]

    def main(self, words: list[str]) -> int:
        """Measure rows and print them; 1 where a task was lost, doubled or left."""
        given = self._parsed(words)
        results: list[Result[P]] = []
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            self.place(Path(folder)) as place,
        ):
            for row in find(self.rows, given.rows):
                tasks = given.tasks or (row.quick if given.quick else row.tasks)
                runs = [row.measure(place, tasks) for _ in range(1 if given.quick else given.runs)]
                results.append(Result(row=row, runs=runs))
                print("\n".join(results[-1].lines()), flush=True)  # noqa: T201 - how a script speaks
        if given.save:
            rows = {one.row.name: [dict(run.figures) for run in one.runs] for one in results}
            given.save.write_text(json.dumps(rows, indent=2), "utf-8")
        return 0 if all(result.correct for result in results) else 1

    def _parsed(self, words: list[str]) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"python -m {self.name}", description=self.title)
        parser.add_argument("rows", nargs="*", choices=[[], *(row.name for row in self.rows)])
        parser.add_argument("--runs", type=int, default=3)
        parser.add_argument("--tasks", type=int, help="tasks of each run; seconds of a row `idle`")
        parser.add_argument("--quick", action="store_true", help="one run with few tasks")
        parser.add_argument("--save", type=Path, help="a file for everything measured, as JSON")
        return parser.parse_args(words)


def find(rows: Sequence[Row[P]], names: list[str]) -> list[Row[P]]:
    """Rows by their names, all where none is named; `KeyError` for one that is not there."""
    known = {row.name: row for row in rows}
    return [known[name] for name in names] if names else list(rows)
