"""`longshore tail`: the log as it changes, on every backend, by looking again and again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from longshore.cli.command import Command, option
from longshore.cli.filters import Filter
from longshore.cli.kinds import DURATION, NAMES, STATES, moment_before
from longshore.cli.listing import PAGE, pages
from longshore.cli.records import short, summary
from longshore.errors import LongshoreError
from longshore.task import FINAL, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from longshore.cli.invocation import Invocation
    from longshore.identity import TaskId
    from longshore.ports import Ports
    from longshore.settings import Settings
    from longshore.task import Task
    from longshore.task_log import TaskLog, TaskQuery

WATCHED: Final = 2000
"""Tasks that have not ended and are looked at each time; of more, the newest."""
REMEMBERED: Final = 10_000
"""Tasks whose last state is known, so that it is said once."""

_EVERY: Final = "1s"
_SHORTEST: Final = 0.05
_RUNNING: Final = frozenset({TaskState.RUNNING})


@click.command(
    "tail",
    cls=Command,
    examples=(
        "tail",
        "tail --queue emails --grep failed",
        "tail --since 10m --once --json",
        "task:listen --exclude longshore.sample",
    ),
)
@option("--since", metavar="TIME", help="First what was last written since: 10m, 3 days ago.")
@option("--grep", metavar="TEXT", help="Only lines that hold this, in any letter case.")
@option("--exclude", metavar="TEXT", help="No lines that hold this, in any letter case.")
@option("--queue", "--queues", "queues", type=NAMES, multiple=True, help="Only of these queues.")
@option("--task", "-t", "names", type=NAMES, multiple=True, help="Only tasks of these names.")
@option(
    "--state", "--status", "-s", "states", type=STATES, multiple=True, help="Only these states."
)
@option("--wait/--once", default=True, help="Follow (the default), or end when all is said.")
@option("--every", type=DURATION, default=_EVERY, show_default=True, help="How often to look.")
@click.pass_obj
def tail(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    since: str | None,
    grep: str | None,
    exclude: str | None,
    queues: tuple[tuple[str, ...], ...],
    names: tuple[tuple[str, ...], ...],
    states: tuple[frozenset[TaskState], ...],
    wait: bool,
    every: timedelta,
) -> None:
    """Follow tasks as their states change; Ctrl-C ends it.

    The log is looked at once a second (--every). So two changes between two looks are one line,
    and of old tasks that wait only the newest 2,000 are watched, until they run. With --since
    what was written meanwhile is said first; with --once nothing more.
    """
    settings = invocation.load().settings
    among = Filter(queues=queues, names=names)
    shown = Filter(states=states).wanted(frozenset(TaskState))
    view = View(invocation, states=shown, grep=grep, exclude=exclude)

    async def work(ports: Ports) -> None:
        now = ports.clock.now()
        following = Following(ports.task_log, among.query(settings, now))
        start = _moment(settings, since, now) if since is not None or not wait else None
        for task in await following.begin(start):
            view.write(task)
        while wait:
            await ports.clock.sleep(max(every.total_seconds(), _SHORTEST))
            try:
                changed = await following.look()
            except LongshoreError as error:
                invocation.output.note(f"the log does not answer, trying again: {error}")
                continue
            for task in changed:
                view.write(task)

    try:
        invocation.with_ports(work, settings)
    except KeyboardInterrupt:
        return


@dataclass(slots=True)
class View:
    """Which changes are shown, and how."""

    invocation: Invocation
    states: frozenset[TaskState]
    grep: str | None
    exclude: str | None

    def write(self, task: Task) -> None:
        """Show a task as it stands now, if it is wanted."""
        line = _line(task)
        text = line.casefold()
        if task.state not in self.states:
            return
        if self.grep is not None and self.grep.casefold() not in text:
            return
        if self.exclude is not None and self.exclude.casefold() in text:
            return
        output = self.invocation.output
        if output.json:
            output.record(summary(task))
        else:
            output.styled(line, task.state.value)


@dataclass(slots=True)
class Following:
    """What was last seen of the log. Each look answers what has changed, oldest change first.

    Looked at: rows that are new, rows that run, and rows seen before that have not ended.
    """

    log: TaskLog
    query: TaskQuery
    _seen: dict[TaskId, tuple[object, ...]] = field(default_factory=dict[Any, Any])
    _open: dict[TaskId, None] = field(default_factory=dict[Any, None])

    async def begin(self, since: datetime | None) -> list[Task]:
        """Remember how things stand; answer what was written since a moment."""
        newest: list[Task] = []
        written: list[Task] = []
        async for page in pages(self.log, self.query):
            newest += page.tasks[: WATCHED - len(newest)]
            if since is not None:
                written += [task for task in page.tasks if task.updated_at >= since]
            elif len(newest) >= WATCHED:
                break
        self._note(reversed(newest))
        return sorted(written, key=_written)

    async def look(self) -> list[Task]:
        """Read what may have changed, and answer what has."""
        found = await self._fresh()
        async for page in pages(self.log, replace(self.query, states=_RUNNING)):
            found += page.tasks
        watched = list(self._open)
        for start in range(0, len(watched), PAGE):
            rows = await self.log.get(watched[start : start + PAGE])
            found += [row for row in rows if row is not None]
        return sorted(self._note(found), key=_written)

    async def _fresh(self) -> list[Task]:
        """Read rows down to the first that is known; oldest first."""
        fresh: list[Task] = []
        async for page in pages(self.log, self.query):
            for task in page.tasks:
                if task.id in self._seen or len(fresh) >= REMEMBERED:
                    return fresh[::-1]
                fresh.append(task)
        return fresh[::-1]

    def _note(self, tasks: Iterable[Task]) -> list[Task]:
        """Remember tasks as they are; answer those that were not known so."""
        changed: list[Task] = []
        for task in tasks:
            now = (task.state, task.reason, task.attempts, task.token, task.run)
            if self._seen.get(task.id) == now:
                continue
            self._seen.pop(task.id, None)
            self._seen[task.id] = now
            changed.append(task)
            if task.state in FINAL:
                self._open.pop(task.id, None)
            else:
                self._open[task.id] = None
        for forgotten in list(self._seen)[: max(len(self._seen) - REMEMBERED, 0)]:
            del self._seen[forgotten]
        for unwatched in list(self._open)[: max(len(self._open) - WATCHED, 0)]:
            del self._open[unwatched]
        return changed


def _written(task: Task) -> datetime:
    return task.updated_at


def _moment(settings: Settings, since: str | None, now: datetime) -> datetime:
    """The start of what is said first; without one, with `--once`, everything there is."""
    if since is None:
        return datetime.min.replace(tzinfo=UTC)
    return moment_before(since, now=now, zone=ZoneInfo(settings.timezone))


def _line(task: Task) -> str:
    spec = task.spec
    most = "" if spec.max_attempts is None else f"/{spec.max_attempts}"
    parts = [
        f"{short(task.updated_at)} {task.state.value:<9} {spec.name} {task.id} {spec.queue}",
        f"attempt {task.attempts}{most}",
    ]
    if task.error is not None:
        parts.append(f"{task.error.type}: {task.error.message}")
    elif task.reason is not None:
        parts.append(task.reason)
    return ", ".join(parts).replace("\n", " ")
