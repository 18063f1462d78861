"""Message ↔ bytes: a pure pipeline. Today its one stage is structured CloudEvents JSON."""

from longshore.codec.cloudevents import (
    CONTENT_TYPE,
    decode,
    encode,
    encode_event,
    event_of,
    format_time,
)
from longshore.codec.formats import DEFAULT_FORMATS, FORMATS

__all__ = [
    "CONTENT_TYPE",
    "DEFAULT_FORMATS",
    "FORMATS",
    "decode",
    "encode",
    "encode_event",
    "event_of",
    "format_time",
]
