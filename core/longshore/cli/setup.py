"""`longshore init` and `longshore deinit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode
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

    Makes the tables, queues and topology that the adapters of the URLs use, and the queues
    that the settings name. What is there stays as it is: running it again does no harm.
    """
    settings = invocation.load().settings
    said = [line for url in _urls(settings) for line in find_adapter(url).init(url)]
    extra = [name for group in queues for name in group]
    names = dict.fromkeys((settings.queue, *settings.queues, *extra))

    async def declare(ports: Ports) -> list[str]:
        return [
            f"queue {name}: {'created' if await ports.queue(name).declare() else 'already there'}"
            for name in names
        ]

    _say(invocation, [*said, *invocation.with_ports(declare, settings)])


@click.command(
    "deinit",
    cls=Command,
    examples=("deinit --yes", "deinit --yes --force", "task:deinit --yes"),
)
@option("--yes", "-y", is_flag=True, help="Do not ask.")
@option("--force", is_flag=True, help="Even while tasks are running.")
@click.pass_obj
def deinit(invocation: Invocation, *, yes: bool, force: bool) -> ExitCode:
    """Remove queue, log and store, with every task in them.

    Refuses while tasks are running, unless forced: their workers would lose what they hold.
    """
    from longshore.settings import mask_url  # noqa: PLC0415 - pydantic is slow to import

    settings = invocation.load().settings
    urls = _urls(settings)
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
    _say(invocation, [line for url in urls for line in find_adapter(url).deinit(url)])
    return ExitCode.OK


async def _running(ports: Ports) -> int:
    query = TaskQuery(states=frozenset({TaskState.RUNNING}))
    return (await ports.task_log.count(query)).value


def _urls(settings: Settings) -> list[str]:
    from longshore.wiring import urls_of  # noqa: PLC0415 - asyncio is slow to import

    return list(dict.fromkeys(urls_of(settings)))


def _say(invocation: Invocation, done: Sequence[str]) -> None:
    from longshore.settings import mask_url  # noqa: PLC0415 - pydantic is slow to import

    lines = [mask_url(line) for line in done]
    if invocation.output.json:
        invocation.output.document({"done": lines})
        return
    for line in lines:
        invocation.output.line(line)
