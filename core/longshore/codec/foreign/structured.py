"""CloudEvents in structured mode: the whole event is the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from longshore.codec.attributes import EVENT_READERS
from longshore.codec.cloudevents import CONTENT_TYPE, read_event
from longshore.codec.content import content_type
from longshore.codec.parse import NotJson
from longshore.codec.pointing import points, read_pointing
from longshore.codec.raw import Event
from longshore.errors import MessageError

if TYPE_CHECKING:
    from longshore.codec.raw import Found, Raw

_REQUIRED: Final = frozenset({"specversion", "id", "source", "type"})


def read_structured(raw: Raw, document: object) -> Found:
    """Read an object with the four required attributes, or what its content type says is one."""
    declared = content_type(raw) == CONTENT_TYPE
    if not isinstance(document, dict):
        if not declared:
            return None
        raise _refusal(document)
    event = cast("dict[str, object]", document)
    if not declared and not event.keys() >= _REQUIRED:
        return None
    if points(event):
        return read_pointing(raw, event)
    message = read_event(dict(event), EVENT_READERS)
    return (Event(message=message, is_named=True, body=raw.body),)


def _refusal(document: object) -> MessageError:
    if isinstance(document, NotJson):
        return document.error()
    return MessageError("it is JSON, but not an object")
