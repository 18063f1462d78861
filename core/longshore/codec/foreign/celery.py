"""Tasks of Celery, protocol 2, as JSON: what its clients send to SQS and to AMQP brokers.

Over AMQP the headers are those of the message, and come as text: a list is its JSON there.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from longshore.codec.attributes import RANGES, READERS
from longshore.codec.content import content_type
from longshore.codec.foreign.kombu import untagged
from longshore.codec.parse import NotJson, parse
from longshore.codec.raw import Event
from longshore.errors import MessageError
from longshore.message import Message, pack_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.codec.raw import Found, Raw
    from longshore.message import JsonValue

SOURCE: Final = "urn:celery"
_JSON: Final = "application/json"
_FLOWS: Final = ("callbacks", "errbacks", "chain", "chord")
_PARTS: Final = 3
_LONGEST_TIME: Final = 100
_LONGEST_NUMBER: Final = 18
_NOTHING: Final = (None, "", "None", "null")
_MOST_RETRIES: Final = RANGES["taskattempts"][1]

Table = dict[str, object]


def read_celery(raw: Raw, document: object) -> Found:
    """Read a task: by the headers inside its body (SQS), or beside it (AMQP).

    Refused are pickle, YAML, compression, and what only Celery can continue: chains, chords,
    callbacks.
    """
    if {"task", "id", "lang"} <= raw.attributes.keys():
        return (_event(raw, raw.attributes, content_type(raw), document),)
    envelope = _envelope(raw, document)
    headers = _table(envelope.get("headers"))
    if "task" not in headers or not isinstance(envelope.get("body"), str):
        return None
    body = _inner(envelope)
    return (_event(raw, headers, str(envelope.get("content-type", "")), body),)


def _envelope(raw: Raw, document: object) -> Table:
    """The object that holds headers and body; kombu writes it in base64 unless told otherwise."""
    if isinstance(document, NotJson):
        try:
            document = parse(base64.b64decode(raw.body, validate=True))
        except ValueError:
            return {}
    return _table(document)


def _inner(envelope: Table) -> object:
    body = cast("str", envelope["body"])
    if _table(envelope.get("properties")).get("body_encoding") != "base64":
        return parse(body.encode())
    try:
        return parse(base64.b64decode(body, validate=True))
    except ValueError as error:
        problem = f"the body of its Celery task is not base64 ({error})"
        raise MessageError(problem) from error


def _event(raw: Raw, headers: Mapping[str, object], media: str, body: object) -> Event:
    if media.partition(";")[0].strip().lower() != _JSON:
        problem = f"it is a Celery task in {media[:40]!r}; only {_JSON} is read"
        raise MessageError(problem)
    if headers.get("compression"):
        problem = "it is a compressed Celery task; send it without compression"
        raise MessageError(problem)
    root, state = headers.get("root_id"), headers.get("tracestate")
    message = Message(
        id=cast("str", READERS["id"]("the id of its Celery task", headers.get("id"))),
        source=SOURCE,
        type=cast("str", READERS["type"]("the name of its Celery task", headers["task"])),
        data=_data(body),
        time=raw.sent_at,
        notbefore=_time("eta", headers.get("eta")),
        expirytime=_time("expires", headers.get("expires")),
        tasktimeout=_timeout(headers.get("timelimit")),
        partitionkey=raw.group,
        correlationid=root if isinstance(root, str) else None,
        traceparent=_text(headers.get("traceparent")),
        tracestate=state if isinstance(state, str) else None,
    )
    return Event(message=message, is_named=True, used=_retries(headers.get("retries")))


def _data(body: object) -> JsonValue:
    """Take the arguments out of `[args, kwargs, flow]`."""
    if isinstance(body, NotJson):
        raise body.error()
    parts = cast("list[object]", body) if isinstance(body, list) else []
    if len(parts) != _PARTS or not isinstance(parts[0], list) or not isinstance(parts[1], dict):
        problem = "the body of its Celery task is not [args, kwargs, {…}]"
        raise MessageError(problem)
    flow = _table(parts[2])
    continued = [name for name in _FLOWS if flow.get(name)]
    if continued:
        problem = f"its Celery task has {' and '.join(continued)}, which only Celery can continue"
        raise MessageError(problem)
    args = [untagged(one) for one in cast("list[object]", parts[0])]
    kwargs = {name: untagged(one) for name, one in cast("Table", parts[1]).items()}
    return pack_arguments(args, kwargs)


def _time(name: str, value: object) -> datetime | None:
    """Read a time of Celery; one without an offset is in UTC, as Celery has it."""
    if value in _NOTHING:
        return None
    try:
        moment = datetime.fromisoformat(_text(value) or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        problem = f"the {name} of its Celery task is no time"
        raise MessageError(problem) from error


def _timeout(value: object) -> int | None:
    """The hard limit of a task, where it has one."""
    if isinstance(value, str) and len(value) <= _LONGEST_TIME:
        value = parse(value.encode(errors="replace"))
    hard = cast("list[object]", value)[0] if isinstance(value, list) and value else None
    low, high = RANGES["tasktimeout"]
    return hard if type(hard) is int and low <= hard <= high else None


def _retries(value: object) -> int:
    """How often it was tried before; what is no number is never."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:_LONGEST_NUMBER])
    return min(value, _MOST_RETRIES) if type(value) is int and value > 0 else 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_TIME else None


def _table(value: object) -> Table:
    return cast("Table", value) if isinstance(value, dict) else {}
