"""Messages that begin alike: what was enqueued together differs in its id and its data alone.

Longshore writes those last, so that what stands before them is read once for all.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, cast

from longshore.codec.cloudevents import read_event
from longshore.codec.parse import MAX_BODY, is_own
from longshore.codec.strict_json import read_json
from longshore.errors import MessageError
from longshore.message import MAX_TEXT, Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.message import JsonValue

_ID: Final = b',"id":"'
_KEPT: Final = 64
_OWN: Final = {"id", "data", "data_base64", "datacontenttype", "dataencoding", "dataref"}
_SHARED: Final = {one.name: one.default for one in fields(Message) if one.name not in _OWN}


class Heads:
    """Reads messages by the heads it has seen twice; as `decode` would. Serves one thread."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[bytes, Mapping[str, Any] | None] = {}

    def read(self, body: bytes) -> Message | None:
        """Read a message of our own whose head is known; None where `decode` has to.

        `{A,B}` is an object and holds what `{A}` and `{B}` hold, the later of what is in both,
        where these two are objects. So it is enough to read `{B}`, once `{A}` was read.
        """
        at = body.find(_ID)
        known = self._known.get(body[:at])
        if known is None or len(body) > MAX_BODY:
            return None
        try:
            rest = cast("dict[str, object]", read_json(b"{%b" % body[at + 1 :]))
        except ValueError:
            return None
        message_id, data = rest.pop("id"), rest.pop("data", None)
        if rest or type(message_id) is not str or not 0 < len(message_id) <= MAX_TEXT:
            return None
        if data is not None and type(data) not in {dict, list}:
            return None
        return Message(id=message_id, data=cast("JsonValue", data), **known)

    def learn(self, body: bytes) -> None:
        """Remember the head of a message that was read; the second time, what it says."""
        at = body.find(_ID)
        head = body[:at]
        if at < 0 or self._known.get(head) is not None:
            return
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[head] = _shared(head) if head in self._known else None


def _shared(head: bytes) -> Mapping[str, Any] | None:
    """Read what stands before the id; None where that is not all that the messages share."""
    try:
        event = read_json(head + b"}")
        if not is_own(event) or not _OWN.isdisjoint(event):
            return None
        message = read_event({**event, "id": "none"})
    except (ValueError, MessageError):
        return None
    said = {name: cast("object", getattr(message, name)) for name in _SHARED}
    return {name: value for name, value in said.items() if value != _SHARED[name]}
