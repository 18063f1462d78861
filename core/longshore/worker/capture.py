"""Lines a handler logs or prints go to its attempt as well as where they went before."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

from longshore.context import current

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

_KEPT: Final = "longshore_kept"


class _ToAttempt(logging.Handler):
    """Copies records written inside a handler to its context, each once.

    Every worker of a process has one of these; a record is marked by the first that keeps it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        ctx = current.get()
        if ctx is not None and not hasattr(record, _KEPT):
            setattr(record, _KEPT, True)
            try:
                ctx.log.write(record.levelname.lower(), "%s", record.getMessage())
            except Exception:  # noqa: BLE001 - arguments that do not fit, as logging itself has it
                self.handleError(record)


class _Tee:
    """A text stream that copies whole lines to the running attempt."""

    def __init__(self, stream: IO[str] | _Tee, level: str) -> None:
        # Never one on top of another, so that a line is kept once.
        self.stream: IO[str] = stream.stream if isinstance(stream, _Tee) else stream
        self._before = stream
        self._level = level
        self._ended = False

    def write(self, text: str) -> int:
        ctx = current.get()
        if ctx is not None:
            ctx.log.feed(self._level, text)
        return self.stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def end(self) -> IO[str] | _Tee:
        """Answer what stood here before and still does: workers may end in any order."""
        self._ended = True
        before = self._before
        while isinstance(before, _Tee) and before._ended:  # noqa: SLF001 - of our own class
            before = before._before  # noqa: SLF001 - of our own class
        return before

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the stream's
        return getattr(self.stream, name)


@contextmanager
def captured(*, enabled: bool) -> Generator[None]:
    """Capture log records, standard output and standard error of handlers while inside."""
    if not enabled:
        yield
        return
    handler = _ToAttempt()
    root = logging.getLogger()
    out, err = _Tee(sys.stdout, "stdout"), _Tee(sys.stderr, "stderr")
    root.addHandler(handler)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        before_out, before_err = out.end(), err.end()
        if sys.stdout is out:
            sys.stdout = before_out
        if sys.stderr is err:
            sys.stderr = before_err
        root.removeHandler(handler)
