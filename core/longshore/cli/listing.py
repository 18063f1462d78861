"""`longshore list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import InputError
from longshore.cli.filters import Filter, filtered
from longshore.cli.records import COLUMNS, row, summary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.task_log import Page, TaskLog, TaskQuery

PAGE = 500


@click.command(
    "list",
    cls=Command,
    examples=(
        "list --state failed --since 2h",
        "list --queue emails,reports --tag nightly --limit 20",
        "list --error ConnectionError --json | jq '.tasks[].id'",
        "task:list -s=pending -l=10 -o=20",
    ),
)
@filtered
@option("--limit", "-l", type=click.IntRange(1), default=50, show_default=True, help="Page size.")
@option("--offset", "-o", type=click.IntRange(0), default=0, help="Leave out so many first.")
@option("--cursor", help="Go on behind a page: the cursor that it ended with.")
@option("--all-pages", is_flag=True, help="Every page, one after the other.")
@click.pass_obj
def list_tasks(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    chosen: Filter,
    limit: int,
    offset: int,
    cursor: str | None,
    all_pages: bool,
) -> None:
    """List tasks, newest first.

    Filters add up: a task is listed where all of them fit. The originals' words for states
    (pending, processing, completed, success, canceled and others) are understood.

    With --json: an object of tasks, total, whether total is exact, and the cursor of the next
    page.
    """
    if cursor is not None and offset:
        message = "--cursor and --offset were both given; either says where to begin"
        raise click.UsageError(message)
    settings = invocation.load().settings
    writer = _JsonPages(invocation) if invocation.output.json else _TextPages(invocation)

    async def work(ports: Ports) -> None:
        query = chosen.query(settings, ports.clock.now())
        start = cursor if not offset else await _behind(ports, query, offset)
        total = await ports.task_log.count(query)
        shown, last = 0, None
        if not offset or start is not None:
            async for page in pages(ports.task_log, query, limit=limit, cursor=start):
                shown += len(page.tasks)
                last = page.cursor
                writer.page(page)
                if not all_pages:
                    break
        writer.end(shown, total.value, exact=total.exact, cursor=last)

    invocation.with_ports(work, settings)


async def pages(
    log: TaskLog, query: TaskQuery, *, limit: int = PAGE, cursor: str | None = None
) -> AsyncIterator[Page]:
    """Read page after page, newest first."""
    while True:
        try:
            page = await log.find(query, limit=limit, cursor=cursor)
        except ValueError as error:
            message = f"{cursor!r} is no cursor of this log; leave --cursor out to begin anew"
            raise InputError(message) from error
        yield page
        cursor = page.cursor
        if cursor is None:
            return


async def _behind(ports: Ports, query: TaskQuery, offset: int) -> str | None:
    """The cursor behind the first `offset` tasks; None where there are no more."""
    cursor: str | None = None
    while offset > 0:
        page = await ports.task_log.find(query, limit=min(offset, PAGE), cursor=cursor)
        offset -= len(page.tasks)
        cursor = page.cursor
        if cursor is None:
            return None
    return cursor


class _TextPages:
    def __init__(self, invocation: Invocation) -> None:
        self._output = invocation.output
        self._begun = False

    def page(self, page: Page) -> None:
        if page.tasks:
            self._output.table(COLUMNS, map(row, page.tasks), head=not self._begun)
            self._begun = True

    def end(self, shown: int, total: int, *, exact: bool, cursor: str | None) -> None:
        about = "" if exact else "approximately "
        self._output.line(f"{shown} of {about}{total} tasks")
        if cursor is not None:
            self._output.note(f"more: --cursor {cursor}")


class _JsonPages:
    """One object, written as the pages come in."""

    def __init__(self, invocation: Invocation) -> None:
        self._output = invocation.output
        self._begun = False

    def page(self, page: Page) -> None:
        from longshore.cli.output import to_json  # noqa: PLC0415 - only with --json

        for task in page.tasks:
            self._output.raw(",\n  " if self._begun else '{"tasks": [\n  ')
            self._output.raw(to_json(summary(task)))
            self._begun = True

    def end(self, shown: int, total: int, *, exact: bool, cursor: str | None) -> None:
        from longshore.cli.output import to_json  # noqa: PLC0415 - only with --json

        del shown
        self._output.raw("\n]" if self._begun else '{"tasks": []')
        rest = {"total": total, "exact": exact, "cursor": cursor}
        self._output.raw(f", {to_json(rest)[1:]}\n")
