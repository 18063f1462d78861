"""Telemetry of this process: made once, when it is first asked for, and never before a fork."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import ConfigurationError
from longshore.release import release
from longshore.telemetry.naming import prefix_of, system_of
from longshore.telemetry.seam import Seam
from longshore.telemetry.tallies import Tallies, Uncounted
from longshore.telemetry.wanted import exporters, provided

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Tracer

    from longshore.telemetry.options import TelemetryOptions
    from longshore.telemetry.providers import Providers
    from longshore.telemetry.wanted import Mode

_log = logging.getLogger("longshore.telemetry")
SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
_MISSING: Final = "OpenTelemetry is not installed: pip install 'longshore[telemetry]'"


class Telemetry:
    """What one application asked for, in one process. `close` at its end; idempotent."""

    def __init__(
        self,
        tallies: Tallies,
        options: TelemetryOptions,
        tracer: Tracer | None,
        providers: Providers | None,
        handler: logging.Handler | None,
    ) -> None:
        """`handler` gives log records to OpenTelemetry, where that was asked for."""
        self.tallies = tallies
        self.options = options
        self.handler = handler
        self._tracer = tracer
        self._providers = providers

    @property
    def traces(self) -> bool:
        """Whether spans are made."""
        return self._tracer is not None

    def seam(self, url: str) -> Seam:
        """Observe the ports of one queue server, which its URL names."""
        system = system_of(url)
        if self._tracer is None:
            return Seam(self.tallies, self.options, system, None)
        from longshore.telemetry.tracing import Tracing  # noqa: PLC0415 - imports OpenTelemetry

        tracing = Tracing(self._tracer, self.options, system, prefix_of(url))
        return Seam(self.tallies, self.options, system, tracing)

    def close(self) -> None:
        """Export what there is, within a few seconds; a provider of the application's own stays."""
        if self._providers is not None:
            self._providers.close()
        elif self._tracer is not None:
            from longshore.telemetry.providers import flush_others  # noqa: PLC0415 - as above

            flush_others()


class _Process:
    """What a process has, whoever asks."""

    def __init__(self) -> None:
        self.tallies = Tallies()
        self.providers: Providers | None = None
        self.published = False

    def after_fork(self) -> None:
        """Go on in a child: the SDK's threads begin anew there, and the counting from nothing."""
        self.tallies.reset()
        if self.providers is not None:
            self.providers.after_fork()


_lock = threading.Lock()
_process: _Process | None = None


def telemetry_of(
    mode: Mode,
    options: TelemetryOptions,
    *,
    counting: bool = False,
    child: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Telemetry | None:
    """Answer this process's telemetry; None where nobody asked for any.

    `counting` keeps the tallies for somebody who reads them here, an endpoint of ours.
    `ConfigurationError` where the mode is `on` and OpenTelemetry is missing.
    """
    wanted, theirs = exporters(mode, environ), provided(mode, environ)
    if not wanted and not theirs and not counting:
        return None
    if wanted and find_spec("opentelemetry.sdk") is None:
        if mode == "on":
            raise ConfigurationError(_MISSING)
        _log.warning("%s; nothing is exported", _MISSING)
        wanted, theirs = {}, frozenset[str]()
        if not counting:
            return None
    with _lock:
        return _made(_mine(), wanted, theirs, options, counting=counting, child=child)


def end_process() -> None:
    """Export what there is in a child process that ends; nothing where nothing is exported."""
    if _process is not None and _process.providers is not None:
        _process.providers.close()


def preload(mode: Mode, environ: Mapping[str, str] = os.environ) -> None:
    """Import what exporting will need, before a fork; nothing is made."""
    wanted = exporters(mode, environ)
    if wanted and find_spec("opentelemetry.sdk") is not None:
        from longshore.telemetry import providers, sending  # noqa: PLC0415 - imports OpenTelemetry

        del sending
        for signal, names in wanted.items():
            for name in names.split(","):
                providers.load_exporter(signal, name.strip())


def _mine() -> _Process:
    """This process's own."""
    global _process  # noqa: PLW0603 - providers are global to a process, and so is this
    if _process is None:
        _process = _Process()
        os.register_at_fork(after_in_child=_forked)
    return _process


def _forked() -> None:
    """Tell a child's telemetry from its parent's at once: its exporters may wake at any time."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    if _process is not None:
        _process.after_fork()


def _made(  # noqa: PLR0913 - all that was asked for
    mine: _Process,
    wanted: Mapping[str, str],
    theirs: frozenset[str],
    options: TelemetryOptions,
    *,
    counting: bool,
    child: bool,
) -> Telemetry:
    missing = {signal: name for signal, name in wanted.items() if signal not in theirs}
    if missing and mine.providers is None:
        from longshore.telemetry.providers import Providers  # noqa: PLC0415 - imports OpenTelemetry

        mine.providers = Providers(missing, mine.tallies, child=child)
    signals = {*wanted, *theirs}
    if "metrics" in signals and not mine.published:
        mine.published = True
        _publish(mine.tallies, each=mine.providers is None or not mine.providers.whole)
    counted = counting or "metrics" in signals
    return Telemetry(
        mine.tallies if counted else Uncounted(),
        replace(options, depth_every=options.depth_every if counted else 0.0),
        _tracer() if "traces" in signals else None,
        mine.providers,
        _handler() if "logs" in wanted else None,
    )


def _tracer() -> Tracer:
    from opentelemetry import trace  # noqa: PLC0415 - only where it was asked for

    return trace.get_tracer_provider().get_tracer("longshore", release(), SCHEMA)


def _publish(tallies: Tallies, *, each: bool) -> None:
    from opentelemetry import metrics  # noqa: PLC0415 - as above

    from longshore.telemetry.exported import publish  # noqa: PLC0415 - as above

    meter = metrics.get_meter_provider().get_meter("longshore", release(), SCHEMA)
    publish(meter, tallies, each=each)


def _handler() -> logging.Handler:
    from opentelemetry import _logs  # noqa: PLC0415 - as above

    from longshore.telemetry.logs import OtlpHandler  # noqa: PLC0415 - as above

    provider: Any = _logs.get_logger_provider()
    return OtlpHandler(provider)
