"""Notifications of S3: records of what happened to objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote_plus

from longshore.codec.attributes import moment_of
from longshore.codec.raw import Event
from longshore.errors import MessageError
from longshore.identity import task_key
from longshore.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from longshore.codec.raw import Found, Raw
    from longshore.identity import TaskId
    from longshore.message import JsonValue

SOURCE: Final = "aws:s3"
_TEST: Final = "s3:TestEvent"
_LONGEST_NAME: Final = 200

Record = dict[str, object]


def read_s3(raw: Raw, document: object) -> Found:
    """Read a notification as one event of all its records, `{"records": […]}`.

    Records of different kinds are different events. The test that S3 sends when a notification
    is set up is no event at all.
    """
    return _events(raw, document, split=False)


def read_s3_records(raw: Raw, document: object) -> Found:
    """Read a notification as an event for each of its records, in the same shape."""
    return _events(raw, document, split=True)


def _events(raw: Raw, document: object, *, split: bool) -> Found:
    if not isinstance(document, dict):
        return None
    notification = cast("dict[str, object]", document)
    if notification.get("Event") == _TEST and notification.get("Service") == "Amazon S3":
        return ()
    records = _records(notification.get("Records"))
    if records is None:
        return None
    groups = [[one] for one in records] if split else _by_kind(records)
    parent = raw.task_key
    if len(groups) == 1:
        return (_event(raw, groups[0], parent),)
    keys = (task_key("part", parent, str(number)) for number in range(len(groups)))
    return tuple(_event(raw, group, key) for group, key in zip(groups, keys, strict=True))


def _records(value: object) -> list[Record] | None:
    if not isinstance(value, list) or not value:
        return None
    records = cast("list[object]", value)
    ours = [_is_of_s3(one) for one in records]
    if not any(ours):
        return None
    if not all(ours):
        problem = "some of its records are of S3 and some are not"
        raise MessageError(problem)
    return cast("list[Record]", records)


def _is_of_s3(value: object) -> bool:
    return isinstance(value, dict) and cast("Record", value).get("eventSource") == SOURCE


def _by_kind(records: Iterable[Record]) -> Sequence[list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_kind(record), []).append(record)
    return list(groups.values())


def _kind(record: Record) -> str:
    name = record.get("eventName")
    if isinstance(name, str) and len(name) <= _LONGEST_NAME:
        return name
    problem = "a record of S3 has no eventName"
    raise MessageError(problem)


def _event(raw: Raw, records: list[Record], key: TaskId) -> Event:
    message = Message(
        id=raw.id,
        source=SOURCE,
        type=_kind(records[0]),
        data=cast("JsonValue", {"records": [_decoded(record) for record in records]}),
        time=_time(records[0]) or raw.sent_at,
        partitionkey=raw.group,
    )
    return Event(message=message, key=key)


def _time(record: Record) -> datetime | None:
    value = record.get("eventTime")
    return moment_of(value) if isinstance(value, str) else None


def _decoded(record: Record) -> Record:
    """Write the object's key as it is: S3 sends it percent-encoded, with + for a space."""
    s3 = record.get("s3")
    found = cast("Record", s3).get("object") if isinstance(s3, dict) else None
    key = cast("Record", found).get("key") if isinstance(found, dict) else None
    if not isinstance(key, str):
        return record
    plain = {**cast("Record", found), "key": unquote_plus(key)}
    return {**record, "s3": {**cast("Record", s3), "object": plain}}
