"""Rows of messages and dead letters to values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.queue import DeadLetter, Delivery
from longshore_adapters.postgres.scalars import attributes_of, said

if TYPE_CHECKING:
    from longshore_adapters.postgres.wire import Row


def to_delivery(row: Row, queue: str) -> Delivery:
    """Read a row of `statements.TAKE`."""
    _priority, seq, receives, key, sent_at, lease_until, group, attributes, body = row
    return Delivery(
        receipt=f"{seq}:{receives}",
        queue=queue,
        body=body,
        key=key,
        message_id=str(seq),
        receives=receives,
        sent_at=sent_at,
        lease_until=lease_until,
        group=said(group),
        attributes=attributes_of(attributes),
    )


def to_dead_letter(row: Row, queue: str) -> DeadLetter:
    """Read a row of `statements.DEAD_LETTERS`."""
    seq, key, body, reason, detail, died_at, stamp, receives, attributes = row
    return DeadLetter(
        id=str(seq),
        queue=queue,
        body=body,
        reason=said(reason) or "",
        detail=said(detail) or "",
        died_at=died_at,
        key=key,
        stamp=stamp,
        receives=receives,
        attributes=attributes_of(attributes),
    )
