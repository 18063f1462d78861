"""A trace context as text: how it travels with a task, and into child processes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.codec.trace import from_xray, valid_traceparent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.message import Message
    from longshore.queue import Delivery

BAGGAGE: Final = "baggage"
"""The attribute of a message that baggage travels in; an extension, so that others ignore it."""
MOST_BAGGAGE: Final = 1024
XRAY: Final = "awstraceheader"
_IN_BODY: Final = re.compile(rb'"traceparent" ?: ?"([0-9a-f-]{55})"')
_LONGEST_HEAD: Final = 4096


@dataclass(frozen=True, slots=True)
class Carrier:
    """A W3C context, and the baggage that goes with it.

    `exported` says that a child process is to export what is done under it, as its parent does.
    """

    traceparent: str
    tracestate: str = ""
    baggage: str = ""
    exported: bool = False


def creation_of(message: Message, attributes: Mapping[str, str]) -> Carrier | None:
    """Answer the context a task was created in: its own, else what AWS says of the request."""
    parent = valid_traceparent(message.traceparent)
    if parent is not None:
        baggage = message.extensions.get(BAGGAGE, "")
        kept = baggage if isinstance(baggage, str) and len(baggage) <= MOST_BAGGAGE else ""
        return Carrier(parent, message.tracestate or "", kept)
    header = attributes.get(XRAY) or attributes.get("AWSTraceHeader")
    if header and (found := from_xray(header)) is not None:
        return Carrier(found)
    return None


def of_delivery(delivery: Delivery) -> str | None:
    """Answer the traceparent of a message that was not read yet; a guess at foreign ones."""
    attributes = delivery.attributes
    if "traceparent" in attributes:
        found = valid_traceparent(attributes["traceparent"])
        if found is not None:
            return found
    found = of_body(delivery.body)
    if found is not None:
        return found
    header = attributes.get(XRAY)
    return from_xray(header) if header else None


def of_body(body: bytes) -> str | None:
    """Answer the traceparent of a message of ours as it is sent."""
    inside = _IN_BODY.search(body, 0, _LONGEST_HEAD)
    return None if inside is None else valid_traceparent(inside[1].decode())


def to_xray(traceparent: str) -> str:
    """Write a W3C traceparent as the header of X-Ray."""
    _, trace, span, flags = traceparent.split("-")[:4]
    sampled = int(flags, 16) & 1
    return f"Root=1-{trace[:8]}-{trace[8:]};Parent={span};Sampled={sampled}"


def xray_of(body: bytes) -> str | None:
    """Answer the header of X-Ray for a message of ours."""
    parent = of_body(body)
    return None if parent is None else to_xray(parent)
