"""Providers of OpenTelemetry's SDK, made as its own environment variables say.

Made in the process that uses them, never before a fork. Threads of theirs are daemons, and their
end is bounded: a collector that does not answer keeps no process from leaving.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from longshore.errors import ConfigurationError
from longshore.telemetry.histograms import WithDistributions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from longshore.telemetry.tallies import Tallies

_log = logging.getLogger("longshore.telemetry")
MOST_SPANS: Final = 16_384
"""Spans that may wait for a slow exporter, where OTEL_BSP_MAX_QUEUE_SIZE does not say."""
LAST_SPANS: Final = 3.0
"""Seconds that an ending process gives its exporters."""
CHILD_DELAY: Final = 100
"""Milliseconds until spans leave a child process, which may be killed at any time."""


class Providers:
    """What this process exports with. `close` ends it once; at exit it is called anyhow."""

    def __init__(
        self, exporters: Mapping[str, str], tallies: Tallies, *, child: bool = False
    ) -> None:
        """Make and set the global provider of each signal that has an exporter."""
        self._ends: list[Callable[[], object]] = []
        self.pulled = False
        """Whether metrics are read by somebody who takes distributions value by value alone."""
        self._resource = _resource()
        if "metrics" in exporters:
            self._measure(exporters["metrics"], tallies)
        if "traces" in exporters:
            self._trace(exporters["traces"], child=child)
        if "logs" in exporters:
            self._write(exporters["logs"], child=child)
        self.after_fork()

    def after_fork(self) -> None:
        """Be ready to end; a forked child has lost the thread that does so."""
        self._asked, self._done = threading.Event(), threading.Event()
        # Made now, because no thread can be started while the interpreter ends.
        threading.Thread(target=self._end, name="longshore-telemetry", daemon=True).start()
        atexit.unregister(self.close)
        atexit.register(self.close)

    def close(self, seconds: float = LAST_SPANS) -> None:
        """Export what there is and end, in so many seconds at most. Idempotent."""
        atexit.unregister(self.close)
        self._asked.set()
        if not self._done.wait(seconds):
            _log.warning("telemetry was not exported within %g s; the rest is dropped", seconds)

    def _end(self) -> None:
        self._asked.wait()
        enders = [threading.Thread(target=_quietly, args=(one,), daemon=True) for one in self._ends]
        try:
            for one in enders:
                one.start()
            for one in enders:
                one.join()
        except RuntimeError:  # the interpreter ends, and lets no thread begin
            for end in self._ends:
                _quietly(end)
        self._done.set()

    def _trace(self, name: str, *, child: bool) -> None:
        provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        set_here = os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE")
        for each in _named(name):
            exporter = _exporter("traces", each)
            provider.add_span_processor(
                BatchSpanProcessor(
                    exporter,
                    max_queue_size=None if set_here else MOST_SPANS,
                    schedule_delay_millis=CHILD_DELAY if child else None,
                )
            )
        trace.set_tracer_provider(provider)
        self._ends.append(provider.shutdown)

    def _measure(self, name: str, tallies: Tallies) -> None:
        made = [_exporter("metrics", each) for each in _named(name)]
        self.pulled = not all(isinstance(one, MetricExporter) for one in made)
        readers: list[MetricReader] = []
        for one in made:
            if not isinstance(one, MetricExporter):
                readers.append(one)
            else:
                whole = one if self.pulled else WithDistributions(one, tallies)
                readers.append(PeriodicExportingMetricReader(whole))
        provider = MeterProvider(readers, self._resource, shutdown_on_exit=False)
        metrics.set_meter_provider(provider)
        self._ends.append(provider.shutdown)

    def _write(self, name: str, *, child: bool) -> None:
        provider = LoggerProvider(self._resource, shutdown_on_exit=False)
        for each in _named(name):
            delay = CHILD_DELAY if child else None
            exporter = _exporter("logs", each)
            provider.add_log_record_processor(
                BatchLogRecordProcessor(exporter, schedule_delay_millis=delay)
            )
        _logs.set_logger_provider(provider)
        self._ends.append(provider.shutdown)


def flush_others(seconds: float = LAST_SPANS) -> None:
    """Have an application's own providers export what there is; they stay its to end."""
    flushes = [
        flush
        for provider in (trace.get_tracer_provider(), metrics.get_meter_provider())
        if callable(flush := getattr(provider, "force_flush", None))
    ]
    flushing = [threading.Thread(target=_quietly, args=(one,), daemon=True) for one in flushes]
    for one in flushing:
        one.start()
    for one in flushing:
        one.join(seconds)


def load_exporter(signal: str, name: str) -> Any:  # noqa: ANN401 - the class of a plugin
    """Load an exporter's class by its name in OpenTelemetry's variables.

    `ConfigurationError` where it is not installed.
    """
    if name == "otlp":
        common = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
        own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "")
        name = "otlp_proto_http" if (own or common).startswith("http") else "otlp_proto_grpc"
    found = tuple(entry_points(group=f"opentelemetry_{signal}_exporter", name=name))
    if not found:
        message = (
            f"OpenTelemetry has no exporter {name!r} for {signal}; install the package that brings "
            f"it, or set OTEL_{signal.upper()}_EXPORTER to otlp, console or none"
        )
        raise ConfigurationError(message)
    return found[0].load()


def _exporter(signal: str, name: str) -> Any:  # noqa: ANN401 - as above
    return load_exporter(signal, name)()


def _named(names: str) -> list[str]:
    return [each.strip() for each in names.split(",") if each.strip()]


def _resource() -> Resource:
    """Describe this process; what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.

    The instance is named here, because one made before a fork would be every child's.
    """
    said = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {"service.instance.id": _instance()}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        own["service.name"] = "longshore"
    return Resource.create({key: value for key, value in own.items() if f"{key}=" not in said})


def _instance() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _quietly(end: Callable[[], object]) -> None:
    try:
        end()
    except Exception as error:  # noqa: BLE001 - an exporter's trouble is not the process's
        _log.warning("telemetry could not be exported: %r", error)
