"""`longshore dlq list` and `longshore dlq show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode
from longshore.cli.kinds import NAMES
from longshore.cli.letters import (
    COLUMNS,
    LetterFilter,
    body,
    cursor_of,
    filtered,
    read_cursor,
    row,
    shelves,
    summary,
)
from longshore.cli.records import short
from longshore.cli.records import summary as task_summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.cli.invocation import Invocation
    from longshore.cli.letters import Shelves
    from longshore.cli.output import Output
    from longshore.deadletters import Letter
    from longshore.ports import Ports
    from longshore.task import Task

_MOST: Final = 1000
"""Of one page: it is read as a whole, so that the next one is known to be there."""


@click.command(
    "list",
    cls=Command,
    examples=(
        "dlq list",
        "dlq list --queue emails --reason decode",
        "dlq list --task send_email --newer-than 2h --json | jq '.letters[].id'",
    ),
)
@filtered
@option(
    "--limit", "-l", type=click.IntRange(1, _MOST), default=50, show_default=True, help="Page size."
)
@option("--cursor", help="Go on behind a page: the cursor that it ended with.")
@click.pass_obj
def list_letters(
    invocation: Invocation, *, chosen: LetterFilter, limit: int, cursor: str | None
) -> ExitCode:
    """List dead letters, those that died first at the top.

    Of the queues of --queue, else of every queue that the settings, the log or the workers know.
    A dead letter is a message that could not be read, or whose task failed for good; the reason
    says which. Names and tags are read from the body, as far as it can be read.
    """
    loaded = invocation.load()
    start = read_cursor(cursor)

    async def work(ports: Ports) -> tuple[list[Letter], Shelves]:
        shelf = await shelves(ports, loaded, chosen.queues, invocation.output)
        found: list[Letter] = []
        async for _, page in shelf.pages(chosen.query(ports.clock.now()), start):
            found += page
            if len(found) > limit:
                break
        return found, shelf

    found, shelf = invocation.with_ports(work, loaded.settings)
    shown, more = found[:limit], len(found) > limit
    _print_list(invocation.output, shown, cursor_of(shown[-1]) if more else None, shelf)
    return ExitCode.PARTIAL if shelf.problems else ExitCode.OK


@click.command(
    "show", cls=Command, examples=("dlq show 17", "dlq show 17 --queue emails --json | jq .row")
)
@click.argument("letter_id", metavar="ID")
@option("--queue", "--queues", "queues", type=NAMES, multiple=True, help="Where it is.")
@click.pass_obj
def show_letter(
    invocation: Invocation, *, letter_id: str, queues: tuple[tuple[str, ...], ...]
) -> None:
    """Show everything that is known of a dead letter.

    Why it died, its raw body (in base64 where it is no text), and its task as the log has it.
    """
    loaded = invocation.load()

    async def work(ports: Ports) -> tuple[Letter, Task | None]:
        shelf = await shelves(ports, loaded, queues, invocation.output)
        ((home, (letter,)),) = await shelf.named([letter_id])
        rows = await home.rows([letter])
        return letter, rows.get(letter.dead.id)

    letter, task = invocation.with_ports(work, loaded.settings)
    if invocation.output.json:
        invocation.output.document(_whole(letter, task))
    else:
        _write(invocation.output, letter, task)


def _print_list(
    output: Output, shown: Sequence[Letter], cursor: str | None, shelf: Shelves
) -> None:
    if output.json:
        letters = [summary(letter) for letter in shown]
        output.document({"letters": letters, "cursor": cursor, "errors": shelf.problems})
        return
    if shown:
        output.table(COLUMNS, map(row, shown))
    else:
        output.line("no dead letters")
    if cursor is not None:
        output.note(f"more: --cursor {cursor}")


def _whole(letter: Letter, task: Task | None) -> dict[str, object]:
    return {
        **summary(letter),
        "attributes": dict(letter.dead.attributes),
        "body": body(letter.dead.body),
        "row": None if task is None else task_summary(task),
    }


def _write(output: Output, letter: Letter, task: Task | None) -> None:
    output.heading(f"dead letter {letter.dead.id} of queue {letter.dead.queue}")
    output.table(("", ""), [fact for fact in _facts(letter, task) if fact[1]], head=False)
    output.line()
    output.heading("Body")
    for encoding, written in body(letter.dead.body).items():
        if encoding != "text":
            output.line(f"{len(letter.dead.body)} bytes that are no text, in {encoding}:")
        output.line(written)


def _facts(letter: Letter, task: Task | None) -> Iterator[tuple[str, str]]:
    dead = letter.dead
    yield "reason", dead.reason
    yield "detail", dead.detail
    yield "died", short(dead.died_at)
    logged = None if task is None else task.spec.name
    yield "task", letter.name or logged or "its body cannot be read as a task"
    yield "task id", letter.key or ""
    yield "stamp", "" if dead.stamp is None else f"run {dead.stamp + 1}"
    yield "receives", str(dead.receives or "")
    yield from sorted(dead.attributes.items())
    if task is None:
        yield "log", "has no row of it; a redrive moves the message back into its queue"
        return
    run = f", run {task.run + 1}" if task.run else ""
    yield "state", f"{task.state.value} after {task.attempts} attempts{run}"
    yield "updated", short(task.updated_at)
    yield "error", "" if task.error is None else f"{task.error.type}: {task.error.message}"
