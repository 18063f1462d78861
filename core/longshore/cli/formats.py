"""The forms of an export: what a task becomes in each."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from longshore.cli.output import to_json
from longshore.cli.records import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from longshore.task import Task

VERSION: Final = 1
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a spreadsheet recognises a formula; a task's texts are not to become one."""

KIND: Final = "longshore export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an export says of itself. `count` is as of its start; `filter` is what was asked."""

    exported_at: str
    filter: Mapping[str, object]
    count: int
    exact: bool = True
    kind: str = KIND
    version: int = VERSION


class Writer(Protocol):
    """Writes an export, piece by piece."""

    def begin(self, header: Header) -> None:
        """Write what comes first."""
        ...

    def task(self, task: Task) -> None:
        """Write one task."""
        ...

    def end(self) -> None:
        """Write what comes last."""
        ...


@dataclass(slots=True)
class NdjsonWriter:
    """A header line, then a line for each task."""

    write: Callable[[str], Any]

    def begin(self, header: Header) -> None:
        """Write the header line."""
        self.write(to_json(asdict(header)) + "\n")

    def task(self, task: Task) -> None:
        """Write a line."""
        self.write(to_json(exported(task)) + "\n")

    def end(self) -> None:
        """Write nothing."""


@dataclass(slots=True)
class JsonWriter:
    """One object of `header` and `tasks`, with a line for each task."""

    write: Callable[[str], Any]
    _between: str = "\n"

    def begin(self, header: Header) -> None:
        """Open the object."""
        self.write(f'{{"header": {to_json(asdict(header))},\n"tasks": [')

    def task(self, task: Task) -> None:
        """Write a task, behind a comma but for the first."""
        self.write(self._between + to_json(exported(task)))
        self._between = ",\n"

    def end(self) -> None:
        """Close the object."""
        self.write("\n]}\n")


@dataclass(slots=True)
class CsvWriter:
    """A comment with the header, the names of the columns, then a row for each task."""

    write: Callable[[str], Any]
    _columns: list[str] = field(default_factory=list[str])

    def begin(self, header: Header) -> None:
        """Write the comment and the names."""
        self._columns = list(_CSV)
        self.write(f"# {to_json(asdict(header))}\n")
        self._row(self._columns)

    def task(self, task: Task) -> None:
        """Write a row; lists and objects as JSON."""
        said = whole(task)
        self._row([_cell(said[name]) for name in self._columns])

    def end(self) -> None:
        """Write nothing."""

    def _row(self, cells: list[str]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self.write(line.getvalue())


FORMATS: Final[Mapping[str, Callable[[Callable[[str], Any]], Writer]]] = {
    "ndjson": NdjsonWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
}

_CSV: Final = (
    *("id", "task", "queue", "state", "reason", "priority", "attempts", "max_attempts"),
    *("created_at", "due_at", "updated_at", "started_at", "finished_at", "duration"),
    *("expires_at", "tags", "category", "tenant", "owner", "label", "parent_id", "key"),
    *("worker", "run", "arguments", "result", "report", "error"),
)


def exported(task: Task) -> dict[str, object]:
    """A task with everything its row holds, and its message as it is."""
    body = None if task.body is None else b64encode(task.body).decode("ascii")
    return {**whole(task), "message": body}


def _cell(value: object) -> str:
    if value is None or value == []:
        return ""
    if not isinstance(value, str):
        return to_json(value)
    text = value.encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
