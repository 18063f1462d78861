"""CloudEvents 1.0 in structured JSON: what is written, and what is accepted."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from longshore.errors import ArgumentsError, MessageError
from longshore.message import MAX_TEXT, NAME_PATTERN, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from longshore.message import JsonValue

CONTENT_TYPE: Final = "application/cloudevents+json"
MAX_BODY: Final = 16 * 1024 * 1024
MAX_ATTRIBUTES: Final = 100

_REQUIRED: Final = ("id", "source", "type")
_TEXTS: Final = (
    "subject",
    "dataschema",
    "partitionkey",
    "correlationid",
    "causationid",
)
_TRACE: Final = ("traceparent", "tracestate")
_RANGES: Final = {
    "taskpriority": (0, 100),
    "taskattempts": (1, 1_000_000),
    "tasktimeout": (1, 31_536_000),
}
_TIMES: Final = ("time", "notbefore", "expirytime")
_REFUSED: Final = ("dataref", "dataencoding", "datacrypt", "datasig")

# Bodies with fewer bytes and brackets than these hold nothing that the reader's limits of 200
# levels and 4300 digits could refuse.
_SURELY_READABLE: Final = 4096
_SURELY_SHALLOW: Final = 100
_BITS_QUOTED: Final = 128


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
    for name in _TIMES:
        moment = cast("datetime | None", getattr(message, name))
        if moment is not None:
            event[name] = format_time(moment)
    for name in (*_TRACE, *_TEXTS, *_RANGES, "taskkey"):
        value = cast("str | int | None", getattr(message, name))
        if value is not None:
            event[name] = value
    if message.tasktags:
        event["tasktags"] = ",".join(message.tasktags)
    if message.extensions:
        event |= {name: value for name, value in message.extensions.items() if name not in _KNOWN}
    return event


def encode_event(event: Mapping[str, object], message_id: str, data: JsonValue) -> bytes:
    """Write one of many messages that share their attributes, each with its id and data."""
    to_json, from_json = _json()
    whole: dict[str, object] = {**event, "id": message_id}
    if data is not None:
        whole["data"] = data
    try:
        body = to_json(whole, inf_nan_mode="constants")
        if _is_suspect(body):
            from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ArgumentsError(str(event["type"]), f"not JSON: {error}") from error
    return body


def decode(body: bytes) -> Message:
    """Read a message; raise `MessageError` for anything that is not a task's event.

    A null attribute is one that is absent. Unknown attributes are kept as extensions where they
    are text, whole numbers or booleans, as the specification has it. Of a name that stands
    twice, the last counts. Linear in the size of the body; deep nesting is refused.
    """
    event = _parse(body)
    attributes: dict[str, object] = {"data": _take_data(event)}
    extensions: dict[str, object] = {}
    for name, value in event.items():
        if value is None:
            continue
        read = _READERS.get(name)
        if read is not None:
            attributes[name] = read(name, value)
        elif isinstance(value, (str, int)):
            extensions[name] = value
    for name in _REQUIRED:
        if name not in attributes:
            problem = f"the required attribute {name!r} is missing"
            raise MessageError(problem)
    if extensions:
        attributes["extensions"] = extensions
    return Message(**cast("dict[str, Any]", attributes))


def format_time(moment: datetime) -> str:
    """Write RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def _json() -> tuple[Callable[..., bytes], Callable[..., object]]:
    from pydantic_core import from_json, to_json  # noqa: PLC0415 - kept off the import path

    return to_json, from_json


def _is_suspect(body: bytes) -> bool:
    """Whether it takes a second look to know that the body can be read."""
    return (
        len(body) > _SURELY_READABLE
        or b"NaN" in body
        or b"Infinity" in body
        or body.count(b"[") + body.count(b"{") > _SURELY_SHALLOW
    )


