"""The file in which handlers say when they begin and end, and whom they meet.

All handlers of all workers append to one file, a line in one write each, so that a kill tears
none. Times are those of the monotonic clock, which the processes of one host share.
"""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from longshore.identity import TaskId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Event: TypeAlias = Literal["began", "ended", "met"]
NAME: Final = "journal.txt"
_WORKER: Final = 3
"""The field of a line that names the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a handler of a task said, under its token.

    `worker` is the number of the worker's process. `other` goes with `met`: the token of another
    handler of the same task that was there at that moment.
    """

    event: Event
    task_id: TaskId
    token: int
    worker: int
    at: float
    other: int = 0


def write(path: Path, line: Line) -> None:
    """Append a line; it is in the file when this returns."""
    text = " ".join(str(part) for part in astuple(line)) + "\n"
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)


class Begun:
    """The workers whose handlers have written; reads on from where it was before."""

    def __init__(self, path: Path) -> None:
        """The journal may be written later."""
        self._path = path
        self._read = 0
        self._workers: set[int] = set()

    def __call__(self, worker: int) -> bool:
        """Whether a handler of this worker has written by now."""
        if worker not in self._workers and self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                raw = file.read()
            whole = raw[: raw.rfind(b"\n") + 1]
            self._read += len(whole)
            self._workers |= {int(line.split()[_WORKER]) for line in whole.splitlines()}
        return worker in self._workers


def read(path: Path) -> Iterator[Line]:
    """Read every line, in the order in which they were written."""
    if not path.exists():
        return
    for text in path.read_text(encoding="utf-8").splitlines():
        event, task_id, token, worker, at, other = text.split()
        yield Line(
            event=cast("Event", event),
            task_id=TaskId(task_id),
            token=int(token),
            worker=int(worker),
            at=float(at),
            other=int(other),
        )
