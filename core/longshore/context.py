"""What a handler may ask and tell while it runs: `ctx`."""

from __future__ import annotations

import inspect
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.errors import LeaseLostError
from longshore.report import ReportBuilder
from longshore.task import LogLine

if TYPE_CHECKING:
    from longshore.clock import Clock
    from longshore.identity import TaskId
    from longshore.report import Report


class LineLog:
    """Lines a handler wrote, capped by number and bytes; thread-safe.

    What does not fit is counted and the count is the last line, so that a cut is visible.
    """

    def __init__(self, clock: Clock, *, max_lines: int = 1000, max_bytes: int = 65_536) -> None:
        """Start empty."""
        self._clock = clock
        self._left = max_lines
        self._bytes = max_bytes
        self._longest = max_bytes
        self._lines: list[LogLine] = []
        self._rests: dict[str, str] = {}
        self._dropped = 0
        self._lock = threading.Lock()

    def debug(self, text: str, *args: object) -> None:
        """Write a line, with %-formatting as in logging."""
        self.write("debug", text, *args)

    def info(self, text: str, *args: object) -> None:
        """Write a line, with %-formatting as in logging."""
        self.write("info", text, *args)

    def warning(self, text: str, *args: object) -> None:
        """Write a line, with %-formatting as in logging."""
        self.write("warning", text, *args)

    def error(self, text: str, *args: object) -> None:
        """Write a line, with %-formatting as in logging."""
        self.write("error", text, *args)

    def write(self, level: str, text: str, *args: object) -> None:
        """Write a line of the given level. Never fails, whatever the arguments are."""
        self._keep(level, _formatted(text, args))

    def feed(self, level: str, text: str) -> None:
        """Take over a piece of a stream: whole lines are kept, the rest waits for its end."""
        with self._lock:
            *whole, rest = (self._rests.pop(level, "") + text).split("\n")
            if len(rest) > self._longest:
                whole.append(rest)
            elif rest:
                self._rests[level] = rest
        for line in whole:
            if line.strip():
                self._keep(level, line.rstrip("\r"))

    def lines(self) -> tuple[LogLine, ...]:
        """All lines so far, unfinished ones too, and a last one that counts those left out."""
        with self._lock:
            rests, self._rests = self._rests, {}
        for level, rest in rests.items():
            self._keep(level, rest)
        with self._lock:
            if not self._dropped:
                return tuple(self._lines)
            text = f"{self._dropped} more lines were left out (size cap)"
            last = LogLine(at=self._clock.now(), level="warning", text=text)
            return (*self._lines, last)

    def _keep(self, level: str, text: str) -> None:
        raw = text.encode("utf-8", "backslashreplace")  # half a surrogate pair fits no store
        with self._lock:
            if self._left <= 0 or len(raw) > self._bytes:
                self._dropped += 1
                return
            self._left -= 1
            self._bytes -= len(raw)
            self._lines.append(LogLine(at=self._clock.now(), level=level, text=raw.decode()))


def _formatted(text: str, args: tuple[object, ...]) -> str:
    if not args:
        return text
    try:
        return text % args
    except Exception as error:  # noqa: BLE001 - formatting runs the arguments' own code
        return f"{text} ({type(error).__name__}: its arguments cannot be written)"


_MAKING: Final = threading.Lock()


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """One attempt, as its handler sees it.

    `fence` is the fencing token: it grows with each claim of the task, so that a store that
    remembers the highest one it saw can refuse a stopped worker that wakes up late. `attempt`
    counts from 1 within `run`. `log` lines and `report` nodes are kept in the task log. `trace` is
    the attempt's own span, as numbers, where it has one.
    """

    task_id: TaskId
    task_name: str
    queue: str
    attempt: int
    fence: int
    clock: Clock
    run: int = 0
    max_attempts: int | None = None
    priority: int = 0
    tags: tuple[str, ...] = ()
    tenant: str | None = None
    owner: str | None = None
    parent_id: TaskId | None = None
    log_lines: int = 1000
    log_bytes: int = 65_536
    trace: tuple[int, int] | None = None
    _cancelled: str | None = None
    _noted: tuple[float | None, str | None] | None = None
    _log: LineLog | None = None
    _report: ReportBuilder | None = None

    @property
    def log(self) -> LineLog:
        """Lines kept with this attempt."""
        if self._log is None:
            with _MAKING:  # threads of a handler may come here at once
                self._log = self._log or LineLog(
                    self.clock, max_lines=self.log_lines, max_bytes=self.log_bytes
                )
        return self._log

    @property
    def report(self) -> ReportBuilder:
        """Nodes kept with the task; an error among them fails it."""
        if self._report is None:
            with _MAKING:
                self._report = self._report or ReportBuilder()
        return self._report

    @property
    def trace_id(self) -> str | None:
        """The trace of this attempt, as 32 hexadecimal digits; None where it is not traced."""
        return None if self.trace is None else f"{self.trace[0]:032x}"

    @property
    def span_id(self) -> str | None:
        """The span of this attempt, as 16 hexadecimal digits; None where it is not traced."""
        return None if self.trace is None else f"{self.trace[1]:016x}"

    @property
    def cancelled(self) -> bool:
        """Whether the handler should stop: cancelled, timed out, or its lease lost.

        An async handler is interrupted besides; a handler on a thread must look here.
        """
        return self._cancelled is not None

    def raise_if_cancelled(self) -> None:
        """Raise `LeaseLostError` where the handler should stop."""
        if self._cancelled is not None:
            what = f"task {self.task_id} ({self._cancelled})"
            raise LeaseLostError(what)

    def progress(self, share: float | None = None, text: str | None = None) -> None:
        """Say how far it is (0 to 1) and at what. Kept in memory and written once a second."""
        clamped = None if share is None else min(max(float(share), 0.0), 1.0)
        last = self._noted or (None, None)
        self._noted = (
            last[0] if clamped is None else clamped,
            last[1] if text is None else text.encode("utf-8", "backslashreplace").decode(),
        )

    def take_progress(self) -> tuple[float | None, str | None] | None:
        """Hand over what was noted since the last call; for the worker."""
        noted, self._noted = self._noted, None
        return noted

    def take_lines(self) -> tuple[LogLine, ...]:
        """Hand over the lines written; for the worker."""
        return () if self._log is None else self._log.lines()

    def take_report(self) -> Report | None:
        """Hand over the report built, if any; for the worker."""
        return None if self._report is None else self._report.build()

    def cancel(self, why: str) -> None:
        """Ask the handler to stop; for the worker."""
        self._cancelled = why


current: ContextVar[Context | None] = ContextVar("longshore_context", default=None)
"""The context of the attempt that runs here; set around each handler."""


def is_context(parameter: inspect.Parameter) -> bool:
    """Whether a parameter asks for the context: by its annotation, or unannotated by `ctx`."""
    annotation: object = parameter.annotation
    if annotation is inspect.Parameter.empty:
        return parameter.name == "ctx"
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == "Context"
    return annotation is Context
