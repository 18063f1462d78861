"""`longshore show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.records import attempt, loaded, short, span, stored_lines, whole
from longshore.errors import TaskNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from longshore.cli.invocation import Invocation
    from longshore.cli.output import Output
    from longshore.ports import Ports
    from longshore.report import Report
    from longshore.task import Attempt, Task, TaskError


@click.command(
    "show",
    cls=Command,
    examples=(
        "show 0193a7b2-5c1e-7d3f-8a4b-1f2e3d4c5b6a",
        "show --id 0193a7b2-5c1e-7d3f-8a4b-1f2e3d4c5b6a --json | jq .attempts",
        "task:info -i=0193a7b2-5c1e-7d3f-8a4b-1f2e3d4c5b6a",
    ),
)
@click.argument("task_id", metavar="[ID]", required=False)
@option("--id", "-i", "named", metavar="ID", help="The task, in place of the argument.")
@click.pass_obj
def show(invocation: Invocation, *, task_id: str | None, named: str | None) -> None:
    """Show everything that is known of a task.

    Its row with arguments, result, report and error, the lease it runs under and what will wake
    it, and every attempt that has ended with the lines it wrote.
    """
    wanted = one_id(task_id, named)

    async def work(ports: Ports) -> tuple[Task, list[Attempt]]:
        from longshore.identity import TaskId  # noqa: PLC0415 - loaded by commands that run

        (task,) = await ports.task_log.get([TaskId(wanted)])
        if task is None:
            raise TaskNotFoundError(wanted)
        return task, await ports.task_log.attempts(task.id)

    task, attempts = invocation.with_ports(work)
    if invocation.output.json:
        invocation.output.document({**whole(task), "tried": [attempt(one) for one in attempts]})
    else:
        _write(invocation.output, task, attempts)


def one_id(positional: str | None, named: str | None) -> str:
    """The one id that was given, either way; a usage error otherwise."""
    if positional is not None and named is not None and positional != named:
        message = f"two ids were given, {positional} and {named}; this command takes one"
        raise click.UsageError(message)
    wanted = positional or named
    if not wanted:
        message = "no id was given; see: longshore list"
        raise click.UsageError(message)
    return wanted


def _write(output: Output, task: Task, attempts: Sequence[Attempt]) -> None:
    output.heading(f"{task.spec.name} {task.id}")
    output.table(("", ""), [(name, value) for name, value in _facts(task) if value], head=False)
    _part(output, "Arguments", stored_lines(whole(task)["arguments"]))
    if task.result is not None:
        _part(output, "Result", stored_lines(loaded(task.result)))
    if task.report is not None:
        _part(output, "Report", list(report_lines(task.report)))
    if task.error is not None:
        _part(output, "Error", list(_error_lines(task.error)))
    for one in attempts:
        _part(output, _attempt_heading(one), list(_attempt_lines(one)))


def _part(output: Output, heading: str, lines: Sequence[str]) -> None:
    output.line()
    output.heading(heading)
    for line in lines:
        output.line(line)


def _facts(task: Task) -> Iterator[tuple[str, str]]:
    spec = task.spec
    most = "" if spec.max_attempts is None else f" of {spec.max_attempts}"
    yield "state", task.state.value
    yield "reason", task.reason or ""
    yield "queue", spec.queue
    yield "priority", str(spec.priority)
    yield "attempts", f"{task.attempts}{most}" + (f", run {task.run + 1}" if task.run else "")
    yield "rescues", str(task.rescues or "")
    yield "created", short(spec.created_at)
    yield "due", short(task.due_at)
    yield "expires", _maybe(task.expires_at)
    yield "started", _maybe(task.started_at)
    yield "finished", _maybe(task.finished_at)
    yield "took", "" if task.duration is None else span(task.duration)
    yield "updated", short(task.updated_at)
    yield "tags", ", ".join(spec.tags)
    yield "category", spec.category or ""
    yield "tenant", spec.tenant or ""
    yield "owner", spec.owner or ""
    yield "label", spec.label or ""
    yield "parent", spec.parent_id or ""
    yield "key", spec.key or ""
    yield "progress", _progress(task)
    yield "worker", task.worker or ""
    yield "lease until", _maybe(task.lease_until)
    yield "token", str(task.token or "")
    yield "wakes at", _wakes(task)
    yield "cancel asked", _maybe(task.cancel_requested_at)
    yield "archived", _maybe(task.archived_at)
    yield "hidden", _maybe(task.deleted_at)


def _maybe(at: datetime | None) -> str:
    return "" if at is None else short(at)


def _progress(task: Task) -> str:
    share = "" if task.progress is None else f"{task.progress:.0%}"
    return f"{share} {task.progress_note or ''}".strip()


def _wakes(task: Task) -> str:
    if task.wake_at is None:
        return ""
    return f"{short(task.wake_at)} (number {task.wake_no})"


def report_lines(kept: bytes) -> Iterator[str]:
    """A report as an indented tree."""
    from longshore.report import Report  # noqa: PLC0415 - only where there is a report

    stack: list[tuple[Report, int]] = [(Report.from_dict(loaded(kept)), 1)]
    while stack:
        note, depth = stack.pop()
        data = "".join(f" {name}={value!r}" for name, value in note.data.items())
        yield f"{'  ' * depth}{note.kind.value}: {note.message}{data}"
        stack.extend((child, depth + 1) for child in reversed(note.children))


def _error_lines(error: TaskError) -> Iterator[str]:
    yield f"  {error.type}: {error.message}"
    for line in error.traceback.splitlines():
        yield f"  {line}"


def _attempt_heading(one: Attempt) -> str:
    run = f" of run {one.run + 1}" if one.run else ""
    return f"Attempt {one.number}{run}: {one.outcome} after {span(one.duration)}"


def _attempt_lines(one: Attempt) -> Iterator[str]:
    yield f"  {short(one.started_at)} on {one.worker or 'an unknown worker'}"
    if one.error is not None:
        yield f"  {one.error.type}: {one.error.message}"
    for line in one.lines:
        yield f"  {line.at:%H:%M:%S} {line.level}: {line.text}"
