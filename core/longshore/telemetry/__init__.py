"""Traces, metrics and logs: observed once, where the ports are used. See docs/telemetry.md."""

from longshore.telemetry.instruments import BUCKETS, INSTRUMENTS, Attribute, Instrument, Kind

__all__ = ["BUCKETS", "INSTRUMENTS", "Attribute", "Instrument", "Kind"]
