"""CloudEvents in binary mode: attributes travel as headers, and the body is the data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.codec.attributes import EVENT_READERS, RANGES, TIMES
from longshore.codec.cloudevents import read_event
from longshore.codec.content import data_of
from longshore.codec.raw import Event

if TYPE_CHECKING:
    from longshore.codec.raw import Found, Raw

PREFIXES: Final = ("cloudevents_", "cloudevents:", "ce-", "ce_")
"""Before the names of attributes: those of AMQP, and what is seen on SQS."""
_BOOLEANS: Final = {"true": True, "false": False}
_LONGEST_NUMBER: Final = 18
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_binary(raw: Raw, document: object) -> Found:
    """Read an event whose four required attributes are headers of one of the prefixes."""
    for prefix in PREFIXES:
        if f"{prefix}specversion" in raw.attributes and f"{prefix}type" in raw.attributes:
            event = _attributes(raw, prefix)
            event["data"] = data_of(raw, document)
            return (Event(message=read_event(event, EVENT_READERS), is_named=True),)
    return None


def _attributes(raw: Raw, prefix: str) -> dict[str, object]:
    """Take the headers of an event; as text says nothing of their kind, it is found out here."""
    event: dict[str, object] = {}
    for name, text in raw.attributes.items():
        if name.startswith(prefix):
            attribute = name.removeprefix(prefix)
            event[attribute] = _value(attribute, text)
    return event


def _value(name: str, text: str) -> object:
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
        if name in RANGES:
            return int(text)
        if name in TIMES:
            return _moment(int(text)) or text
    return _BOOLEANS.get(text.lower(), text) if name == "taskdelete" else text


def _moment(milliseconds: int) -> str | None:
    """Write a time as it is in JSON; over AMQP one may come as milliseconds since 1970."""
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat()
    except OverflowError:
        return None
