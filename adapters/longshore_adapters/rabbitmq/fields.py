"""AMQP's tables and message properties as bytes, and back. Pure; nothing is connected.

Written for what other producers send: a table that cannot be read is an error of its own, and a
value of any type is read as what it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from struct import Struct, error, pack, unpack_from
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SHORT: Final = Struct(">H")
_LONG: Final = Struct(">I")
_FIXED: Final = {
    ord("b"): Struct(">b"),
    ord("B"): Struct(">B"),
    ord("s"): Struct(">h"),
    ord("u"): Struct(">H"),
    ord("I"): Struct(">i"),
    ord("i"): Struct(">I"),
    ord("l"): Struct(">q"),
    ord("L"): Struct(">q"),
    ord("f"): Struct(">f"),
    ord("d"): Struct(">d"),
}
_DEEPEST: Final = 32
_BIGGEST_INT: Final = 2**31

CONTENT_TYPE: Final = 0x8000
CONTENT_ENCODING: Final = 0x4000
HEADERS: Final = 0x2000
DELIVERY_MODE: Final = 0x1000
PRIORITY: Final = 0x0800
CORRELATION_ID: Final = 0x0400
REPLY_TO: Final = 0x0200
EXPIRATION: Final = 0x0100
MESSAGE_ID: Final = 0x0080
TIMESTAMP: Final = 0x0040
TYPE: Final = 0x0020
USER_ID: Final = 0x0010
APP_ID: Final = 0x0008


class FieldError(ValueError):
    """Bytes that are no table or no properties of AMQP's."""


class Properties(NamedTuple):
    """What travels beside a body. Texts of the properties that have one, by their flags."""

    headers: dict[str, object]
    texts: dict[int, str]
    timestamp: int | None = None


NONE: Final = Properties({}, {})
_TEXTS_BEFORE: Final = (CORRELATION_ID, REPLY_TO, EXPIRATION, MESSAGE_ID)
_TEXTS_AFTER: Final = (TYPE, USER_ID, APP_ID)


def short(text: str) -> bytes:
    """Write a short string."""
    data = text.encode("utf-8", "surrogatepass")
    return bytes((len(data),)) + data


def field(name: str, text: str) -> bytes:
    """Write one text of a table."""
    data = text.encode("utf-8", "surrogatepass")
    return short(name) + b"S" + _LONG.pack(len(data)) + data


def table(fields: bytes) -> bytes:
    """Write a table of what was written."""
    return _LONG.pack(len(fields)) + fields


def arguments(given: Mapping[str, object]) -> bytes:
    """Write a table of texts, whole numbers and truth values."""
    return table(b"".join(short(name) + _argument(value) for name, value in given.items()))


def _argument(value: object) -> bytes:
    if isinstance(value, bool):
        return b"t" + bytes((value,))
    if isinstance(value, int):
        return b"I" + pack(">i", value) if abs(value) < _BIGGEST_INT else b"l" + pack(">q", value)
    data = str(value).encode()
    return b"S" + _LONG.pack(len(data)) + data


def read_properties(data: bytes) -> Properties:
    """Read the properties of a content header; `FieldError` where they are none."""
    try:
        return _properties(data)
    except (IndexError, error, OverflowError, RecursionError) as problem:
        raise FieldError(str(problem)) from problem


def _properties(data: bytes) -> Properties:  # noqa: C901 - a step for each, in their order
    (flags,) = _SHORT.unpack_from(data, 0)
    at = 2
    texts: dict[int, str] = {}
    headers: dict[str, object] = {}
    timestamp: int | None = None
    if flags & (CONTENT_TYPE | CONTENT_ENCODING):
        for flag in (CONTENT_TYPE, CONTENT_ENCODING):
            if flags & flag:
                texts[flag], at = _read_short(data, at)
    if flags & HEADERS:
        headers, at = _read_table(data, at, 0)
    if flags & DELIVERY_MODE:
        at += 1
    if flags & PRIORITY:
        at += 1
    for flag in _TEXTS_BEFORE:
        if flags & flag:
            texts[flag], at = _read_short(data, at)
    if flags & TIMESTAMP:
        (timestamp,) = unpack_from(">Q", data, at)
        at += 8
    if flags & (TYPE | USER_ID | APP_ID):
        for flag in _TEXTS_AFTER:
            if flags & flag:
                texts[flag], at = _read_short(data, at)
    return Properties(headers, texts, timestamp)


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return _text(data, at + 1, end), end