def _parse(body: bytes) -> dict[str, object]:
    """Read the object, less its `specversion` and `datacontenttype`."""
    _, from_json = _json()
    if len(body) > MAX_BODY:
        problem = f"{len(body):,} bytes are above the limit of {MAX_BODY:,}"
        raise MessageError(problem)
    try:
        parsed = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        problem = f"it is not JSON ({error})"
        raise MessageError(problem) from error
    if not isinstance(parsed, dict):
        problem = "it is JSON, but not an object"
        raise MessageError(problem)
    event = cast("dict[str, object]", parsed)
    if event.pop("specversion", None) != "1.0":
        problem = 'it is not a CloudEvent ("specversion" is not "1.0")'
        raise MessageError(problem)
    if len(event) >= MAX_ATTRIBUTES:
        problem = f"it has {len(event) + 1} attributes and the limit is {MAX_ATTRIBUTES}"
        raise MessageError(problem)
    event.pop("datacontenttype", None)
    return event


def _take_data(event: dict[str, object]) -> JsonValue:
    data, encoded = event.pop("data", None), event.pop("data_base64", None)
    if encoded is None:
        return cast("JsonValue", data)
    if not isinstance(encoded, str) or data is not None:
        problem = "data_base64 is not text, or stands beside data"
        raise MessageError(problem)
    _, from_json = _json()
    try:
        decoded = base64.b64decode(encoded, validate=True)
        return cast("JsonValue", from_json(decoded, allow_inf_nan=False))
    except (binascii.Error, ValueError) as error:
        problem = f"data_base64 does not hold JSON ({error})"
        raise MessageError(problem) from error


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    problem = f"{name} is not text"
    raise MessageError(problem)


def _trace(name: str, value: object) -> str | None:
    """Read what no task may fail for: a trace that is not text is none."""
    del name
    return value if isinstance(value, str) else None


def _required(name: str, value: object) -> str:
    text = _text(name, value)
    if not text:
        problem = f"the required attribute {name!r} is empty"
        raise MessageError(problem)
    return text


def _bounded(name: str, value: object) -> str:
    text = _required(name, value)
    if len(text) > MAX_TEXT:
        problem = f"{name} has {len(text)} characters and the limit is {MAX_TEXT}"
        raise MessageError(problem)
    return text


def _task_name(name: str, value: object) -> str:
    text = _text(name, value)
    if NAME_PATTERN.fullmatch(text) is None:
        problem = f"{name} {text[:80]!r} is not a task name ([A-Za-z0-9_.:/-], at most 200)"
        raise MessageError(problem)
    return text


def _number(name: str, value: object) -> int:
    low, high = _RANGES[name]
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON 5 and 5.0 are the same number
    if type(value) is int and low <= value <= high:
        return value
    problem = f"{name} is {_quoted(value)}, not a whole number from {low} to {high}"
    raise MessageError(problem)


def _quoted(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _BITS_QUOTED:
        return "a very long number"  # whose text may be longer than Python will write
    return repr(str(value)[:40])


def _time(name: str, value: object) -> datetime:
    text = _text(name, value)
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows "t" and "z"
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    problem = f"{name} is {text[:40]!r}, not an RFC 3339 time with its offset"
    raise MessageError(problem)


def _tags(name: str, value: object) -> tuple[str, ...]:
    parts = (part.strip() for part in _text(name, value).split(","))
    return tuple(part for part in parts if part)


def _refused(name: str, value: object) -> None:
    del value
    problem = f"its {name!r} needs a stage that this consumer does not have"
    raise MessageError(problem)


_READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "id": _bounded,
    "source": _required,
    "type": _task_name,
    "taskkey": _bounded,
    "tasktags": _tags,
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_TRACE, _trace),
    **dict.fromkeys(_TIMES, _time),
    **dict.fromkeys(_RANGES, _number),
    **dict.fromkeys(_REFUSED, _refused),
}
_KNOWN: Final = _READERS.keys() | {"specversion", "datacontenttype", "data", "data_base64"}
