"""Which tasks are meant: the same options for every command that looks at, or changes, many."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, cast
from zoneinfo import ZoneInfo

from longshore.cli.command import option
from longshore.cli.kinds import NAMES, STATES, moment_before

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from longshore.settings import Settings
    from longshore.task import TaskState
    from longshore.task_log import TaskQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What was asked for on the command line; an empty part does not ask."""

    states: tuple[frozenset[TaskState], ...] = ()
    queues: tuple[tuple[str, ...], ...] = ()
    names: tuple[tuple[str, ...], ...] = ()
    ids: tuple[tuple[str, ...], ...] = ()
    tags: tuple[tuple[str, ...], ...] = ()
    category: str | None = None
    tenant: str | None = None
    owner: str | None = None
    parent: str | None = None
    error: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    deleted: bool = False
    archived: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether every task is meant."""
        return self == Filter()

    def wanted(self, default: frozenset[TaskState]) -> frozenset[TaskState]:
        """The states asked for, or `default`."""
        return frozenset[Any]().union(*self.states) if self.states else default

    def query(
        self, settings: Settings, now: datetime, default: frozenset[TaskState] | None = None
    ) -> TaskQuery:
        """The filter as the log knows it; `ScheduleError` for a time that cannot be read."""
        from longshore.identity import TaskId  # noqa: PLC0415 - loaded by commands that run
        from longshore.task import ALL  # noqa: PLC0415 - loaded by commands that run
        from longshore.task_log import TaskQuery  # noqa: PLC0415 - loaded by commands that run

        zone = ZoneInfo(settings.timezone)

        def moment(text: str | None) -> datetime | None:
            return None if text is None else moment_before(text, now=now, zone=zone)

        return TaskQuery(
            states=self.wanted(ALL if default is None else default),
            ids=tuple(TaskId(each) for each in flat(self.ids)),
            names=flat(self.names),
            queues=flat(self.queues),
            tags=flat(self.tags),
            category=self.category,
            tenant=self.tenant,
            owner=self.owner,
            parent_id=None if self.parent is None else TaskId(self.parent),
            error=self.error,
            reason=self.reason,
            created_after=moment(self.since),
            created_before=moment(self.until),
            include_deleted=self.deleted,
            include_archived=self.archived,
        )

    def described(self) -> dict[str, object]:
        """The parts that ask for something, as JSON."""
        said: dict[str, object] = {}
        for each in fields(self):
            value: object = getattr(self, each.name)
            if each.name == "states" and value:
                said["states"] = sorted(state.value for state in self.wanted(frozenset()))
            elif isinstance(value, tuple) and value:
                said[each.name] = list(flat(cast("tuple[tuple[str, ...], ...]", value)))
            elif value:
                said[each.name] = value
        return said


_MANY: Final[dict[str, Any]] = {"multiple": True}
_OPTIONS: Final = (
    option(
        "--state",
        "--status",
        "-s",
        "states",
        type=STATES,
        **_MANY,
        help="Only tasks in these states; groups such as open, final, pending work too.",
    ),
    option("--queue", "--queues", "queues", type=NAMES, **_MANY, help="Only of these queues."),
    option("--task", "-t", "names", type=NAMES, **_MANY, help="Only tasks of these names."),
    option("--id", "-i", "ids", type=NAMES, **_MANY, help="Only tasks with these ids."),
    option("--tag", "tags", type=NAMES, **_MANY, help="Only with this tag; repeated: with all."),
    option("--category", help="Only of this category."),
    option("--tenant", help="Only of this tenant."),
    option("--owner", help="Only of this owner."),
    option("--parent", metavar="ID", help="Only children of this task."),
    option("--error", metavar="TEXT", help="Only where the error's type or text holds this."),
    option("--reason", help="Only with this reason: error, timeout, poison and others."),
    option("--since", metavar="TIME", help="Only created since: 2h, 3 days, 2026-11-22T10:00."),
    option("--until", metavar="TIME", help="Only created before; written as --since."),
    option("--deleted", is_flag=True, help="Hidden tasks too."),
    option("--archived", is_flag=True, help="Archived tasks too."),
)


def gathered(kind: type[Any], options: Sequence[Any]) -> Callable[..., Any]:
    """Add options to a command, and give it the dataclass of their values named `chosen`."""
    names = [each.name for each in fields(kind)]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_filter(*args: object, **given: Any) -> object:  # noqa: ANN401 - as click calls it
            parts = {name: given.pop(name) for name in names}
            return command(*args, chosen=kind(**parts), **given)

        decorated: Callable[..., Any] = with_filter
        for add in reversed(options):
            decorated = add(decorated)
        return decorated

    return decorate


def flat(groups: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The names of an option that was repeated, each once."""
    return tuple(dict.fromkeys(name for group in groups for name in group))


filtered = gathered(Filter, _OPTIONS)
"""Add the filter's options to a command, and give it a `Filter` named `chosen`."""
