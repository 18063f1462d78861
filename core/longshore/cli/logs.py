"""The worker's own log on standard error, or in a file: for people, or a JSON object a line."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from longshore.cli.exit import InputError
from longshore.cli.output import Output, printable, to_json
from longshore.telemetry import TaskFilter, facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_COLORS: Final[Mapping[str, str]] = {
    "processing": "cyan",
    "processed": "green",
    "failed": "red",
    "lost": "red",
    "cancelled": "yellow",
    "given_back": "yellow",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "red",
}


class TextFormatter(logging.Formatter):
    """A line for each record; in colour where a person looks at it."""

    def __init__(self, *, colored: bool) -> None:
        """Decide on the colour once."""
        super().__init__()
        self._colored = colored

    def format(self, record: logging.LogRecord) -> str:
        """Write time, what happened, and a traceback where there is one."""
        at = datetime.fromtimestamp(record.created, UTC)
        text = printable(record.getMessage())
        event = _event(record)
        if event is None and record.levelno != logging.INFO:
            text = f"{record.levelname} {record.name}: {text}"
        color = _COLORS.get(record.levelname if event is None else str(event["kind"]))
        if self._colored and color is not None:
            text = click.style(text, fg=color)
        if event is None and (facts := facts_of(record)):
            text += " [" + " ".join(f"{name}={value}" for name, value in facts.items()) + "]"
        return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}Z {text}{self._trace(record)}"

    def _trace(self, record: logging.LogRecord) -> str:
        return "" if record.exc_info is None else "\n" + self.formatException(record.exc_info)


class JsonFormatter(logging.Formatter):
    """An object for each record, with the facts of a task's event beside the text."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, object] = {
            "at": at.isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": os.getpid(),
            "text": record.getMessage(),
            **facts_of(record),
            **(_event(record) or {}),
        }
        if record.exc_info is not None:
            said["traceback"] = self.formatException(record.exc_info)
        return to_json(said)


def configure(*, level: str, json: bool, output: str | None) -> None:
    """Send the log of the whole process where it was asked for.

    `output` is the name of a level, which wins over `level`, or a file. An application that has
    configured logging keeps what it did; then only Longshore's own records are sent.
    """
    file: str | None = None
    if output is not None and output.lower() in _LEVELS:
        level = output
    else:
        file = output
    handler = _handler(file)
    colored = file is None and Output.colored(sys.stderr)
    handler.setFormatter(JsonFormatter() if json else TextFormatter(colored=colored))
    handler.addFilter(TaskFilter())
    root, ours = logging.getLogger(), logging.getLogger("longshore")
    ours.setLevel(level.upper())
    if root.handlers:
        ours.addHandler(handler)
        ours.propagate = False
    else:
        root.addHandler(handler)
        root.setLevel(level.upper())


def _handler(file: str | None) -> logging.Handler:
    if file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        return logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        message = f"the log cannot be written to {file}: {error.strerror}"
        raise InputError(message) from error


def _event(record: logging.LogRecord) -> Mapping[str, object] | None:
    event: Mapping[str, object] | None = getattr(record, "event", None)
    return event
