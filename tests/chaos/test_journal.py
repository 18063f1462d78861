"""What handlers write is read again as it was, whoever wrote between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from longshore.chaos.journal import Begun, Line, read, write
from longshore.identity import TaskId

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_of_many_writers_are_all_there_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.txt"
    lines = [
        Line(event="met", task_id=TaskId(f"task-{n}"), token=n, worker=n, at=n / 8, other=n + 1)
        for n in range(500)
    ]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(write, path), lines))

    assert sorted(read(path), key=lambda line: line.token) == lines


def test_a_journal_that_nobody_wrote_is_empty(tmp_path: Path) -> None:
    assert list(read(tmp_path / "journal.txt")) == []


def test_who_has_written_has_begun_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "journal.txt"
    begun = Begun(path)
    before = begun(1)

    write(path, Line(event="began", task_id=TaskId("one"), token=1, worker=1, at=1.0))
    first = begun(1), begun(2)
    write(path, Line(event="began", task_id=TaskId("one"), token=2, worker=2, at=2.0))

    assert (before, first) == (False, (True, False))
    assert (begun(1), begun(2)) == (True, True)
