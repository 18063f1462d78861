"""`longshore dlq redrive` and `longshore dlq purge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from longshore.cli.clearing import Aim, carry_out
from longshore.cli.command import Command, option
from longshore.cli.exit import DoneInPartError, ExitCode
from longshore.cli.letters import LetterFilter, filtered, shelves
from longshore.cli.sweeping import agree
from longshore.deadletters import Fate, Pace
from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from longshore.cli.clearing import Found
    from longshore.cli.invocation import Invocation
    from longshore.cli.letters import Shelves
    from longshore.ports import Ports

_REMOVED: Final = "removed"

_ALL: Final = option("--all", "everything", is_flag=True, help="Every dead letter of the queues.")
_DRY: Final = option("--dry-run", "-n", is_flag=True, help="Say what would be done, and do not.")
_YES: Final = option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command(
    "redrive",
    cls=Command,
    examples=(
        "dlq redrive 17 18",
        "dlq redrive --queue emails --task send_email --rate 20 --yes",
        "dlq redrive --all --dry-run",
        "dlq redrive --queue emails --all --native --rate 100 --yes",
    ),
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@filtered
@_ALL
@option("--rate", type=click.IntRange(1), metavar="N", help="At most so many a second.")
@option("--native", is_flag=True, help="Let the broker move all of them by itself, where it can.")
@_DRY
@_YES
@click.pass_obj
def redrive(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    ids: tuple[str, ...],
    chosen: LetterFilter,
    everything: bool,
    rate: int | None,
    native: bool,
    dry_run: bool,
    yes: bool,
) -> ExitCode:
    """Send dead letters again, and retry the tasks that failed with them.

    A failed task is queued anew, as `longshore retry` does, and its letter goes. A message that
    the log does not say that of is moved back into its queue. Of a task that has succeeded, or
    was run again since, only the letter goes. What was cancelled or has expired is refused. Each
    is put back before its letter goes, so an interrupted redrive can be run again.

    With --native the broker moves every letter of the queues, and the command does not wait for
    the end: a task that failed starts once more when its message comes, anything else is as above.
    """
    aim = Aim(ids=ids, chosen=chosen, everything=everything, dry_run=dry_run, yes=yes)
    aim.check()
    if native:
        if ids or not chosen.is_whole or dry_run:
            message = "--native moves whole queues: give --all, and --queue at most"
            raise click.UsageError(message)
        return _start_native(invocation, aim, rate)

    async def send(ports: Ports, found: Found) -> None:
        pace = Pace(ports.clock, None if dry_run else rate)
        async for shelf, letters in found.batches():
            async for portion in pace.portions(letters):
                done = shelf.plan(portion) if dry_run else shelf.redrive(portion)
                for one in await done:
                    found.tell(one.letter, one.fate, one.why)

    return carry_out(invocation, aim, "redrive", tuple(Fate), send)


@click.command(
    "purge",
    cls=Command,
    examples=(
        "dlq purge 17",
        "dlq purge --queue emails --reason decode --older-than 30d",
        "dlq purge --queue emails --all --yes",
    ),
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@filtered
@_ALL
@_DRY
@_YES
@click.pass_obj
def purge_letters(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    ids: tuple[str, ...],
    chosen: LetterFilter,
    everything: bool,
    dry_run: bool,
    yes: bool,
) -> ExitCode:
    """Remove dead letters for good; the log keeps their tasks.

    Of a message that could not be read the letter is all there is; look before: longshore dlq show
    """
    aim = Aim(ids=ids, chosen=chosen, everything=everything, dry_run=dry_run, yes=yes)
    aim.check()

    async def remove(_ports: Ports, found: Found) -> None:
        async for shelf, letters in found.batches():
            if not dry_run:
                await shelf.discard(letters)
            for letter in letters:
                found.tell(letter, _REMOVED)

    return carry_out(invocation, aim, "purge", (_REMOVED,), remove)


def _start_native(invocation: Invocation, aim: Aim, rate: int | None) -> ExitCode:
    loaded = invocation.load()

    async def work(ports: Ports) -> dict[str, str] | None:
        places = await shelves(ports, loaded, aim.chosen.queues, invocation.output)
        question = f"let the broker move every dead letter of {', '.join(places.names)}?"
        if not agree(invocation.output, question, yes=aim.yes):
            return None
        return await _started(places, rate)

    started = invocation.with_ports(work, loaded.settings)
    if started is None:
        return ExitCode.FAILED
    if invocation.output.json:
        invocation.output.document({"verb": "redrive", "started": started})
    else:
        for name, said in started.items():
            invocation.output.line(f"{name}: {said}")
    return ExitCode.OK


async def _started(places: Shelves, rate: int | None) -> dict[str, str]:
    started: dict[str, str] = {}
    for shelf in places.each:
        try:
            started[shelf.queue] = await shelf.redrive_all(rate=rate)
        except LongshoreError as error:
            if not started:
                raise
            message = f"{', '.join(started)} had begun before this: {shelf.queue}: {error}"
            raise DoneInPartError(message) from error
    return started
