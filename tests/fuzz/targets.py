"""What is fuzzed: everything a worker does with bytes from a broker before it asks the log."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from longshore.codec import FORMATS, decode
from longshore.codec.cloudevents import read_event
from longshore.codec.parse import is_own, parse
from longshore.codec.pointing import points
from longshore.codec.raw import Pointer
from longshore.definition import TaskRegistry
from longshore.errors import MessageError
from longshore.identity import TaskId, TaskIds
from longshore.policy import QueuePolicy
from longshore.queue import Delivery
from longshore.worker.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.worker.foreign import Part, Parts

SENT: Final = datetime(2026, 11, 22, 10, tzinfo=UTC)
CONTENT: Final = b'{"specversion":"1.0","id":"1","source":"/","type":"echo","data":{"a":1}}'
PACKED: Final = gzip.compress(CONTENT)
LONGEST_PROBLEM: Final = 400
_KEY: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _registry() -> TaskRegistry:
    registry = TaskRegistry()
    registry.bind("Object *", "aws.*", "index")
    registry.bind("ObjectCreated:*", None, "index")
    registry.bind("ObjectCreated:*", None, "audit")
    return registry


READERS: Final = {
    "everything": Foreign(
        QueuePolicy(formats=FORMATS, task="echo", split=True), _registry(), TaskIds()
    ),
    "defaults": Foreign(QueuePolicy(task="echo"), _registry(), TaskIds()),
    "nothing": Foreign(QueuePolicy(formats=()), _registry(), TaskIds()),
}


def read(body: bytes, attributes: Mapping[str, str], key: str | None = None) -> int:
    """Read a message as three differently set queues do; answer how many of them could.

    `AssertionError` where a promise is broken; any other exception is a finding as well.
    """
    delivery = Delivery(
        receipt="r",
        queue="q",
        body=body,
        key=None if key is None else TaskId(key),
        message_id="m-1",
        sent_at=SENT,
        attributes=attributes,
    )
    return sum(_is_read(reader, delivery) for reader in READERS.values())


def _is_read(reader: Foreign, delivery: Delivery) -> bool:
    try:
        document = parse(delivery.body)
        if is_own(document) and not points(document):
            read_event(document)
            return True
        if is_own(document):
            found: Parts | Pointer = reader.read_own(delivery, document)
        else:
            found = reader.read(delivery, document)
        if isinstance(found, Pointer):
            found = reader.fetched(found, CONTENT if found.encoding is None else PACKED)
    except MessageError as error:
        _look_at(error)
        return False
    for part in found:
        assert _KEY.fullmatch(part.key), part.key
        _read_again(part, delivery.queue)
    return True


def _read_again(part: Part, queue: str) -> None:
    """What a row keeps is read again without anything beside it, and is the same task."""
    document = parse(part.body)
    assert isinstance(document, dict)
    if points(cast("dict[str, object]", document)):
        return
    kept = decode(part.body)
    assert kept.key(queue) == part.key
    assert (kept.type, kept.data) == (part.message.type, part.message.data)


def _look_at(error: MessageError) -> None:
    """A refusal has a reason that can be recorded, and a sentence that can be shown."""
    assert error.reason in {"decode", "unknown_task"}, error.reason
    assert 0 < len(error.problem) < LONGEST_PROBLEM, error.problem
    assert error.problem.encode("utf-8", "backslashreplace")
