"""Messages to RabbitMQ's own form and back: body, headers, properties.

Ours are the headers `longshore-key`, `longshore-group`, `longshore-stamp` where a dead letter was
sent again, `longshore-receives` where a copy goes on counting, and `longshore-dead` on a dead
letter, see `letters`. Every other header is the caller's, or another producer's, by its own name.
"""

from __future__ import annotations

import json
from base64 import b64encode
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from longshore.identity import TaskId
from longshore.priority import NORMAL
from longshore.queue import Delivery
from longshore_adapters.rabbitmq import fields, limits
from longshore_adapters.rabbitmq.fields import FieldError, Properties, field, read_properties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.queue import Outgoing
    from longshore_adapters.rabbitmq.options import Options

KEY: Final = "longshore-key"
GROUP: Final = "longshore-group"
STAMP: Final = "longshore-stamp"
RECEIVES: Final = "longshore-receives"
DEAD: Final = "longshore-dead"
OURS: Final = frozenset({KEY, GROUP, STAMP, RECEIVES, DEAD})
STAMP_ATTRIBUTE: Final = "stamp"
"""What a stamp is called among the attributes of a delivery."""

_BROKERS: Final = frozenset(
    {
        "x-acquired-count",
        "x-death",
        "x-delivery-count",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
    }
)
"""Headers in which RabbitMQ says what it has done; nobody else is to write them."""
_TEXTS: Final = {
    fields.CONTENT_TYPE: "content-type",
    fields.CONTENT_ENCODING: "content-encoding",
    fields.CORRELATION_ID: "correlation-id",
    fields.REPLY_TO: "reply-to",
    fields.TYPE: "type",
    fields.APP_ID: "app-id",
}
"""Properties that are attributes of a delivery, where no header has that name."""
_SENT: Final = {
    "content-type": fields.CONTENT_TYPE,
    "content-encoding": fields.CONTENT_ENCODING,
    "correlation-id": fields.CORRELATION_ID,
}
"""Those that are written as properties; RabbitMQ acts on some of the others."""
_KEY: Final = field(KEY, "")[:-4]
_DURABLE: Final = 2
_BARE: Final = 2
"""Headers and texts of a message of ours that has no attributes: its key, twice."""
_MOST_DIGITS: Final = 9
_NO_OPTIONS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Copy:
    """A message ready to be published: its properties and its body; `id` is its `message_id`."""

    id: str
    properties: bytes
    body: bytes


def to_copy(message: Outgoing, options: Options, now: datetime) -> Copy:
    """Write a message; raise what RabbitMQ, or we for it, would refuse."""
    if message.priority != NORMAL and not options.bands:
        instead = "give its URL bands=…, with type=classic, or leave the priority at normal"
        option = f"priority {message.priority} here"
        raise limits.unsupported(option, instead)
    data = message.key.encode()
    headers = _KEY + len(data).to_bytes(4) + data
    texts = _NO_OPTIONS
    if message.group:
        headers += field(GROUP, message.group)
    if message.attributes:
        more, texts = _given(message.attributes)
        headers += more
    properties = write_properties(
        headers,
        texts,
        id=message.key,
        sent_at=int(now.timestamp()),
        priority=level_of(message.priority, options),
    )
    limits.check_size(len(message.body), len(properties))
    return Copy(message.key, properties, message.body)


def write_properties(
    headers: bytes,
    texts: Mapping[str, str],
    *,
    id: str,  # noqa: A002 - what it is
    sent_at: int,
    priority: int | None = None,
) -> bytes:
    """Write properties of a message that is to be kept on disk."""
    flags = fields.HEADERS | fields.DELIVERY_MODE | fields.MESSAGE_ID | fields.TIMESTAMP
    before = after = b""
    for name, flag in _SENT.items() if texts else ():
        if name in texts:
            flags |= flag
            if flag == fields.CORRELATION_ID:
                after = fields.short(texts[name])
            else:
                before += fields.short(texts[name])
    mode = bytes((_DURABLE,))
    if priority is not None:
        flags |= fields.PRIORITY
        mode += bytes((priority,))
    return b"".join(
        (
            flags.to_bytes(2),
            before,
            fields.table(headers),
            mode,
            after,
            fields.short(id),
            sent_at.to_bytes(8),
        )
    )


