"""Plain messages: the body is the data, and an attribute or the queue names the task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from longshore.codec.attributes import READERS
from longshore.codec.content import data_of
from longshore.codec.raw import Event
from longshore.message import Message

if TYPE_CHECKING:
    from longshore.codec.raw import Found, Raw

TASK: Final = "task"


def read_plain(raw: Raw, document: object) -> Found:
    """Read any body that is JSON, or text where its content type says so."""
    message = _message(raw, document)
    named = raw.attributes.get(TASK)
    if named is None:
        return (Event(message=message, key=raw.task_key),)
    name = cast("str", READERS["type"](f"the attribute {TASK!r}", named))
    return (Event(message=replace(message, type=name), key=raw.task_key, is_named=True),)


def _message(raw: Raw, document: object) -> Message:
    """Fill in what a plain message does not say of itself."""
    return Message(
        id=raw.id,
        source=raw.source or raw.queue,
        type="",
        data=data_of(raw, document),
        time=raw.sent_at,
        partitionkey=raw.group,
    )
