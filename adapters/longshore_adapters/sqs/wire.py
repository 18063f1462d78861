"""Messages to SQS's own form and back: the body is text, the rest message attributes.

Ours are at most three of the ten: `longshore-key`, `longshore-stamp` where a dead letter was sent
again, and `longshore-body` where the body is no text that SQS takes. A dead letter has a fourth,
see `letters`. Every other attribute is the caller's, or another producer's, by its own name.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from longshore.identity import TaskId
from longshore.priority import NORMAL
from longshore.queue import Delivery
from longshore_adapters.sqs import limits
from longshore_adapters.sqs.body import BODY, body_of, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.queue import Outgoing

KEY: Final = "longshore-key"
STAMP: Final = "longshore-stamp"
DEAD: Final = "longshore-dead"
OURS: Final = frozenset({KEY, STAMP, BODY, DEAD})
STAMP_ATTRIBUTE: Final = "stamp"
"""What a stamp is called among the attributes of a delivery."""
TRACE_ATTRIBUTE: Final = "awstraceheader"
"""What the system attribute `AWSTraceHeader` is called there."""

_TRACE: Final = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;[A-Za-z]+=[A-Za-z0-9:-]+)*;?")
_SIZES: Final = frozenset({"ExtendedPayloadSize", "SQSLargePayloadSize"})
"""Attributes of Amazon's extended client, which reads them as numbers."""

Attributes: TypeAlias = "dict[str, dict[str, Any]]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a batch request, and the bytes it counts for."""

    fields: dict[str, Any]
    size: int = 0


def text_attribute(value: str, kind: str = "String") -> dict[str, Any]:
    """Make an attribute of text."""
    return {"DataType": kind, "StringValue": value}


def to_entry(message: Outgoing, *, fifo: bool, priorities: bool) -> Entry:
    """Write a message; raise what SQS, or we for it, would refuse."""
    if message.priority != NORMAL and not priorities:
        instead = "give its URL bands=…, on a standard queue, or leave the priority at normal"
        option = f"priority {message.priority} here"
        raise limits.unsupported(option, instead)
    fields = body_of(message.body)
    attributes: Attributes = fields.setdefault("MessageAttributes", {})
    attributes[KEY] = text_attribute(message.key)
    if message.attributes:
        add_attributes(fields, message.attributes)
    _delay(fields, message, fifo=fifo)
    if fifo:
        fields["MessageGroupId"] = message.group or message.key
        fields["MessageDeduplicationId"] = f"{message.key}.{message.token}.{message.wake_no}"
    elif message.group:
        fields["MessageGroupId"] = message.group
    if message.group:
        limits.check_group(message.group)
    size = size_of(fields)
    limits.check_size(len(message.body), size)
    return Entry(fields, size)


def add_attributes(fields: dict[str, Any], given: Mapping[str, str]) -> None:
    """Add a caller's attributes, and what of them has a place of its own."""
    rest = dict(given)
    attributes: Attributes = fields.setdefault("MessageAttributes", {})
    if (stamp := rest.pop(STAMP_ATTRIBUTE, None)) is not None:
        attributes[STAMP] = text_attribute(stamp)
    trace = rest.get(TRACE_ATTRIBUTE)
    if trace is not None and _TRACE.fullmatch(trace):
        fields["MessageSystemAttributes"] = {"AWSTraceHeader": text_attribute(trace)}
        del rest[TRACE_ATTRIBUTE]
    if taken := OURS.intersection(rest):
        option = f"an attribute named {min(taken)!r}"
        raise limits.unsupported(option, "Longshore's own has that name")
    limits.check_attributes(rest, ours=len(attributes))
    for name, value in rest.items():
        kind = "Number" if name in _SIZES and value.isdecimal() else "String"
        attributes[name] = text_attribute(value, kind)


def size_of(fields: Mapping[str, Any]) -> int:
    """Count as SQS does: the body, and of each attribute its name, type and value."""
    text: str = fields["MessageBody"]
    size = len(text) if text.isascii() else len(text.encode())
    attributes: Attributes = fields.get("MessageAttributes", {})
    for name, value in attributes.items():
        data = value.get("BinaryValue")
        data = value["StringValue"].encode() if data is None else data
        size += len(name) + len(value["DataType"]) + len(data)
    return size


def to_delivery(
    message: Mapping[str, Any], *, queue: str, receipt: str, lease_until: datetime
) -> Delivery:
    """Read a message of our own or of anybody else."""
    system: Mapping[str, str] = message.get("Attributes", {})
    attributes: Attributes = message.get("MessageAttributes", {})
    key = attributes.get(KEY)
    sent = system.get("SentTimestamp")
    return Delivery(
        receipt=receipt,
        queue=queue,
        body=read_body(message),
        key=None if key is None else TaskId(text_of(key)),
        message_id=message.get("MessageId"),
        receives=int(system.get("ApproximateReceiveCount", 1)),
        sent_at=None if sent is None else moment(sent),
        lease_until=lease_until,
        group=system.get("MessageGroupId"),
        attributes=read_attributes(attributes, system),
    )


def read_attributes(attributes: Attributes, system: Mapping[str, str]) -> dict[str, str]:
    """Read the attributes that are not ours, as text, binary ones as base64.

    Those of a letter that SQS sent back by itself may be folded into ours.
    """
    read = {n: text_of(value) for n, value in attributes.items() if n not in OURS}
    if STAMP in attributes:
        read[STAMP_ATTRIBUTE] = text_of(attributes[STAMP])
    if "AWSTraceHeader" in system:
        read[TRACE_ATTRIBUTE] = system["AWSTraceHeader"]
    if DEAD in attributes:
        folded: object = facts_of(attributes).get("attributes")
        if isinstance(folded, dict):
            read |= {str(n): str(v) for n, v in cast("dict[object, object]", folded).items()}
    return read


def facts_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Read why and when a letter died; nothing where it does not say, or not in our words."""
    if DEAD not in attributes:
        return {}
    try:
        facts: object = json.loads(text_of(attributes[DEAD]))
    except ValueError:
        return {}
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else {}


def text_of(attribute: Mapping[str, Any]) -> str:
    """Read one attribute as text."""
    value: str | None = attribute.get("StringValue")
    return b64encode(attribute.get("BinaryValue", b"")).decode() if value is None else value


def moment(milliseconds: str) -> datetime:
    """Read a timestamp of SQS."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _delay(fields: dict[str, Any], message: Outgoing, *, fifo: bool) -> None:
    if not message.delay:
        return
    if fifo or message.delay > limits.MAX_DELAY:
        longest = "none, per message, on a FIFO queue" if fifo else str(limits.MAX_DELAY)
        instead = f"SQS delays by {longest} (SendMessage, DelaySeconds); keep the wait in the log"
        option = f"a delay of {message.delay}"
        raise limits.unsupported(option, instead)
    fields["DelaySeconds"] = limits.seconds(message.delay)
