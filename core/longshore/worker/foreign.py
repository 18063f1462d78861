"""From another producer's message to the tasks it means: their names, keys and bodies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from longshore.codec import encode
from longshore.codec.detect import Detector
from longshore.codec.parse import parse
from longshore.codec.pointing import encode_pointing, read_pointing, with_content
from longshore.codec.raw import Pointer, Raw
from longshore.errors import ArgumentsError, MessageError
from longshore.identity import task_key
from longshore.message import NAME_PATTERN, OWN_SOURCE, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.codec.raw import Event, Events
    from longshore.definition import TaskRegistry
    from longshore.identity import TaskId, TaskIds
    from longshore.policy import QueuePolicy
    from longshore.queue import Delivery

MAX_TASKS: Final = 1000
"""Tasks that one message may mean: a small one must not fill a queue."""


class Part(NamedTuple):
    """One task that a message means. `body` is what its row keeps, and is read without the rest."""

    key: TaskId
    message: Message
    body: bytes


Parts: TypeAlias = "list[Part]"


class Foreign:
    """Reads what other producers send to one queue."""

    def __init__(self, policy: QueuePolicy, registry: TaskRegistry, ids: TaskIds) -> None:
        """`ids` make a key at receipt where nothing else does (protocol.md §14)."""
        self._detector = Detector(policy.formats, split=policy.split)
        self._task = policy.task
        self._retry = policy.retry
        self._registry = registry
        self._ids = ids

    def read(self, delivery: Delivery, document: object) -> Parts | Pointer:
        """Answer the tasks of a message whose parsed body is `document`, or where it lies.

        None at all is an answer: there is nothing to do. Raises `MessageError`.
        """
        found = self._detector.read(self._raw(delivery), document)
        return found if isinstance(found, Pointer) else self._parts(found, delivery.queue)

    def read_own(self, delivery: Delivery, document: dict[str, object]) -> Pointer:
        """Answer where the data of a message of ours lies."""
        return read_pointing(self._raw(delivery), document)

    def fetched(self, pointer: Pointer, content: bytes) -> Parts:
        """Answer the tasks of a message, given what it points at. Raises `MessageError`."""
        queue = pointer.around.queue
        if pointer.event is None:
            events = self._inside(pointer, content)
            # Several are parts of what was fetched, and each keeps its own.
            return self._parts(events, queue, pointer if len(events) == 1 else None)
        message = pointer.event.message
        if not pointer.is_message:
            message = with_content(pointer, message, content)
        else:
            events = self._inside(pointer, content)
            if len(events) != 1:
                problem = "what it points at is no longer one event"
                raise MessageError(problem)
            message = replace(message, data=events[0].message.data)
        return self._parts((replace(pointer.event, message=message),), queue, pointer)

    def _inside(self, pointer: Pointer, content: bytes) -> Events:
        """Read a whole message that was fetched; the one around it counts as an envelope."""
        raw = replace(pointer.around, body=content)
        envelopes = pointer.envelopes + 1
        found = self._detector.read(raw, parse(content), envelopes=envelopes)
        if isinstance(found, Pointer):
            problem = "what it points at points elsewhere"
            raise MessageError(problem)
        return tuple(replace(event, body=None) for event in found)

    def _raw(self, delivery: Delivery) -> Raw:
        key = delivery.key
        if key is None and delivery.message_id is None:
            key = self._ids()
        return Raw(
            body=delivery.body,
            queue=delivery.queue,
            id=delivery.message_id or key or "",
            key=key,
            sent_at=delivery.sent_at,
            group=delivery.group,
            attributes={name.lower(): value for name, value in delivery.attributes.items()},
        )

    def _parts(self, events: Events, queue: str, pointer: Pointer | None = None) -> Parts:
        named = [(event, self._names(event)) for event in events]
        count = sum(len(names) for _, names in named)
        if count > MAX_TASKS:
            problem = f"it means {count:,} tasks and the limit is {MAX_TASKS:,}"
            raise MessageError(problem)
        return [
            _part(self._limited(event, name), name, _key(event, name, names, queue), pointer)
            for event, names in named
            for name in names
        ]

    def _limited(self, event: Event, name: str) -> Event:
        """Count what another system tried among the attempts of the task; one is always left."""
        if not event.used:
            return event
        own = self._registry.get(name).options.retry if name in self._registry else None
        allowed = (own or self._retry).attempts
        if allowed is None:
            return event
        left = max(1, allowed - event.used)
        return replace(event, message=replace(event.message, taskattempts=left))

    def _names(self, event: Event) -> Sequence[str]:
        """The tasks of an event: those bound to it, the one it is named for, or the queue's."""
        name, source = event.message.type, event.message.source
        bound = [] if source == OWN_SOURCE else self._registry.bound_to(name, source)
        if bound:
            is_task = name in self._registry and name not in bound
            return [name, *bound] if is_task else bound
        if self._task is not None and not event.is_named and name not in self._registry:
            return [self._task]
        if NAME_PATTERN.fullmatch(name):
            return [name]
        raise _nameless(name)


def _nameless(kind: str) -> MessageError:
    if kind:
        problem = f"no task is bound to events of the type {kind[:80]!r}; bind one: @app.on(…)"
        return MessageError(problem, reason="unknown_task")
    return MessageError(
        "it names no task, and its queue has none for such messages; set `task` for the queue, "
        "or send the attribute 'task' with it"
    )


def _key(event: Event, name: str, names: Sequence[str], queue: str) -> TaskId:
    """Make the key of one task of an event (protocol.md §3)."""
    if event.key is None:
        message = event.message
        return (message if message.type == name else replace(message, type=name)).key(queue)
    return event.key if len(names) == 1 else task_key("part", event.key, name)


def _part(event: Event, name: str, key: TaskId, pointer: Pointer | None) -> Part:
    """Make a message of our own of an event, unless what came can be read again as it is."""
    message = event.message
    if event.body is not None and name == message.type:
        return Part(key, message, event.body)
    origin = {"originid": message.id, "originsource": message.source, "origintype": message.type}
    own = replace(
        message,
        id=key,
        source=OWN_SOURCE,
        type=name,
        extensions={**message.extensions, **{word: one for word, one in origin.items() if one}},
    )
    try:
        body = encode(own) if pointer is None else encode_pointing(own, pointer)
        return Part(key, own, body)
    except ArgumentsError as error:
        raise MessageError(error.problems) from error
