"""The task message: a CloudEvents 1.0 event (see docs/wire-format.md). A frozen value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from longshore.errors import MessageError
from longshore.identity import TaskId, task_key
from longshore.quick import quick

if TYPE_CHECKING:
    from datetime import datetime

OWN_SOURCE: Final = "urn:longshore"
"""The source of messages made by Longshore itself: their `id` is the task key."""

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_.:@/-]{1,200}")
MAX_TEXT: Final = 128
_BOTH: Final = frozenset({"args", "kwargs"})
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

JsonValue = Mapping[str, "JsonValue"] | Sequence["JsonValue"] | str | int | float | bool | None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a producer says of a task. Attribute names are those of the wire.

    `data` is the arguments: a mapping of keyword arguments, a list of positional ones, or
    `{"args": […], "kwargs": {…}}` where both are needed. `extensions` are attributes that
    Longshore does not know; they are carried and written back.
    """

    id: str
    type: str
    source: str = OWN_SOURCE
    data: JsonValue = None
    time: datetime | None = None
    subject: str | None = None
    dataschema: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    taskkey: str | None = None
    notbefore: datetime | None = None
    expirytime: datetime | None = None
    taskpriority: int | None = None
    taskattempts: int | None = None
    tasktimeout: int | None = None
    partitionkey: str | None = None
    tasktags: tuple[str, ...] = ()
    correlationid: str | None = None
    causationid: str | None = None
    extensions: Mapping[str, str | int | bool] = field(default_factory=dict[str, str | int | bool])

    def key(self, queue: str) -> TaskId:
        """The key of the task's row (protocol.md §3).

        Our own messages carry it as their id. Another producer's is hashed with the queue and
        the handler, because one event may reach two queues by design.
        """
        if self.source == OWN_SOURCE and _UUID.fullmatch(self.id):
            return TaskId(self.id)
        if self.taskkey is not None:
            return task_key("taskkey", queue, self.type, self.taskkey)
        return task_key("event", queue, self.type, self.source, self.id)

    def arguments(self) -> tuple[list[object], dict[str, object]]:
        """Split `data` into positional and keyword arguments."""
        data = self.data
        if data is None:
            return [], {}
        # Asked by its type first: an abstract class takes long to say what is one of it.
        if type(data) is dict or isinstance(data, Mapping):
            return _from_mapping(cast("Mapping[str, object]", data))
        if _is_array(data):
            return list(cast("Sequence[object]", data)), {}
        message = "data is neither an object (keyword arguments) nor an array (positional ones)"
        raise MessageError(message, reason="arguments")


def pack_arguments(args: Sequence[object], kwargs: Mapping[str, object]) -> JsonValue:
    """Write arguments as `data`; the inverse of `Message.arguments`."""
    if not args and not _is_both(kwargs):
        return cast("JsonValue", dict(kwargs))
    if not kwargs:
        return cast("JsonValue", list(args))
    return cast("JsonValue", {"args": list(args), "kwargs": dict(kwargs)})


def _from_mapping(data: Mapping[str, object]) -> tuple[list[object], dict[str, object]]:
    if _is_both(data):
        args, kwargs = data["args"], data["kwargs"]
        if _is_array(args) and isinstance(kwargs, Mapping):
            return list(cast("Sequence[object]", args)), dict(cast("Mapping[str, object]", kwargs))
    return [], dict(data)


def _is_both(table: Mapping[str, object]) -> bool:
    return len(table) == len(_BOTH) and _BOTH.issuperset(table)


def _is_array(data: object) -> bool:
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes))
