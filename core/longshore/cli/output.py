"""The only place that prints: results on standard output, everything else on standard error.

Colour, tables with rules and progress bars are for terminals alone; `NO_COLOR` is honoured.
Whatever comes from a task is made harmless first: a message may hold a terminal's commands.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

_STYLES: Final = {
    "succeeded": "green",
    "ok": "green",
    "running": "cyan",
    "failed": "red",
    "fail": "red",
    "warn": "yellow",
    "retrying": "yellow",
    "paused": "yellow",
    "cancelled": "bright_black",
    "expired": "bright_black",
}
_GAP: Final = "  "


def printable(text: str) -> str:
    """Write control characters, line ends apart, as escapes a terminal does not obey."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def to_json(value: object, *, indent: int | None = None) -> str:
    """Write JSON that UTF-8 can say; a lone surrogate becomes its escape."""
    separators = None if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Writes for people, or with `json` for programs."""

    json: bool = False

    @property
    def for_terminal(self) -> bool:
        """Whether a person looks at standard output."""
        return not self.json and sys.stdout.isatty()

    def line(self, text: str = "") -> None:
        """Write a line of the result."""
        click.echo(printable(text))

    def raw(self, text: str) -> None:
        """Write part of a document as it is."""
        click.echo(text, nl=False)

    def heading(self, text: str) -> None:
        """Write a line that opens a part of the result."""
        click.echo(click.style(printable(text), bold=True), color=self._color(sys.stdout))

    def styled(self, text: str, word: str) -> None:
        """Write a line in the colour of a state or a verdict."""
        color = _STYLES.get(word)
        click.echo(click.style(printable(text), fg=color), color=self._color(sys.stdout))

    def document(self, value: object) -> None:
        """Write the whole result as one JSON value."""
        click.echo(to_json(value, indent=2))

    def record(self, value: object) -> None:
        """Write one JSON value on a line of its own, and let it out at once."""
        click.echo(to_json(value))

    def note(self, text: str) -> None:
        """Say something that is no result."""
        if not self.json:
            _say(printable(text))

    def problem(self, text: str, *, kind: str) -> None:
        """Say what went wrong: a line, or with `json` an object."""
        if self.json:
            _say(to_json({"error": {"type": kind, "message": text}}))
            return
        word = click.style("error:", fg="red", bold=True)
        _say(f"{word} {printable(text)}", color=self._color(sys.stderr))

    def traceback(self, error: BaseException) -> None:
        """Show where an error came from."""
        _say("".join(traceback.format_exception(error)).rstrip())

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, head: bool = True
    ) -> None:
        """Write rows under their columns; `head` False goes on with a table begun before."""
        cells = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
        if self.for_terminal:
            _rich_table(columns, cells, head=head)
        else:
            _plain_table(columns, cells, head=head)

    @contextmanager
    def progress(self, title: str, total: int | None) -> Generator[Callable[[int], None]]:
        """Show how far something is, on a terminal; the block is given a call to advance by n."""
        if self.json or not sys.stderr.isatty():
            yield _ignore
            return
        from rich.console import Console  # noqa: PLC0415 - only on a terminal
        from rich.progress import Progress  # noqa: PLC0415 - only on a terminal

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.advance(task, done)

    @staticmethod
    def can_ask() -> bool:
        """Whether somebody can answer a question."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @staticmethod
    def confirm(question: str) -> bool:
        """Ask; no is the default."""
        return click.confirm(printable(question), err=True)

    @staticmethod
    def colored(stream: IO[str]) -> bool:
        """Whether colours may go to a stream."""
        return stream.isatty() and "NO_COLOR" not in os.environ

    def _color(self, stream: IO[str]) -> bool:
        return not self.json and self.colored(stream)


def abandon_output() -> None:
    """Nobody reads any more: let the interpreter's last flush go nowhere."""
    _abandon(sys.stdout)


def _abandon(stream: IO[str]) -> None:
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def flush() -> None:
    """Let everything out, so that a reader who is gone is noticed while it can be handled."""
    sys.stdout.flush()
    sys.stderr.flush()


def _ignore(_done: int) -> None:
    """Advance nothing."""


def _plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, head: bool) -> None:
    lines = [columns, *rows] if head else rows
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(columns))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo(_GAP.join(cells).rstrip())


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, head: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.table import Table  # noqa: PLC0415 - only on a terminal
    from rich.text import Text  # noqa: PLC0415 - only on a terminal

    table = Table(box=None, pad_edge=False, show_header=head, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, no_wrap=i == 0, overflow="fold")
    for row in rows:
        # Text is never read as markup: a task may be named [red].
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)


def _say(text: str, *, color: bool | None = None) -> None:
    """Write on standard error; a terminal that is gone changes no exit code."""
    try:
        click.echo(text, err=True, color=color)
    except OSError:
        _abandon(sys.stderr)  # what was not written waits there, and would fail the last flush
