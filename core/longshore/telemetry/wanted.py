"""Which signals were asked for. Nothing is exported otherwise, and nothing imported to find out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Mode: TypeAlias = Literal["auto", "on", "off"]
SIGNALS: Final = ("traces", "metrics", "logs")
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_GETTERS: Final = {
    "traces": ("opentelemetry.trace", "get_tracer_provider"),
    "metrics": ("opentelemetry.metrics", "get_meter_provider"),
    "logs": ("opentelemetry._logs", "get_logger_provider"),
}


def exporters(mode: Mode, environ: Mapping[str, str]) -> dict[str, str]:
    """Answer the exporter of each signal that is to be exported, by OpenTelemetry's variables.

    A signal is exported where its exporter or an endpoint for it is named, and all are where the
    mode is `on`; `none` and OTEL_SDK_DISABLED keep it back.
    """
    if mode == "off" or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return {}
    found: dict[str, str] = {}
    for signal in SIGNALS:
        name = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()
        own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        if not name and (own or environ.get(_ENDPOINT) or mode == "on"):
            name = "otlp"
        if name and name != "none":
            found[signal] = name
    return found


def provided(mode: Mode, environ: Mapping[str, str]) -> frozenset[str]:
    """Answer the signals that the application has set a provider of its own for."""
    if mode == "off" or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    return frozenset(signal for signal in SIGNALS if _is_provided(signal))


def _is_provided(signal: str) -> bool:
    """Whether a provider is set; where the module was never imported, none can be."""
    name, getter = _GETTERS[signal]
    module = sys.modules.get(name)
    if module is None:
        return False
    provider = getattr(module, getter)()
    # The stand-in until one is set belongs to the API, whatever it is called in this release.
    return not type(provider).__module__.startswith(name)
