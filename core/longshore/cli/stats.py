"""`longshore stats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.kinds import NAMES
from longshore.cli.records import depth, moment, seconds, span
from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.queue import Depth
    from longshore.settings import Settings
    from longshore.task_log import QueueStats

_COLUMNS = ("Queue", "State", "Tasks", "Oldest open", "Mean time", "Waiting in the queue")


@click.command(
    "stats",
    cls=Command,
    examples=("stats", "stats --queue emails", "stats --json | jq '.queues[].depth.ready'"),
)
@option("--queue", "--queues", "queues", type=NAMES, multiple=True, help="Only these queues.")
@click.pass_obj
def stats(invocation: Invocation, *, queues: tuple[tuple[str, ...], ...]) -> None:
    """Count tasks by queue and state, and what waits in each queue.

    The counts are the log's; what waits is the queue's own figure, which on some brokers is
    approximate (marked with ~). A queue that cannot be asked says why.
    """
    settings = invocation.load().settings
    wanted = [name for group in queues for name in group]

    async def work(ports: Ports) -> None:
        await print_stats(invocation, settings, ports, wanted)

    invocation.with_ports(work, settings)


async def print_stats(
    invocation: Invocation, settings: Settings, ports: Ports, queues: Sequence[str] = ()
) -> None:
    """Read the figures of all queues, or of some, and print them."""
    found = {one.queue: one for one in await ports.task_log.stats()}
    names = queues or sorted({settings.queue, *settings.queues, *found})
    depths = {name: await _depth(ports, name) for name in names}
    now = ports.clock.now()
    if invocation.output.json:
        shown = [_json(name, found.get(name), depths[name], now) for name in names]
        invocation.output.document({"queues": shown})
        return
    lines: list[tuple[str, ...]] = []
    for name in names:
        lines += _rows(name, found.get(name), depths[name], now)
    invocation.output.table(_COLUMNS, lines)


async def _depth(ports: Ports, name: str) -> Depth | str:
    try:
        return await ports.queue(name).depth()
    except LongshoreError as error:
        return str(error)


def _rows(
    name: str, found: QueueStats | None, waiting: Depth | str, now: datetime
) -> Iterable[tuple[str, ...]]:
    words = waiting if isinstance(waiting, str) else in_words(waiting)
    if found is None or not found.by_state:
        return [(name, "-", "0", "-", "-", words)]
    oldest = "-" if found.oldest_open is None else span(now - found.oldest_open)
    lines = [
        (name, state.value, str(count), "", "", "")
        for state, count in sorted(found.by_state.items())
    ]
    first = lines[0]
    lines[0] = (*first[:3], oldest, span(found.mean_duration), words)
    return lines


def in_words(waiting: Depth) -> str:
    """A depth in a line."""

    def figure(name: str, count: int) -> str:
        return f"{'~' if name in waiting.approximate else ''}{count}"

    parts = [f"{figure('ready', waiting.ready)} ready"]
    for name, word in (("in_flight", "in flight"), ("delayed", "delayed"), ("dead", "dead")):
        count = getattr(waiting, name)
        if count:
            parts.append(f"{figure(name, count)} {word}")
    if waiting.oldest_age is not None:
        parts.append(f"oldest {span(waiting.oldest_age)}")
    return ", ".join(parts)


def _json(
    name: str, found: QueueStats | None, waiting: Depth | str, now: datetime
) -> dict[str, object]:
    oldest = None if found is None else found.oldest_open
    return {
        "queue": name,
        "total": 0 if found is None else found.total,
        "by_state": {}
        if found is None
        else {state.value: count for state, count in sorted(found.by_state.items())},
        "oldest_open": moment(oldest),
        "oldest_open_age": None if oldest is None else seconds(now - oldest),
        "mean_duration": None if found is None else seconds(found.mean_duration),
        "depth": None if isinstance(waiting, str) else depth(waiting),
        "depth_error": waiting if isinstance(waiting, str) else None,
    }
