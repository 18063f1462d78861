"""The data of an event: as JSON, in base64, compressed, or as JSON inside a text."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from longshore.codec.compression import unpack
from longshore.codec.strict_json import read_json
from longshore.errors import MessageError

if TYPE_CHECKING:
    from longshore.message import JsonValue


def take_data(event: dict[str, object]) -> JsonValue:
    """Take an event's data out of it; `MessageError` where it cannot be read."""
    content_type = event.pop("datacontenttype", None)
    data, encoded = event.pop("data", None), event.pop("data_base64", None)
    encoding = event.pop("dataencoding", None)
    if encoded is not None or encoding is not None:
        return _from_base64(data, encoded, encoding)
    if type(data) is str and "json" not in str(content_type or "json"):
        return [data]
    return unwrapped(cast("JsonValue", data))


def unwrapped(data: JsonValue) -> JsonValue:
    """Read arguments that a producer wrote as JSON into a text, as some frameworks do."""
    if type(data) is not str or data[:1] not in {"{", "["}:
        return data
    try:
        return read_data(data.encode())
    except ValueError:
        return data


def _from_base64(data: object, encoded: object, encoding: object) -> JsonValue:
    if not isinstance(encoded, str) or data is not None:
        problem = "data_base64 is not text, or stands beside data"
        raise MessageError(problem)
    try:
        raw = base64.b64decode(encoded, validate=True)
        if encoding is not None:
            raw = unpack(raw, str(encoding))
        return read_data(raw)
    except ValueError as error:
        problem = f"data_base64 does not hold JSON ({error})"
        raise MessageError(problem) from error


def read_data(raw: bytes) -> JsonValue:
    """Read JSON as deep as an event may hold it; ValueError for anything else."""
    # Inside an array, as deep as `data` is inside its event: neither holds more levels.
    (data,) = cast("list[object]", read_json(b"[%b]" % raw))
    return cast("JsonValue", data)