def _text(data: bytes, begin: int, end: int) -> str:
    if end > len(data):
        message = "a text ends behind its frame"
        raise FieldError(message)
    return data[begin:end].decode("utf-8", "replace")


def _read_table(data: bytes, at: int, depth: int) -> tuple[dict[str, object], int]:
    (length,) = _LONG.unpack_from(data, at)
    at += 4
    end = at + length
    if end > len(data) or depth > _DEEPEST:
        message = "a table ends behind its frame, or is too deep"
        raise FieldError(message)
    read: dict[str, object] = {}
    while at < end:
        stop = at + 1 + data[at]
        name = data[at + 1 : stop].decode("utf-8", "replace")
        kind = data[stop]
        if kind == _TEXT:  # most are texts, and this is read for every message
            (size,) = _LONG.unpack_from(data, stop + 1)
            at = stop + 5 + size
            read[name] = _text(data, stop + 5, at)
        else:
            read[name], at = _read_value(data, kind, stop + 1, depth)
    return read, end


def _read_value(data: bytes, kind: int, at: int, depth: int) -> tuple[object, int]:
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed.unpack_from(data, at)[0], at + fixed.size
    reader = _READERS.get(kind)
    if reader is None:
        message = f"there is no type {chr(kind)!r} of values"
        raise FieldError(message)
    return reader(data, at, depth)


def _read_text(data: bytes, at: int, depth: int) -> tuple[object, int]:
    del depth
    (size,) = _LONG.unpack_from(data, at)
    return _text(data, at + 4, at + 4 + size), at + 4 + size


def _read_bytes(data: bytes, at: int, depth: int) -> tuple[object, int]:
    del depth
    (size,) = _LONG.unpack_from(data, at)
    return data[at + 4 : at + 4 + size], at + 4 + size


def _read_truth(data: bytes, at: int, depth: int) -> tuple[object, int]:
    del depth
    return bool(data[at]), at + 1


def _read_nothing(data: bytes, at: int, depth: int) -> tuple[object, int]:
    del data, depth
    return None, at


def _read_decimal(data: bytes, at: int, depth: int) -> tuple[object, int]:
    del depth
    places, digits = unpack_from(">Bi", data, at)
    return Decimal(digits).scaleb(-places), at + 5


def _read_moment(data: bytes, at: int, depth: int) -> tuple[object, int]:
    del depth
    (seconds,) = unpack_from(">Q", data, at)
    try:
        return datetime.fromtimestamp(seconds, UTC), at + 8
    except (ValueError, OverflowError, OSError):
        return seconds, at + 8


def _read_array(data: bytes, at: int, depth: int) -> tuple[object, int]:
    (length,) = _LONG.unpack_from(data, at)
    at += 4
    end = at + length
    if end > len(data) or depth > _DEEPEST:
        message = "a list ends behind its frame, or is too deep"
        raise FieldError(message)
    values: list[object] = []
    while at < end:
        value, at = _read_value(data, data[at], at + 1, depth + 1)
        values.append(value)
    return values, end


def _read_inner(data: bytes, at: int, depth: int) -> tuple[object, int]:
    return _read_table(data, at, depth + 1)


_TEXT: Final = ord("S")
_READERS: Final[Mapping[int, Callable[[bytes, int, int], tuple[object, int]]]] = {
    _TEXT: _read_text,
    ord("x"): _read_bytes,
    ord("t"): _read_truth,
    ord("V"): _read_nothing,
    ord("D"): _read_decimal,
    ord("T"): _read_moment,
    ord("A"): _read_array,
    ord("F"): _read_inner,
}
