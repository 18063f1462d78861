"""What SNS writes around a message where raw delivery is off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from longshore.codec.attributes import moment_of
from longshore.errors import MessageError

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.codec.raw import Found, Raw

_QUESTION: Final = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
_TRACE: Final = "awstraceheader"


def read_sns(raw: Raw, document: object) -> Found:
    """Unwrap a notification: its message, its attributes, its topic as the source."""
    if not isinstance(document, dict):
        return None
    envelope = cast("dict[str, object]", document)
    kind, topic, body = (envelope.get(name) for name in ("Type", "TopicArn", "Message"))
    if not (isinstance(kind, str) and isinstance(topic, str) and isinstance(body, str)):
        return None
    if kind in _QUESTION:
        problem = f"it is SNS asking about a subscription ({kind}); answer it at the topic"
        raise MessageError(problem)
    message_id = envelope.get("MessageId")
    if kind != "Notification":
        return None
    return replace(
        raw,
        body=body.encode(),
        id=message_id if isinstance(message_id, str) else raw.id,
        source=topic,
        sent_at=_sent_at(envelope.get("Timestamp")) or raw.sent_at,
        attributes=_attributes(raw, envelope.get("MessageAttributes")),
    )


def _sent_at(value: object) -> datetime | None:
    return moment_of(value) if isinstance(value, str) else None


def _attributes(raw: Raw, given: object) -> dict[str, str]:
    """Take the attributes of the message inside; of those outside, AWS's trace alone is its."""
    attributes = {_TRACE: raw.attributes[_TRACE]} if _TRACE in raw.attributes else {}
    if not isinstance(given, dict):
        return attributes
    for name, one in cast("dict[str, object]", given).items():
        value = cast("dict[str, object]", one).get("Value") if isinstance(one, dict) else None
        if isinstance(value, str):
            attributes[name.lower()] = value
    return attributes
