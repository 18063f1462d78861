"""Dead letters to RabbitMQ's form and back.

A letter of ours says in one header, `longshore-dead`, why, when and as what the message died, as
JSON. One that RabbitMQ moved by itself, after too many deliveries, says it in `x-death`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID, uuid4

from longshore.priority import NORMAL
from longshore.queue import DeadLetter
from longshore_adapters.rabbitmq import fields, limits
from longshore_adapters.rabbitmq.fields import field
from longshore_adapters.rabbitmq.wire import (
    DEAD,
    GROUP,
    KEY,
    STAMP_ATTRIBUTE,
    Copy,
    attributes_of,
    count_of,
    headers_of,
    key_of,
    level_of,
    moment,
    read,
    texts_of,
    write_properties,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from longshore.queue import Rejection
    from longshore_adapters.rabbitmq.fields import Properties
    from longshore_adapters.rabbitmq.options import Options

UNDELIVERABLE: Final = "undeliverable"
"""The reason of a letter that RabbitMQ moved."""
_BRIEF: Final = 100
_NAME: Final = len(str(UUID(int=0)))
_ROOM: Final = limits.MAX_PROPERTIES


def to_letter(rejection: Rejection, died_at: datetime) -> Copy:
    """Write the copy of a rejected message: with all it has, or what of it there is room for."""
    return next(copy for copy in _copies(rejection, died_at) if len(copy.properties) <= _ROOM)


def _copies(rejection: Rejection, died_at: datetime) -> Iterator[Copy]:
    """Each with less beside the body than the one before; the last always fits."""
    given = dict(rejection.delivery.attributes)
    given.pop(STAMP_ATTRIBUTE, None)
    brief = replace(rejection, detail=rejection.detail[:_BRIEF])
    yield _copy(rejection, died_at, given)
    yield _copy(brief, died_at, given)
    yield _copy(brief, died_at, {})
    yield _copy(replace(brief, delivery=replace(brief.delivery, group=None)), died_at, {})


def _copy(rejection: Rejection, died_at: datetime, given: Mapping[str, str]) -> Copy:
    delivery = rejection.delivery
    facts: dict[str, object] = {
        "reason": rejection.reason,
        "detail": rejection.detail,
        "at": died_at.isoformat(),
        "id": delivery.message_id,
        "receives": delivery.receives,
    }
    kept = {name: value for name, value in given.items() if name not in limits.ROUTED}
    if len(kept) < len(given):
        # RabbitMQ would send the letter where they say.
        facts["attributes"] = {name: given[name] for name in given if name not in kept}
    stamp = None if rejection.stamp is None else str(rejection.stamp)
    headers = headers_of(kept, stamp) + field(DEAD, json.dumps(facts))
    for name, value in ((KEY, delivery.key), (GROUP, delivery.group)):
        if value is not None:
            headers += field(name, value)
    name = str(uuid4())
    properties = write_properties(
        headers, texts_of(kept), id=name, sent_at=int(died_at.timestamp())
    )
    return Copy(name, properties, delivery.body)


def read_letter(properties: bytes, body: bytes, *, queue: str, redelivered: int) -> DeadLetter:
    """Read a letter of ours, or one that RabbitMQ or anybody else put there."""
    found = read(properties)
    facts, death = _facts(found), _death(found)
    died_at = _moment(facts.get("at")) or _time(death) or moment(found.timestamp) or _EPOCH
    attributes = attributes_of(found)
    stamp = attributes.pop(STAMP_ATTRIBUTE, None)
    folded = facts.get("attributes")
    if isinstance(folded, dict):
        told = cast("dict[object, object]", folded).items()
        attributes |= {str(n): str(v) for n, v in told if limits.is_name(str(n))}
    receives = facts.get("receives")
    return DeadLetter(
        id=letter_id(died_at, _name(found, properties, body)),
        queue=queue,
        body=body,
        reason=str(facts.get("reason", UNDELIVERABLE)),
        detail=str(facts.get("detail", _said(death))),
        died_at=died_at,
        key=key_of(found),
        stamp=count_of(stamp),
        receives=receives if isinstance(receives, int) else redelivered,
        attributes=attributes,
    )


def to_redrive(letter: DeadLetter, options: Options, now: datetime) -> Copy:
    """Write the message that a letter is sent again as, with its stamp and normal priority.

    `TooLargeError` as in `again`.
    """
    stamp = None if letter.stamp is None else str(letter.stamp)
    kept = {n: v for n, v in letter.attributes.items() if n not in limits.ROUTED}
    headers = headers_of(kept, stamp)
    if letter.key is not None:
        headers += field(KEY, letter.key)
    name = letter.key or letter.id
    properties = write_properties(
        headers,
        texts_of(kept),
        id=name,
        sent_at=int(now.timestamp()),
        priority=level_of(NORMAL, options),
    )
    limits.check_size(0, len(properties))
    return Copy(name, properties, letter.body)


def letter_id(died_at: datetime, name: str) -> str:
    """Name a letter so that the order of names is the order in which they died."""
    return f"{int(died_at.timestamp() * 1_000_000):015x}-{name}"


_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def _name(found: Properties, properties: bytes, body: bytes) -> str:
    """Tell letters apart: copies of ours are named, and others by all they hold."""
    name = found.texts.get(fields.MESSAGE_ID)
    if name and DEAD in found.headers and len(name) <= _NAME:
        return name
    return hashlib.blake2b(properties + body, digest_size=12).hexdigest()


def _facts(found: Properties) -> dict[str, Any]:
    """Read why and when a letter died; nothing where it does not say, or not in our words."""
    text = found.headers.get(DEAD)
    if not isinstance(text, str):
        return {}
    try:
        facts: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else {}


def _death(found: Properties) -> Mapping[str, object]:
    """Read RabbitMQ's own account, the newest first."""
    deaths = found.headers.get("x-death")
    if isinstance(deaths, list) and deaths:
        first: object = cast("list[object]", deaths)[0]
        if isinstance(first, dict):
            return cast("dict[str, object]", first)
    return {}


def _said(death: Mapping[str, object]) -> str:
    reason = death.get("reason")
    return "" if reason is None else f"moved by RabbitMQ: {reason}"


def _time(death: Mapping[str, object]) -> datetime | None:
    time = death.get("time")
    return time if isinstance(time, datetime) else None


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
