"""Records of the standard logging, given to OpenTelemetry as they are written."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry._logs import LogRecord, SeverityNumber

from longshore.telemetry.correlation import facts_of

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL, "FATAL"),
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.NOTSET, SeverityNumber.DEBUG, "DEBUG"),
)
_OF_EXPORTING: Final = ("opentelemetry", "urllib3", "requests", "grpc")
"""What exporting itself logs is not exported: that would never end."""
_THREADS: Final = ("Otel", "longshore-telemetry")


class OtlpHandler(logging.Handler):
    """Emits each record through a logger provider; its batches leave from a thread of theirs."""

    def __init__(self, provider: LoggerProvider) -> None:
        """Give all records to one provider."""
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record over; what cannot be said is logging's to report."""
        if record.name.partition(".")[0] in _OF_EXPORTING:
            return
        if record.threadName is not None and record.threadName.startswith(_THREADS):
            return
        try:
            self._provider.get_logger(record.name).emit(_translated(record))
        except Exception:  # noqa: BLE001 - as handlers of the standard library do
            self.handleError(record)


def _translated(record: logging.LogRecord) -> LogRecord:
    number, word = next((n, w) for level, n, w in _SEVERITIES if record.levelno >= level)
    attributes: dict[str, str | int] = {
        "code.file.path": record.pathname,
        "code.line.number": record.lineno,
        "code.function.name": record.funcName or "",
        **{f"longshore.{name}": value for name, value in facts_of(record).items()},
    }
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        attributes["exception.type"] = type(error).__name__
        attributes["exception.message"] = str(error)
        attributes["exception.stacktrace"] = "".join(traceback.format_exception(error))
    return LogRecord(
        timestamp=int(record.created * 1e9),
        context=otel_context.get_current(),
        severity_number=number,
        severity_text=word,
        body=record.getMessage(),
        attributes=attributes,
    )
