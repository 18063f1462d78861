"""Changing many tasks: asked about first, page by page, with a count of what was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from longshore.cli.exit import DoneInPartError, ExitCode
from longshore.cli.listing import pages
from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from longshore.cli.invocation import Invocation
    from longshore.cli.output import Output
    from longshore.ports import Ports
    from longshore.protocol import Changed
    from longshore.task import Task
    from longshore.task_log import TaskQuery


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the tasks so far."""

    changed: int = 0
    refused: int = 0

    @property
    def code(self) -> ExitCode:
        """Fine where none was refused, even if none was there; else in part, or failed."""
        if not self.refused:
            return ExitCode.OK
        return ExitCode.PARTIAL if self.changed else ExitCode.FAILED


def agree(output: Output, question: str, *, yes: bool) -> bool:
    """Ask before many tasks are changed; where nobody can be asked, `--yes` is needed."""
    if yes:
        return True
    if not output.can_ask():
        message = "this changes more than tasks named one by one; confirm it with --yes"
        raise click.UsageError(message)
    agreed = output.confirm(question)
    if not agreed:
        output.note("nothing was changed")
    return agreed


async def sweep(
    invocation: Invocation,
    ports: Ports,
    query: TaskQuery,
    change: Callable[[Sequence[Task]], Awaitable[Sequence[Changed]]],
) -> Tally:
    """Change every task of the query, page by page.

    Tasks that come in meanwhile are left alone. Where the log fails half way, the error says how
    many were changed: `DoneInPartError`.
    """
    tally = Tally()
    total = (await ports.task_log.count(query)).value
    try:
        with invocation.output.progress("tasks", total) as advance:
            async for page in pages(ports.task_log, query):
                answers = await change(page.tasks) if page.tasks else ()
                tally.changed += sum(answer.applied for answer in answers)
                tally.refused += sum(not answer.applied for answer in answers)
                advance(len(page.tasks))
    except LongshoreError as error:
        if not tally.changed:
            raise
        message = f"{tally.changed} tasks were changed before this: {error}; run it again"
        raise DoneInPartError(message) from error
    return tally
