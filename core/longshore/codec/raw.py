"""What decoders are given, and what they answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.identity import TaskId, task_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from longshore.message import Message

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A body as it came, and what came beside it.

    Names of attributes are in lower case. `id` is the broker's, or that of the envelope which
    the body was in; `source` names the sender of that envelope, and is None without one. `key`
    is the task key that a copy of ours carries.
    """

    body: bytes
    queue: str
    id: str
    source: str | None = None
    key: str | None = None
    sent_at: datetime | None = None
    group: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def task_key(self) -> TaskId:
        """The key of what names no event: that of the message itself (protocol.md §3)."""
        if self.source is not None:
            return task_key("message", self.queue, self.source, self.id)
        if self.key is not None and _UUID.fullmatch(self.key):
            return TaskId(self.key)
        return task_key("message", self.queue, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A message of another producer. Its `type` is whatever that producer calls it, or empty.

    `key` is its task key where source and id do not make it. `is_named` says that the type is
    meant for a task's name, so that no other task may stand in for it. `body` is what came, where
    it can be read again by itself. `used` attempts were made before, by another system.
    """

    message: Message
    key: TaskId | None = None
    is_named: bool = False
    body: bytes | None = None
    used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What a message holds lies elsewhere, at `url`.

    With an `event` it is that event's data alone, compressed as `encoding` says; `is_message` says
    that it is a whole message around the data. Without one it is read in place of `around`.
    """

    url: str
    around: Raw
    event: Event | None = None
    encoding: str | None = None
    is_message: bool = False
    envelopes: int = 0


Events: TypeAlias = "tuple[Event, ...]"
Found: TypeAlias = "Events | Raw | Pointer | None"
"""What a decoder answers: events (none of them: there is nothing to do), what was in an envelope,
where the message lies, or None where the format is another."""
