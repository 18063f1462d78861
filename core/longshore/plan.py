"""From a draft to a record: what a task will be, decided before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.codec.cloudevents import encode_behind, event_of, format_time, head_of
from longshore.errors import ConfigurationError
from longshore.identity import TaskId, task_key
from longshore.message import MAX_TEXT, OWN_SOURCE, Message
from longshore.priority import NORMAL, parse_priority
from longshore.protocol import Record
from longshore.quick import quick
from longshore.task import TaskSpec, TaskState
from longshore.when import format_duration, parse_duration, parse_when

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from longshore.definition import TaskDefinition
    from longshore.draft import EnqueueOptions
    from longshore.identity import TaskIds
    from longshore.message import JsonValue
    from longshore.policy import Policy
    from longshore.when import When

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_BARE_NUMBER = re.compile(r"\s*+[0-9]++(?:\.[0-9]++)?+\s*+")
_MOST_ATTEMPTS = 1_000_000
_LONGEST_TIMEOUT = timedelta(days=365)


@quick
@dataclass(frozen=True, slots=True)
class Moment:
    """What a plan comes to at one time: the part that drafts sent together share."""

    now: datetime
    due_at: datetime
    expires_at: datetime | None
    head: bytes
    state: TaskState


class Plan:
    """What all drafts of one definition and one set of options share, whenever they are sent."""

    def __init__(
        self,
        definition: TaskDefinition,
        options: EnqueueOptions,
        *,
        policy: Policy,
        zone: tzinfo,
    ) -> None:
        """Resolve the options; `ConfigurationError` or `ScheduleError` for a bad one."""
        own = definition.options
        self.definition = definition
        self.options = options
        self._zone = zone
        self._name = definition.name
        self._queue = queue_name(options.queue or own.queue or policy.route(definition.name))
        queue = policy.of(self._queue)
        given = options.priority if options.priority is not None else own.priority
        self._priority = queue.priority if given is None else parse_priority(given)
        self._delay = own.delay
        self._expires = own.expires or queue.expires
        retry = own.retry or queue.retry
        self._attempts = _attempts(options.attempts, retry.attempts)
        self._tags = tag_list((*queue.tags, *own.tags, *tag_list(options.tags)))
        self._category = options.category or own.category
        self._delete = (
            options.delete_on_complete
            if options.delete_on_complete is not None
            else own.delete_on_complete or queue.delete_on_complete
        )
        self._parent = None if options.parent is None else TaskId(options.parent)
        self._event = event_of(self._message())
        del self._event["id"]
        self._head = head_of(self._event) + b',"time":"'
        self._at_once = (
            self._delay is None
            and self._expires is None
            and options.delay is None
            and options.schedule is None
            and options.expires is None
        )

    def at(self, now: datetime) -> Moment:
        """Work out the times of tasks sent now."""
        if self._at_once:
            head = self._head + format_time(now).encode() + b'","id":"'
            return Moment(now, now, None, head, TaskState.QUEUED)
        due_at = _due(self.options, self._delay, now, self._zone)
        expires_at = _expires(self.options, self._expires, now, self._zone)
        event = {**self._event, "time": format_time(now)}
        if due_at > now:
            event["notbefore"] = format_time(due_at)
        if expires_at is not None:
            event["expirytime"] = format_time(expires_at)
        state = TaskState.SCHEDULED if due_at > now else TaskState.QUEUED
        return Moment(now, due_at, expires_at, head_of(event) + b',"id":"', state)

    def record(self, data: JsonValue, ids: TaskIds, moment: Moment) -> Record:
        """Make the row of one task; its body is encoded here."""
        options = self.options
        key = options.key
        task_id = ids() if key is None else task_key("key", self._queue, self._name, key)
        spec = TaskSpec(
            id=task_id,
            name=self._name,
            queue=self._queue,
            body=encode_behind(moment.head, task_id, data, self._name),
            created_at=moment.now,
            priority=self._priority,
            max_attempts=self._attempts,
            expires_at=moment.expires_at,
            tags=self._tags,
            category=self._category,
            tenant=options.tenant,
            owner=options.owner,
            label=options.label,
            parent_id=self._parent,
            key=key,
            delete_on_complete=self._delete,
        )
        return Record(spec=spec, state=moment.state, due_at=moment.due_at)

    def _message(self) -> Message:
        """The message without id, data and times; only what differs from the defaults travels."""
        options = self.options
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
            taskkey=_bounded("key", options.key),
            taskpriority=None if self._priority == NORMAL else self._priority,
            taskattempts=options.attempts,
            tasktimeout=None if timeout is None else _seconds(parse_duration(timeout)),
            partitionkey=_bounded("tenant", options.tenant),
            tasktags=self._tags,
            causationid=options.parent,
            extensions={name: value for name, value in extras.items() if value is not None},
        )


def queue_name(name: str) -> str:
    """Check a queue's name; `ConfigurationError` for one that not every broker would take."""
    if _QUEUE_NAME.fullmatch(name) is None:
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
    if isinstance(value, str):
        return parse_duration(value) if _BARE_NUMBER.fullmatch(value) else value
    return parse_duration(value) if isinstance(value, int | float) else value


def _attempts(given: int | None, own: int | None) -> int | None:
    if given is None:
        return own
    if type(given) is not int or not 1 <= given <= _MOST_ATTEMPTS:
        message = (
            f"attempts={given!r}; give the number of tries, 1 (no retry) to {_MOST_ATTEMPTS:,}"
        )
        raise ConfigurationError(message)
    return given


def _seconds(duration: timedelta) -> int:
    """Round up: the wire holds whole seconds, and a timeout is not to come early."""
    if not timedelta(0) < duration <= _LONGEST_TIMEOUT:
        message = f"timeout of {format_duration(duration)}; give more than none, at most 365 days"
        raise ConfigurationError(message)
    return -(-duration // timedelta(seconds=1))


def tag_list(tags: Sequence[str]) -> tuple[str, ...]:
    """Check tags, each once; `ConfigurationError` for what would not survive the wire."""
    if isinstance(tags, str):
        message = f"tags={tags!r} is one text; give a list: [{tags!r}]"
        raise ConfigurationError(message)
    for tag in tags:
        if not tag or "," in tag or tag != tag.strip():
            message = f"{tag!r} is not a tag; give text without commas or outer spaces"
            raise ConfigurationError(message)
    return tuple(dict.fromkeys(tags))


def _bounded(name: str, text: str | None) -> str | None:
    """Refuse here what the consumer's reader would refuse."""
    if text is not None and not 0 < len(text) <= MAX_TEXT:
        message = f"{name} has {len(text)} characters; give 1 to {MAX_TEXT}"
        raise ConfigurationError(message)
    return text
