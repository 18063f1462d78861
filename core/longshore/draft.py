"""From a call to a record: what a task will be, decided before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.codec import encode_event, event_of
from longshore.errors import ConfigurationError
from longshore.identity import TaskId, task_key
from longshore.message import OWN_SOURCE, Message
from longshore.priority import parse_priority
from longshore.protocol import Record
from longshore.task import TaskSpec, TaskState
from longshore.when import parse_duration, parse_when

if TYPE_CHECKING:
    from datetime import tzinfo

    from longshore.definition import TaskDefinition
    from longshore.identity import TaskIds
    from longshore.message import JsonValue
    from longshore.policy import Policy
    from longshore.when import Duration, When

_MAX_QUEUE_NAME = 80
_MOST_ATTEMPTS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueOptions:
    """What a caller may say of one task; None leaves it to the definition, then the queue.

    `delay` and `schedule` are two words for when to start (see `longshore.when`). `timeout` is
    per attempt, `attempts` counts all tries, `expires` is when it may no longer start. `key`
    makes a second enqueue under the same queue, task and key answer the first one's task.
    """

    queue: str | None = None
    delay: When | None = None
    schedule: When | None = None
    priority: int | str | None = None
    key: str | None = None
    attempts: int | None = None
    timeout: Duration | None = None
    expires: When | None = None
    tags: tuple[str, ...] = ()
    category: str | None = None
    tenant: str | None = None
    owner: str | None = None
    label: str | None = None
    parent: str | None = None
    delete_on_complete: bool | None = None


NO_OPTIONS = EnqueueOptions()


@dataclass(frozen=True, slots=True)
class Draft:
    """A task that has not been sent: its definition, its checked arguments and its options."""

    definition: TaskDefinition
    data: JsonValue
    options: EnqueueOptions = NO_OPTIONS


class Template:
    """What drafts of one definition and one set of options share, worked out once per batch."""

    def __init__(
        self,
        definition: TaskDefinition,
        options: EnqueueOptions,
        *,
        policy: Policy,
        now: datetime,
        zone: tzinfo,
    ) -> None:
        """Resolve the options; `ConfigurationError` or `ScheduleError` for a bad one."""
        own = definition.options
        self._name = definition.name
        self._queue = _queue_name(options.queue or own.queue or policy.route(definition.name))
        queue = policy.of(self._queue)
        self._options = options
        self._now = now
        given = options.priority if options.priority is not None else own.priority
        self._priority = queue.priority if given is None else parse_priority(given)
        self._due_at = _due(options, own.delay, now, zone)
        self._expires_at = _expires(options, own.expires or queue.expires, now, zone)
        retry = own.retry or queue.retry
        self._attempts = _attempts(options.attempts, retry.attempts)
        self._tags = tuple(dict.fromkeys((*queue.tags, *own.tags, *options.tags)))
        self._category = options.category or own.category
        self._delete = (
            options.delete_on_complete
            if options.delete_on_complete is not None
            else own.delete_on_complete or queue.delete_on_complete
        )
        self._event = event_of(self._message())

    def record(self, data: JsonValue, ids: TaskIds) -> Record:
        """Make the row of one task; its body is encoded here."""
        options = self._options
        key = options.key
        task_id = ids() if key is None else task_key("key", self._queue, self._name, key)
        spec = TaskSpec(
            id=task_id,
            name=self._name,
            queue=self._queue,
            body=encode_event(self._event, task_id, data),
            created_at=self._now,
            priority=self._priority,
            max_attempts=self._attempts,
            expires_at=self._expires_at,
            tags=self._tags,
            category=self._category,
            tenant=options.tenant,
            owner=options.owner,
            label=options.label,
            parent_id=None if options.parent is None else TaskId(options.parent),
            key=key,
            delete_on_complete=self._delete,
        )
        later = self._due_at > self._now
        state = TaskState.SCHEDULED if later else TaskState.QUEUED
        return Record(spec=spec, state=state, due_at=self._due_at)

    def _message(self) -> Message:
        """The message without its id and data; only what differs from the defaults travels."""
        options = self._options
        timeout = options.timeout
        extras = {
            "taskcategory": self._category,
            "taskowner": options.owner,
            "tasklabel": options.label,
            "taskdelete": True if self._delete else None,
        }
        return Message(
            id="",
            source=OWN_SOURCE,
            type=self._name,
            time=self._now,
            taskkey=options.key,
            notbefore=self._due_at if self._due_at > self._now else None,
            expirytime=self._expires_at,
            taskpriority=self._priority,
            taskattempts=options.attempts,
            tasktimeout=None if timeout is None else _seconds(parse_duration(timeout)),
            partitionkey=options.tenant,
            tasktags=self._tags,
            causationid=options.parent,
            extensions={name: value for name, value in extras.items() if value is not None},
        )


def _queue_name(name: str) -> str:
    if not 0 < len(name) <= _MAX_QUEUE_NAME or not name.replace("-", "_").isidentifier():
        plain = name.replace("-", "").replace("_", "").replace(".", "")
        if not (0 < len(name) <= _MAX_QUEUE_NAME and plain.isalnum() and plain.isascii()):
            message = f"{name!r} is not a queue name; use letters, digits, - _ . (at most 80)"
            raise ConfigurationError(message)
    return name


def _due(options: EnqueueOptions, own: timedelta | None, now: datetime, zone: tzinfo) -> datetime:
    if options.delay is not None and options.schedule is not None:
        message = "delay and schedule were both given; they say the same thing, give one"
        raise ConfigurationError(message)
    wanted = options.schedule if options.delay is None else _span(options.delay)
    due = parse_when(own if wanted is None else wanted, now=now, zone=zone)
    return now if due is None else due


def _expires(
    options: EnqueueOptions, own: timedelta | None, now: datetime, zone: tzinfo
) -> datetime | None:
    given = None if options.expires is None else _span(options.expires)
    return parse_when(own if given is None else given, now=now, zone=zone)


def _span(value: When) -> When:
    """Read a bare number of a delay as seconds from now: as an epoch it would be long past."""
    bare = isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdigit())
    return parse_duration(value) if bare and not isinstance(value, datetime) else value


def _attempts(given: int | None, own: int | None) -> int | None:
    if given is None:
        return own
    if isinstance(given, bool) or not 1 <= given <= _MOST_ATTEMPTS:
        message = (
            f"attempts={given!r}; give the number of tries, 1 (no retry) to {_MOST_ATTEMPTS:,}"
        )
        raise ConfigurationError(message)
    return given


def _seconds(duration: timedelta) -> int:
    """Round up: the wire holds whole seconds, and a timeout is not to come early."""
    return max(1, -(-duration // timedelta(seconds=1)))