def _given(attributes: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """Write a caller's attributes as headers; some of them are properties."""
    rest = dict(attributes)
    stamp = rest.pop(STAMP_ATTRIBUTE, None)
    if taken := (OURS | _BROKERS).intersection(rest):
        option = f"an attribute named {min(taken)!r}"
        raise limits.unsupported(option, "Longshore's own, or RabbitMQ's, has that name")
    return headers_of(rest, stamp), texts_of(rest)


def headers_of(attributes: Mapping[str, str], stamp: str | None) -> bytes:
    """Write headers for attributes that are no properties."""
    limits.check_headers(attributes)
    headers = b"".join(
        field(name, value) for name, value in attributes.items() if not _is_text(name, value)
    )
    return headers if stamp is None else headers + field(STAMP, stamp)


def texts_of(attributes: Mapping[str, str]) -> Mapping[str, str]:
    """Find the attributes that are properties."""
    return {name: attributes[name] for name in _SENT if _is_text(name, attributes.get(name))}


def _is_text(name: str, value: str | None) -> bool:
    """Whether an attribute has a property to be in, and fits into it."""
    return name in _SENT and value is not None and limits.is_short(value)


def read(properties: bytes) -> Properties:
    """Read properties; those that are none of AMQP's are as good as absent."""
    try:
        return read_properties(properties)
    except FieldError:
        return fields.NONE


def to_delivery(
    properties: bytes, body: bytes, *, queue: str, receipt: str, redelivered: bool
) -> Delivery:
    """Read a message of our own or of anybody else."""
    found = read(properties)
    headers = found.headers
    key = headers.get(KEY)
    group = headers.get(GROUP)
    return Delivery(
        receipt=receipt,
        queue=queue,
        body=body,
        key=key_of(found),
        message_id=found.texts.get(fields.MESSAGE_ID) or None,
        receives=receives_of(headers, redelivered=redelivered),
        sent_at=moment(found.timestamp),
        group=group if isinstance(group, str) else None,
        attributes=attributes_of(found)
        if key is None or len(headers) + len(found.texts) > _BARE
        else {},
    )


def key_of(found: Properties) -> TaskId | None:
    """Read the task key; what no key of ours can be is none."""
    key = found.headers.get(KEY)
    return TaskId(key) if isinstance(key, str) and limits.is_name(key) else None


def count_of(text: object) -> int | None:
    """Read a number that we wrote as text, or somebody else in its place."""
    digits = isinstance(text, str) and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(str(text)) if digits else None


def receives_of(headers: Mapping[str, object], *, redelivered: bool) -> int:
    """Count deliveries, this one included, and those of the message this is a copy of.

    From 4.3 on the count of deliveries is one of failures, and that of acquisitions is it.
    """
    counts = [headers.get(name) for name in ("x-acquired-count", "x-delivery-count")]
    counted = max((each for each in counts if isinstance(each, int)), default=int(redelivered))
    return counted + 1 + (count_of(headers.get(RECEIVES)) or 0)


def attributes_of(found: Properties) -> dict[str, str]:
    """Read what is not ours, as text. Names that cannot be written again are left out."""
    read_as = {
        name: text_of(value)
        for name, value in found.headers.items()
        if name not in OURS and name not in _BROKERS and value is not None and limits.is_name(name)
    }
    for flag, text in found.texts.items():
        name = _TEXTS.get(flag)
        if name is not None:
            read_as.setdefault(name, text)
    if STAMP in found.headers:
        read_as[STAMP_ATTRIBUTE] = text_of(found.headers[STAMP])
    return read_as


def text_of(value: object) -> str:
    """Read a value of a header as text: bytes as base64, tables and lists as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, default=text_of)


def moment(timestamp: int | None) -> datetime | None:
    """Read a timestamp, which others may have in a unit of their own."""
    if timestamp is None:
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def again(delivery: Delivery, options: Options, now: datetime) -> Copy:
    """Write a copy of a delivery that goes on counting its receives; its priority is the normal.

    `TooLargeError` where its headers, which are texts in a copy, fit no frame any more.
    """
    attributes = dict(delivery.attributes)
    stamp = attributes.pop(STAMP_ATTRIBUTE, None)
    kept = {name: value for name, value in attributes.items() if name not in limits.ROUTED}
    headers = headers_of(kept, stamp) + field(RECEIVES, str(delivery.receives))
    if delivery.key is not None:
        headers += field(KEY, delivery.key)
    if delivery.group is not None:
        headers += field(GROUP, delivery.group)
    own = delivery.message_id
    name = own if own and limits.is_short(own) else delivery.key or str(uuid4())
    sent = delivery.sent_at or now
    properties = write_properties(
        headers,
        texts_of(kept),
        id=name,
        sent_at=int(sent.timestamp()),
        priority=level_of(NORMAL, options),
    )
    limits.check_size(0, len(properties))  # such a body came from RabbitMQ, and goes back to it
    return Copy(name, properties, delivery.body)


def level_of(priority: int, options: Options) -> int | None:
    """The level of a priority: how many bands it has reached. None where there are none."""
    return bisect_right(options.bands, priority) if options.bands else None
