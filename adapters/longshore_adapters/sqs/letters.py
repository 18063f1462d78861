"""Dead letters to SQS's form and back.

A letter of ours says in one attribute, `longshore-dead`, why, when and as what the message died,
as JSON. One that SQS moved by itself, after too many receives, has none.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import UnsupportedError
from longshore.identity import TaskId
from longshore.queue import DeadLetter
from longshore_adapters.sqs.body import body_of, read_body
from longshore_adapters.sqs.limits import MAX_MESSAGE
from longshore_adapters.sqs.wire import (
    DEAD,
    KEY,
    STAMP,
    STAMP_ATTRIBUTE,
    Entry,
    add_attributes,
    facts_of,
    moment,
    read_attributes,
    size_of,
    text_attribute,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from longshore.queue import Rejection

UNDELIVERABLE: Final = "undeliverable"
"""The reason of a letter that SQS moved."""
_BRIEF: Final = 100


def to_letter(rejection: Rejection, died_at: datetime, *, fifo: bool) -> Entry:
    """Write the copy of a rejected message: with all it has, or what of it there is room for.

    A body that fills the message to its last byte goes alone; it is never shortened.
    """
    entry = next(each for each in _copies(rejection, died_at) if each.size <= MAX_MESSAGE)
    delivery = rejection.delivery
    if delivery.group:
        entry.fields["MessageGroupId"] = delivery.group
    if fifo:
        entry.fields["MessageGroupId"] = delivery.group or delivery.message_id
        # The same letter again, where the answer to the first was lost, is one within 5 minutes.
        entry.fields["MessageDeduplicationId"] = f"{delivery.message_id}.{rejection.stamp}"
    return entry


def _copies(rejection: Rejection, died_at: datetime) -> Iterator[Entry]:
    """Each smaller than the one before; the last is as large as the message itself was."""
    given = {n: v for n, v in rejection.delivery.attributes.items() if n != STAMP_ATTRIBUTE}
    for detail, attributes in (
        (rejection.detail, given),
        (rejection.detail[:_BRIEF], given),
        (rejection.detail[:_BRIEF], {}),
        ("", {}),
    ):
        yield _copy(rejection, died_at, detail, attributes)
    fields = body_of(rejection.delivery.body)
    yield Entry(fields, min(size_of(fields), MAX_MESSAGE))


def _copy(rejection: Rejection, died_at: datetime, detail: str, given: Mapping[str, str]) -> Entry:
    delivery = rejection.delivery
    fields = body_of(delivery.body)
    attributes = fields.setdefault("MessageAttributes", {})
    if delivery.key is not None:
        attributes[KEY] = text_attribute(delivery.key)
    if rejection.stamp is not None:
        attributes[STAMP] = text_attribute(str(rejection.stamp))
    facts: dict[str, object] = {
        "reason": rejection.reason,
        "detail": detail,
        "at": died_at.isoformat(),
        "id": delivery.message_id,
        "receives": delivery.receives,
    }
    attributes[DEAD] = text_attribute(json.dumps(facts))
    _attach(fields, given, facts)
    return Entry(fields, size_of(fields))


def _attach(fields: dict[str, Any], given: Mapping[str, str], facts: Mapping[str, object]) -> None:
    """Add a message's attributes; where SQS would not have them, too many or odd, inside ours."""
    try:
        add_attributes(fields, given)
    except UnsupportedError:
        folded = text_attribute(json.dumps({**facts, "attributes": dict(given)}))
        fields["MessageAttributes"][DEAD] = folded


def revived(message: Mapping[str, Any], *, fifo: bool) -> Entry:
    """Write a letter as the message it was, with its stamp."""
    attributes = message.get("MessageAttributes", {})
    system: Mapping[str, str] = message.get("Attributes", {})
    fields = body_of(read_body(message))
    if KEY in attributes:
        fields.setdefault("MessageAttributes", {})[KEY] = attributes[KEY]
    _attach(fields, read_attributes(attributes, system), {})
    group = system.get("MessageGroupId")
    if fifo:
        fields["MessageDeduplicationId"] = f"{message['MessageId']}.again"
    if group:
        fields["MessageGroupId"] = group
    return Entry(fields, size_of(fields))


def to_dead_letter(message: Mapping[str, Any], *, queue: str) -> DeadLetter:
    """Read a letter of ours, or one that SQS moved."""
    system: Mapping[str, str] = message.get("Attributes", {})
    attributes = message.get("MessageAttributes", {})
    facts = facts_of(attributes)
    given = read_attributes(attributes, system)
    stamp = given.pop(STAMP_ATTRIBUTE, None)
    receives = int(system.get("ApproximateReceiveCount", 1))
    died_at = _moment(facts.get("at")) or moment(system.get("SentTimestamp", "0"))
    return DeadLetter(
        id=letter_id(died_at, message["MessageId"]),
        queue=queue,
        body=read_body(message),
        reason=str(facts.get("reason", UNDELIVERABLE)),
        detail=str(facts.get("detail", f"moved by SQS itself after {receives} receives")),
        died_at=died_at,
        key=TaskId(text_of(attributes[KEY])) if KEY in attributes else None,
        stamp=int(stamp) if stamp is not None and stamp.isdecimal() else None,
        receives=counted if isinstance(counted := facts.get("receives"), int) else receives,
        attributes=given,
    )


def letter_id(died_at: datetime, message_id: str) -> str:
    """Name a letter so that the order of names is the order in which they died."""
    return f"{int(died_at.timestamp() * 1_000_000):015x}-{message_id}"


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
