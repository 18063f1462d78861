"""CloudEvents 1.0 in structured JSON: what is written, and what is accepted."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from longshore.codec.attributes import KNOWN, RANGES, READERS, REQUIRED, TEXTS, TIMES, TRACE
from longshore.codec.parse import NotJson, parse
from longshore.codec.payload import take_data
from longshore.codec.strict_json import write_json
from longshore.errors import ArgumentsError, MessageError
from longshore.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from longshore.message import JsonValue

    Readers: TypeAlias = Mapping[str, Callable[[str, object], object]]

CONTENT_TYPE: Final = "application/cloudevents+json"
MAX_ATTRIBUTES: Final = 100


def encode(message: Message) -> bytes:
    """Write a message; absent attributes are left out. The same message gives the same bytes.

    What is written can be read: raises `ArgumentsError` where `data` holds what JSON cannot say
    (NaN, a lone surrogate) or `decode` would refuse (200 levels, numbers of 4300 digits).
    """
    return encode_event(event_of(message), message.id, message.data)


def event_of(message: Message) -> dict[str, object]:
    """Write a message's attributes as a JSON object, without its data."""
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": message.id,
        "source": message.source,
        "type": message.type,
    }
    for name in TIMES:
        moment = cast("datetime | None", getattr(message, name))
        if moment is not None:
            event[name] = format_time(moment)
    for name in (*TRACE, *TEXTS, *RANGES, "taskkey"):
        value = cast("str | int | None", getattr(message, name))
        if value is not None:
            event[name] = value
    if message.tasktags:
        event["tasktags"] = ",".join(message.tasktags)
    if message.extensions:
        event |= {name: value for name, value in message.extensions.items() if name not in KNOWN}
    return event


def encode_event(event: Mapping[str, object], message_id: str, data: JsonValue) -> bytes:
    """Write one of many messages that share their attributes, each with its id and data."""
    whole: dict[str, object] = {**event, "id": message_id}
    if data is not None:
        whole["data"] = data
    try:
        return write_json(whole)
    except ValueError as error:
        raise ArgumentsError(str(event["type"]), f"not JSON: {error}") from error


def head_of(event: Mapping[str, object]) -> bytes:
    """Write attributes as the beginning of an object that is not closed."""
    return write_json(event)[:-1]


def encode_behind(
    head: bytes,
    message_id: str,
    data: JsonValue,
    name: str,
    more: Mapping[str, str] | None = None,
) -> bytes:
    """Write one of many messages behind what they share; `head` ends inside the id's quotes.

    `more` are attributes of this one alone, in front of the data.
    """
    begun = b'%b%b"' % (head, message_id.encode())
    if more:
        begun = b"%b,%b" % (begun, write_json(more)[1:-1])
    if data is None:
        return begun + b"}"
    try:
        tail = write_json({"data": data})
    except ValueError as error:
        raise ArgumentsError(name, f"not JSON: {error}") from error
    # The data is written inside an object, so that it is as deep there as in its event.
    return b"%b,%b" % (begun, tail[1:])


def decode(body: bytes) -> Message:
    """Read a message; raise `MessageError` for anything that is not a task's event.

    A null attribute is one that is absent. Unknown attributes are kept as extensions where they
    are text, whole numbers or booleans, as the specification has it. Of a name that stands
    twice, the last counts. Linear in the size of the body; deep nesting is refused.
    """
    document = parse(body)
    if isinstance(document, NotJson):
        raise document.error()
    if not isinstance(document, dict):
        problem = "it is JSON, but not an object"
        raise MessageError(problem)
    return read_event(cast("dict[str, object]", document))


def read_event(event: dict[str, object], readers: Readers = READERS) -> Message:
    """Read a parsed event, as `decode` does; `event` is taken apart. `readers` say how."""
    if event.pop("specversion", None) != "1.0":
        problem = 'it is not a CloudEvent ("specversion" is not "1.0")'
        raise MessageError(problem)
    if len(event) >= MAX_ATTRIBUTES:
        problem = f"it has {len(event) + 1} attributes and the limit is {MAX_ATTRIBUTES}"
        raise MessageError(problem)
    attributes: dict[str, object] = {"data": take_data(event)}
    extensions: dict[str, object] = {}
    for name, value in event.items():
        if value is None:
            continue
        read = readers.get(name)
        if read is not None:
            attributes[name] = read(name, value)
        elif isinstance(value, (str, int)):
            extensions[name] = value
    for name in REQUIRED:
        if name not in attributes:
            problem = f"the required attribute {name!r} is missing"
            raise MessageError(problem)
    if extensions:
        attributes["extensions"] = extensions
    return Message(**cast("dict[str, Any]", attributes))


def format_time(moment: datetime) -> str:
    """Write RFC 3339 in UTC."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[:-6] + "Z"
