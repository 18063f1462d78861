"""Trace contexts as they come with messages. A bad one is ignored: no task may fail for it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.message import Message

_W3C: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)
_PLAIN: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""What nearly all are: the version of today, in one look."""
_XRAY: Final = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})", re.ASCII | re.IGNORECASE)
_SPAN: Final = re.compile(r"[0-9a-f]{16}", re.ASCII | re.IGNORECASE)
_LONGEST: Final = 512


def traced(message: Message, attributes: Mapping[str, str]) -> Message:
    """Give a message the trace of its last hop; of its origin where there is no other.

    The last hop is in the attribute `traceparent`; then comes the body's own, then what AWS
    writes into `AWSTraceHeader`. An origin that differs from the hop is kept as `traceorigin`.
    """
    origin = valid_traceparent(message.traceparent)
    hop = valid_traceparent(attributes.get("traceparent"))
    chosen = hop or origin or from_xray(attributes.get("awstraceheader", ""))
    if chosen is None or chosen == message.traceparent:
        return message
    state = attributes.get("tracestate") if hop else None
    extensions = message.extensions if origin is None else {**message.extensions, _ORIGIN: origin}
    return replace(message, traceparent=chosen, tracestate=state, extensions=extensions)


_ORIGIN: Final = "traceorigin"


def from_xray(header: str) -> str | None:
    """Write X-Ray's header (`Root=1-…;Parent=…;Sampled=1`) as a W3C traceparent."""
    if len(header) > _LONGEST:
        return None
    parts = [part.strip().partition("=") for part in header.split(";")]
    fields = {name: value for name, _, value in parts}
    root = _XRAY.fullmatch(fields.get("Root", ""))
    parent = fields.get("Parent", "").lower()
    if root is None or _SPAN.fullmatch(parent) is None:
        return None
    sampled = "01" if fields.get("Sampled") == "1" else "00"
    return valid_traceparent(f"00-{root[1].lower()}{root[2].lower()}-{parent}-{sampled}")


def valid_traceparent(text: str | None) -> str | None:
    """Answer a traceparent that the W3C's rules allow, or None."""
    if text is None or len(text) > _LONGEST:
        return None
    if _PLAIN.fullmatch(text) is not None:
        return text
    parts = _W3C.fullmatch(text)
    if parts is None or parts[1] == "ff" or (parts[1] == "00" and parts[4] is not None):
        return None
    return text if parts[2].strip("0") and parts[3].strip("0") else None
