"""`longshore init` and `longshore deinit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode
from longshore.cli.filters import flat
from longshore.cli.kinds import NAMES
from longshore.errors import LongshoreError
from longshore.registry import find_adapter
from longshore.task import TaskState
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.settings import Settings


class StillRunningError(LongshoreError):
    """Everything was to be removed while tasks are running."""

    def __init__(self, count: int) -> None:
        """Say how many, and what to do."""
        super().__init__(
            f"{count} tasks are running; stop the workers first, or take it away from under them "
            "with --force"
        )


@click.command(
    "init",
    cls=Command,
    examples=("init", "init --queue emails,reports", "init --url sqlite:///shop.db"),
)
@option("--queue", "--queues", "queues", type=NAMES, multiple=True, help="Queues to make as well.")
@click.pass_obj
def init(invocation: Invocation, *, queues: tuple[tuple[str, ...], ...]) -> None:
    """Create what queue, log and store need.

    Makes the tables, queues and topology that the adapters of the URLs use, the log's before
    all, and the queues that the settings name. What is there stays as it is: running it again
    does no harm. Tasks whose messages a broker has lost are looked for soon afterwards.
    """
    from longshore.scheduler.sightings import (  # noqa: PLC0415 - asyncio is slow to import
        Sightings,
    )

    settings = invocation.load().settings
    names = _names(settings, queues)
    done: list[str] = []

    async def declare(ports: Ports) -> None:
        for name in names:
            made = await ports.queue(name).declare()
            done.append(f"queue {name}: {'created' if made else 'already there'}")
        await Sightings(ports.store).forget_look()

    try:
        for url in _urls(settings):
            done.extend(find_adapter(url).init(url))
        invocation.with_ports(declare, settings)
    finally:
        _say(invocation, done)


@click.command(
    "deinit",
    cls=Command,
    examples=(
        "deinit --yes",
        "deinit --queue emails --yes",
        "deinit --yes --force",
        "task:deinit --yes",
    ),
)
@option("--queue", "--queues", "queues", type=NAMES, multiple=True, help="Queues to remove too.")
@option("--yes", "-y", is_flag=True, help="Do not ask.")
@option("--force", is_flag=True, help="Even while tasks are running.")
@click.pass_obj
def deinit(
    invocation: Invocation, *, queues: tuple[tuple[str, ...], ...], yes: bool, force: bool
) -> ExitCode:
    """Remove queue, log and store, with every task in them.

    Where the queues are on a server of their own, those that the settings name are removed, with
    their dead letters, and no others. Refuses while tasks are running, unless forced: their
    workers would lose what they hold.
    """
    from longshore.settings import mask_url  # noqa: PLC0415 - pydantic is slow to import

    settings = invocation.load().settings
    urls = _urls(settings)[::-1]
    if not yes and not invocation.output.can_ask():
        message = "this removes every task for good; confirm it with --yes"
        raise click.UsageError(message)
    if not force:
        running = invocation.with_ports(_running, settings)
        if running:
            raise StillRunningError(running)
    named = ", ".join(mask_url(url) for url in urls)
    if not yes and not invocation.output.confirm(f"remove every task of {named}, for good?"):
        invocation.output.note("nothing was removed")
        return ExitCode.FAILED
    done: list[str] = []
    try:
        invocation.in_loop(lambda: _delete(settings, _names(settings, queues), done))
        for url in urls:
            done.extend(find_adapter(url).deinit(url))
    finally:
        _say(invocation, done)
    return ExitCode.OK


async def _delete(settings: Settings, names: Sequence[str], done: list[str]) -> None:
    """Remove the queues of a server that is neither log nor store: that goes as a whole."""
    from longshore.clock import SystemClock  # noqa: PLC0415 - asyncio is slow to import
    from longshore.wiring import urls_of  # noqa: PLC0415 - asyncio is slow to import

    queue_url, *others = urls_of(settings)
    if queue_url in others:
        return
    async with find_adapter(queue_url).open(queue_url, SystemClock()) as backend:
        if backend.queue is None:
            return
        for name in names:
            await backend.queue(name).delete()
            done.append(f"queue {name}: removed")


async def _running(ports: Ports) -> int:
    query = TaskQuery(states=frozenset({TaskState.RUNNING}))
    return (await ports.task_log.count(query)).value


def _names(settings: Settings, more: tuple[tuple[str, ...], ...]) -> list[str]:
    return list(dict.fromkeys((settings.queue, *settings.queues, *flat(more))))


def _urls(settings: Settings) -> list[str]:
    """What is to be made, in this order: the log decides, so nothing is to be there before it."""
    from longshore.wiring import urls_of  # noqa: PLC0415 - asyncio is slow to import

    queue, log, store = urls_of(settings)
    return list(dict.fromkeys((log, store, queue)))


def _say(invocation: Invocation, done: Sequence[str]) -> None:
    from longshore.settings import mask_url  # noqa: PLC0415 - pydantic is slow to import

    lines = [mask_url(line) for line in done]
    if invocation.output.json:
        invocation.output.document({"done": lines})
        return
    for line in lines:
        invocation.output.line(line)
