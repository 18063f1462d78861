"""`longshore workers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.records import moment, seconds, short, span
from longshore.control import Registry, health_of
from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.cli.invocation import Invocation
    from longshore.control import Running, WorkerEntry
    from longshore.ports import Ports
    from longshore.store import Store

_COLUMNS: Final = (
    "Worker",
    "Health",
    "State",
    "Queues",
    "Running",
    "Done",
    "Failed",
    "Last beat",
    "Started",
    "Version",
)


@click.command(
    "workers",
    cls=Command,
    examples=(
        "workers",
        "workers --tasks",
        "workers --json | jq '.workers[] | select(.health != \"ok\")'",
    ),
)
@option("--tasks", "with_tasks", is_flag=True, help="The tasks as well that each is running.")
@click.pass_obj
def workers(invocation: Invocation, *, with_tasks: bool) -> None:
    """Show every worker, what it does, and when it was last heard of.

    A worker writes into the store each 5 seconds, or each third of a shorter lease. It is ok
    while it does, late after two beats without a word, gone after four, and left out after six.
    A worker that ends in good order takes its entry away.
    """

    async def work(ports: Ports) -> tuple[list[WorkerEntry], datetime]:
        return await Registry(store_of(ports)).workers(), ports.clock.now()

    found, now = invocation.with_ports(work)
    if invocation.output.json:
        invocation.output.document({"workers": [_json(entry, now) for entry in found]})
        return
    invocation.output.table(_COLUMNS, [_row(entry, now) for entry in found])
    if not found:
        invocation.output.note("no worker has been heard of; start one: longshore work")
    if with_tasks:
        _show_tasks(invocation, found, now)


def store_of(ports: Ports) -> Store:
    """The store; `ConfigurationError` where there is none."""
    if ports.store is None:
        message = "workers are known and told through a store; set LONGSHORE_STORE_URL to one"
        raise ConfigurationError(message)
    return ports.store


def _show_tasks(invocation: Invocation, found: list[WorkerEntry], now: datetime) -> None:
    rows = [
        (entry.id, task.id, task.task, task.queue, _lasts(task, now))
        for entry in found
        for task in entry.tasks
    ]
    invocation.output.line()
    invocation.output.table(("Worker", "Id", "Task", "Queue", "For"), rows)


def _lasts(task: Running, now: datetime) -> str:
    return "-" if task.since is None else span(max(now - task.since, now - now))


def _row(entry: WorkerEntry, now: datetime) -> tuple[str, ...]:
    paused = {name: f"{name} (paused)" for name in entry.paused_queues}
    return (
        entry.id,
        health_of(entry, now).value,
        entry.state,
        ", ".join(paused.get(name, name) for name in entry.queues),
        f"{entry.running}/{entry.concurrency}",
        str(entry.done),
        str(entry.failed),
        f"{span(max(now - entry.beat_at, now - now))} ago",
        short(entry.started_at),
        entry.version,
    )


def _json(entry: WorkerEntry, now: datetime) -> dict[str, object]:
    return {
        "id": entry.id,
        "name": entry.name,
        "host": entry.host,
        "pid": entry.pid,
        "version": entry.version,
        "health": health_of(entry, now).value,
        "state": entry.state,
        "queues": list(entry.queues),
        "paused_queues": list(entry.paused_queues),
        "concurrency": entry.concurrency,
        "running": entry.running,
        "held": entry.held,
        "done": entry.done,
        "failed": entry.failed,
        "tasks": [
            {"id": task.id, "task": task.task, "queue": task.queue, "since": moment(task.since)}
            for task in entry.tasks
        ],
        "started_at": moment(entry.started_at),
        "beat_at": moment(entry.beat_at),
        "silent": seconds(now - entry.beat_at),
        "every": entry.every,
    }
