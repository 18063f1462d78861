"""Lines a handler logs or prints go to its attempt as well as where they went before."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from longshore.context import current

if TYPE_CHECKING:
    from collections.abc import Generator


class _ToAttempt(logging.Handler):
    """Copies records written inside a handler to its context."""

    def emit(self, record: logging.LogRecord) -> None:
        ctx = current.get()
        if ctx is not None:
            ctx.log.write(record.levelname.lower(), "%s", record.getMessage())


class _Tee:
    """A text stream that copies whole lines to the running attempt."""

    def __init__(self, stream: IO[str], level: str) -> None:
        self._stream = stream
        self._level = level

    def write(self, text: str) -> int:
        ctx = current.get()
        if ctx is not None:
            for line in text.splitlines():
                if line.strip():
                    ctx.log.write(self._level, "%s", line)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the stream's
        return getattr(self._stream, name)


@contextmanager
def captured(*, enabled: bool) -> Generator[None]:
    """Capture log records, standard output and standard error of handlers while inside."""
    if not enabled:
        yield
        return
    handler = _ToAttempt()
    root = logging.getLogger()
    out, err = sys.stdout, sys.stderr
    root.addHandler(handler)
    sys.stdout, sys.stderr = _Tee(out, "stdout"), _Tee(err, "stderr")
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
        root.removeHandler(handler)
