"""Events of EventBridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from longshore.codec.attributes import EVENT_READERS, moment_of
from longshore.codec.payload import unwrapped
from longshore.codec.raw import Event
from longshore.message import Message

if TYPE_CHECKING:
    from longshore.codec.raw import Found, Raw
    from longshore.message import JsonValue


def read_eventbridge(raw: Raw, document: object) -> Found:
    """Read an event: `detail-type` is its type, and `detail` its data."""
    if not isinstance(document, dict):
        return None
    event = cast("dict[str, object]", document)
    kind = event.get("detail-type")
    if event.get("version") != "0" or not isinstance(kind, str) or "detail" not in event:
        return None
    source, event_id, time = (event.get(name) for name in ("source", "id", "time"))
    message = Message(
        id=cast("str", EVENT_READERS["id"]("id", event_id)),
        source=cast("str", EVENT_READERS["source"]("source", source)),
        type=cast("str", EVENT_READERS["type"]("detail-type", kind)),
        data=unwrapped(cast("JsonValue", event["detail"])),
        time=(moment_of(time) if isinstance(time, str) else None) or raw.sent_at,
        partitionkey=raw.group,
    )
    return (Event(message=message),)
