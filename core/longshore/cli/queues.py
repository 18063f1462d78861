"""`longshore queues`, `longshore queues pause` and `longshore queues resume`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from longshore.cli.command import Command
from longshore.cli.exit import ExitCode
from longshore.cli.kinds import NAMES
from longshore.cli.records import depth, moment, short
from longshore.cli.stats import in_words
from longshore.cli.workers import store_of
from longshore.control import Health, Orders, Registry, health_of
from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.queue import Depth
    from longshore.settings import Settings

_COLUMNS: Final = ("Queue", "State", "Workers", "Waiting")


@click.command(
    "queues",
    cls=Command,
    examples=("queues", "queues pause emails", "queues resume emails reports", "queues --json"),
)
@click.argument("action", type=click.Choice(("list", "pause", "resume")), default="list")
@click.argument("named", metavar="[NAME]...", nargs=-1, type=NAMES)
@click.pass_obj
def queues(invocation: Invocation, *, action: str, named: tuple[tuple[str, ...], ...]) -> ExitCode:
    """Show every queue; pause queues, or let workers take from them again.

    Workers hear of a pause with their next beat, within 5 seconds: they take nothing more from
    the queue and give back what has not begun, without an attempt. What runs goes on. Messages
    stay, and age. A queue is paused for all its workers, also those that start later, until it
    is resumed.
    """
    names = tuple(dict.fromkeys(name for group in named for name in group))
    if action == "list":
        settings = invocation.load().settings
        found = invocation.with_ports(lambda ports: _look(ports, settings, names), settings)
        _show(invocation, found)
        return ExitCode.OK
    if not names:
        message = f"say which: longshore queues {action} NAME..."
        raise click.UsageError(message)

    async def change(ports: Ports) -> list[bool]:
        orders = Orders(store_of(ports), ports.clock)
        return await (orders.pause_queues if action == "pause" else orders.resume_queues)(names)

    changed = invocation.with_ports(change)
    _say(invocation, action, dict(zip(names, changed, strict=True)))
    return ExitCode.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A queue as it is: paused since when, who serves it, and what waits, or why nobody knows."""

    name: str
    paused: bool
    since: datetime | None
    workers: int
    waiting: Depth | str


async def _look(ports: Ports, settings: Settings, names: Sequence[str]) -> list[Seen]:
    store, now = store_of(ports), ports.clock.now()
    paused = await Orders(store, ports.clock).paused_queues()
    workers = [
        entry
        for entry in await Registry(store).workers()
        if health_of(entry, now) is not Health.GONE
    ]
    served = [name for entry in workers for name in entry.queues]
    logged = [one.queue for one in await ports.task_log.stats()]
    every = {settings.queue, *settings.queues, *paused, *served, *logged}
    return [
        Seen(
            name=name,
            paused=name in paused,
            since=paused.get(name),
            workers=served.count(name),
            waiting=await _depth(ports, name),
        )
        for name in names or sorted(every)
    ]


async def _depth(ports: Ports, name: str) -> Depth | str:
    try:
        return await ports.queue(name).depth()
    except LongshoreError as error:
        return str(error)


def _show(invocation: Invocation, found: Sequence[Seen]) -> None:
    if invocation.output.json:
        invocation.output.document({"queues": [_json(one) for one in found]})
        return
    rows = [(one.name, _state(one), str(one.workers), _words(one.waiting)) for one in found]
    invocation.output.table(_COLUMNS, rows)


def _state(one: Seen) -> str:
    if not one.paused:
        return "running"
    return "paused" if one.since is None else f"paused since {short(one.since)}"


def _words(waiting: Depth | str) -> str:
    return waiting if isinstance(waiting, str) else in_words(waiting)


def _json(one: Seen) -> dict[str, object]:
    known = not isinstance(one.waiting, str)
    return {
        "queue": one.name,
        "paused": one.paused,
        "paused_at": moment(one.since),
        "workers": one.workers,
        "depth": depth(one.waiting) if not isinstance(one.waiting, str) else None,
        "depth_error": None if known else one.waiting,
    }


def _say(invocation: Invocation, action: str, changed: dict[str, bool]) -> None:
    if invocation.output.json:
        shown = [
            {"queue": name, "paused": action == "pause", "changed": done}
            for name, done in changed.items()
        ]
        invocation.output.document({"verb": action, "queues": shown})
        return
    before = "was paused already" if action == "pause" else "was not paused"
    for name, done in changed.items():
        invocation.output.line(f"{name} {f'{action}d' if done else before}")
