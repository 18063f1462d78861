"""Pure: messages and dead letters to what the server keeps of them, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.identity import TaskId
from longshore.queue import DeadLetter, Delivery
from longshore_adapters.redis.scalars import dumps, loads, moment, raw, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from longshore.queue import Rejection

_LENGTH: Final = 4
_PLAIN: Final = bytes(_LENGTH)
_SENT: Final = slice(0, 16)
_KEY_LENGTH: Final = slice(16, 20)
_KEY: Final = 20
_DIED: Final = slice(0, 16)
_RECEIVES: Final = slice(19, 29)
_WHY_LENGTH: Final = slice(29, 37)
_WHY: Final = 37


class Receipt(NamedTuple):
    """One delivery of a message: which, the how many-eth, and the task's key."""

    rank: bytes
    number: bytes
    key: bytes


class Parts(NamedTuple):
    """What a message is made of."""

    sent_at: datetime
    key: TaskId
    group: str | None
    attributes: Mapping[str, str]
    body: bytes


def payload(group: str | None, attributes: Mapping[str, str], body: bytes) -> bytes:
    """Write a message behind its key: how long its head is, the head, the body."""
    return payload_head(group, attributes) + body


def payload_head(group: str | None, attributes: Mapping[str, str]) -> bytes:
    """Write what stands before the body; most have nothing to say there."""
    if group is None and not attributes:
        return _PLAIN
    head = dumps([group, dict(attributes)]).encode()
    return len(head).to_bytes(_LENGTH, "big") + head


def parts_of(message: bytes) -> Parts:
    """Take a message apart."""
    behind = _KEY + int(message[_KEY_LENGTH])
    start = behind + _LENGTH
    end = start + int.from_bytes(message[behind:start], "big")
    head: list[Any] = loads(message[start:end]) if end > start else [None, {}]
    return Parts(
        sent_at=moment(int(message[_SENT])),
        key=TaskId(text(message[_KEY:behind])),
        group=head[0],
        attributes=head[1],
        body=message[end:],
    )


def to_delivery(queue: str, until: datetime, taken: bytes) -> Delivery:
    """Read a message that was taken: its rank, the number of the delivery, the message."""
    rank, number, message = taken.split(b" ", 2)
    parts = parts_of(message)
    return Delivery(
        receipt=f"{rank.decode()}:{number.decode()}:{parts.key}",
        queue=queue,
        body=parts.body,
        key=parts.key,
        message_id=rank.decode(),
        receives=int(number),
        sent_at=parts.sent_at,
        lease_until=until,
        group=parts.group,
        attributes=parts.attributes,
    )


def receipt_of(delivery: Delivery) -> Receipt:
    """Read a receipt."""
    rank, _, rest = delivery.receipt.partition(":")
    number, _, key = rest.partition(":")
    return Receipt(rank.encode(), number.encode(), raw(key))


def why(rejection: Rejection) -> bytes:
    """Write why a message died."""
    return dumps([rejection.reason, rejection.detail, rejection.stamp]).encode()


def to_dead_letter(queue: str, letter_id: bytes, letter: bytes) -> DeadLetter:
    """Read a letter."""
    reason, detail, stamp = loads(letter[_WHY : message_at(letter)])
    parts = parts_of(letter[message_at(letter) :])
    return DeadLetter(
        id=letter_id.decode(),
        queue=queue,
        body=parts.body,
        reason=reason,
        detail=detail,
        died_at=moment(int(letter[_DIED])),
        key=parts.key,
        stamp=stamp,
        receives=int(letter[_RECEIVES]),
        attributes=parts.attributes,
    )


def message_at(letter: bytes) -> int:
    """Find where the message begins in a letter."""
    return _WHY + int(letter[_WHY_LENGTH])


def redriven(letter: bytes) -> bytes:
    """Write what is sent again of a letter: its message, with the stamp of the run that failed."""
    _, _, stamp = loads(letter[_WHY : message_at(letter)])
    parts = parts_of(letter[message_at(letter) :])
    stamped = {} if stamp is None else {"stamp": str(stamp)}
    return payload(parts.group, {**parts.attributes, **stamped}, parts.body)
