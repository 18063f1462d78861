"""Events whose data lies elsewhere: `dataref`, and how what was fetched becomes their data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from longshore.codec.attributes import POINTING_READERS
from longshore.codec.cloudevents import encode_event, event_of, read_event
from longshore.codec.compression import unpack
from longshore.codec.payload import read_data
from longshore.codec.raw import Event, Pointer
from longshore.errors import MessageError

if TYPE_CHECKING:
    from longshore.codec.raw import Raw
    from longshore.message import Message

REF: Final = "dataref"
_HOLDS: Final = "datarefholds"
_MESSAGE: Final = "message"


def points(event: dict[str, object]) -> bool:
    """Whether an event's data lies elsewhere."""
    return event.get(REF) is not None


def read_pointing(raw: Raw, event: dict[str, object]) -> Pointer:
    """Read an event without its data, and where that is; `MessageError` where data is beside it."""
    rest = dict(event)
    url, encoding, holds = rest.pop(REF), rest.pop("dataencoding", None), rest.pop(_HOLDS, None)
    if not isinstance(url, str) or not (encoding is None or isinstance(encoding, str)):
        problem = "its dataref or its dataencoding is not text"
        raise MessageError(problem)
    if rest.get("data") is not None or rest.get("data_base64") is not None:
        problem = "its dataref stands beside data"
        raise MessageError(problem)
    message = read_event(rest, POINTING_READERS)
    return Pointer(
        url=url,
        around=raw,
        event=Event(message=message, is_named=True, body=raw.body),
        encoding=encoding,
        is_message=holds == _MESSAGE,
    )


def with_content(pointer: Pointer, message: Message, content: bytes) -> Message:
    """Put what was fetched into an event as its data."""
    raw = content if pointer.encoding is None else unpack(content, pointer.encoding)
    try:
        return replace(message, data=read_data(raw))
    except ValueError as error:
        problem = f"what its dataref points at is not JSON ({error})"
        raise MessageError(problem) from error


def encode_pointing(message: Message, pointer: Pointer) -> bytes:
    """Write a message that keeps its data where it is."""
    attributes = {
        REF: pointer.url,
        "dataencoding": pointer.encoding,
        _HOLDS: _MESSAGE if pointer.event is None or pointer.is_message else None,
    }
    given = cast("dict[str, object]", {n: one for n, one in attributes.items() if one is not None})
    return encode_event(event_of(message) | given, message.id, None)
