"""Traces, metrics and logs: observed once, where the ports are used. See docs/telemetry.md."""

from longshore.telemetry.attempts import Observed
from longshore.telemetry.carrier import Carrier
from longshore.telemetry.correlation import TaskFilter, facts_of
from longshore.telemetry.creations import Creations
from longshore.telemetry.following import following
from longshore.telemetry.instruments import BUCKETS, INSTRUMENTS, Attribute, Instrument, Kind
from longshore.telemetry.naming import system_of
from longshore.telemetry.options import TelemetryOptions
from longshore.telemetry.process import Telemetry, end_process, preload, telemetry_of
from longshore.telemetry.prometheus import CONTENT_TYPE, exposition
from longshore.telemetry.seam import Seam
from longshore.telemetry.tallies import Tallies
from longshore.telemetry.wanted import Mode

__all__ = [
    "BUCKETS",
    "CONTENT_TYPE",
    "INSTRUMENTS",
    "Attribute",
    "Carrier",
    "Creations",
    "Instrument",
    "Kind",
    "Mode",
    "Observed",
    "Seam",
    "Tallies",
    "TaskFilter",
    "Telemetry",
    "TelemetryOptions",
    "end_process",
    "exposition",
    "facts_of",
    "following",
    "preload",
    "system_of",
    "telemetry_of",
]
