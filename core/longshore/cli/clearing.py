"""Changing many dead letters: asked about first, batch by batch, with a count of what was done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import click

from longshore.cli.exit import DoneInPartError, ExitCode
from longshore.cli.letters import LetterFilter, shelves
from longshore.cli.sweeping import agree
from longshore.deadletters import Fate
from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from longshore.cli.invocation import Invocation
    from longshore.cli.letters import Shelves
    from longshore.cli.output import Output
    from longshore.deadletters import DeadLetters, Letter
    from longshore.ports import Ports

_COLUMNS: Final = ("Queue", "Id", "Task", "Reason", "Outcome", "Why")
_NOTED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Which letters a command is to change."""

    ids: tuple[str, ...]
    chosen: LetterFilter
    everything: bool
    dry_run: bool
    yes: bool

    def check(self) -> None:
        """Refuse what could mean more, or less, than was meant."""
        if self.ids and (self.everything or not self.chosen.is_whole):
            message = "give ids, or a filter; with both it would not be clear which are meant"
            raise click.UsageError(message)
        if not self.ids and not self.everything and self.chosen == LetterFilter():
            message = "say which: ids, a filter, or --all for every dead letter"
            raise click.UsageError(message)


@dataclass(slots=True, kw_only=True)
class Found:
    """The letters that are meant, and what became of each so far."""

    aim: Aim
    shelves: Shelves
    now: datetime
    advance: Callable[[int], None]
    counts: Counter[str] = field(default_factory=Counter[str])
    kept: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    told: list[dict[str, str | None]] = field(default_factory=list[dict[str, "str | None"]])

    @property
    def changed(self) -> int:
        """How many are gone."""
        return self.counts.total() - self.counts[Fate.REFUSED]

    @property
    def code(self) -> ExitCode:
        """Fine where none was refused and no queue left out; else in part, or failed."""
        if not self.counts[Fate.REFUSED] and not self.shelves.problems:
            return ExitCode.OK
        return ExitCode.PARTIAL if self.changed else ExitCode.FAILED

    async def batches(self) -> AsyncIterator[tuple[DeadLetters, list[Letter]]]:
        """Go through the letters; those named by their ids are all found before the first."""
        if self.aim.ids:
            for batch in await self.shelves.named(self.aim.ids):
                yield batch
            return
        again = True
        while again:  # a broker may show no more than a part at a time, and another one later
            again = False
            async for shelf, letters in self.shelves.pages(self.aim.chosen.query(self.now)):
                new = [one for one in letters if (one.dead.queue, one.dead.id) not in self.kept]
                if new:
                    again = not self.aim.dry_run
                    yield shelf, new

    def tell(self, letter: Letter, word: str, why: str = "") -> None:
        """Count a letter; of many, only the first that are refused are told one by one."""
        dead = letter.dead
        self.counts[word] += 1
        self.advance(1)
        if word == Fate.REFUSED:
            self.kept.add((dead.queue, dead.id))
        few = word == Fate.REFUSED and len(self.kept) <= _NOTED
        if self.aim.ids or self.aim.dry_run or few:
            self.told.append(
                {
                    "id": dead.id,
                    "queue": dead.queue,
                    "task": letter.name,
                    "reason": dead.reason,
                    "outcome": word,
                    "why": why or None,
                }
            )


def carry_out(
    invocation: Invocation,
    aim: Aim,
    verb: str,
    words: Sequence[str],
    work: Callable[[Ports, Found], Awaitable[None]],
) -> ExitCode:
    """Ask, do it, and say what was done; `words` are what can become of a letter."""
    loaded = invocation.load()

    async def main(ports: Ports) -> Found | None:
        places = await shelves(ports, loaded, aim.chosen.queues, invocation.output)
        total = None if aim.ids else await places.count()
        if not aim.dry_run and not _agreed(invocation.output, aim, verb, places, total):
            return None
        with invocation.output.progress("dead letters", total) as advance:
            found = Found(aim=aim, shelves=places, now=ports.clock.now(), advance=advance)
            await _as_far_as_it_goes(work(ports, found), found)
        return found

    found = invocation.with_ports(main, loaded.settings)
    if found is None:
        return ExitCode.FAILED
    _say(invocation.output, found, verb, words)
    return found.code


def _agreed(output: Output, aim: Aim, verb: str, places: Shelves, total: int | None) -> bool:
    """Ask, unless each letter was named."""
    if total is None:
        return True
    fitting = "" if aim.chosen.is_whole else ", those that fit"
    question = f"{verb} {total} dead letters of {', '.join(places.names)}{fitting}?"
    return agree(output, question, yes=aim.yes)


async def _as_far_as_it_goes(work: Awaitable[None], found: Found) -> None:
    try:
        await work
    except LongshoreError as error:
        if not found.changed or found.aim.dry_run:
            raise
        message = f"{found.changed} dead letters were done before this: {error}; run it again"
        raise DoneInPartError(message) from error


def _say(output: Output, found: Found, verb: str, words: Sequence[str]) -> None:
    dry_run = found.aim.dry_run
    if output.json:
        counts = {word: found.counts[word] for word in words}
        said = {"verb": verb, "dry_run": dry_run, **counts}
        output.document({**said, "letters": found.told, "errors": found.shelves.problems})
        return
    if dry_run and found.told:
        names = ("queue", "id", "task", "reason", "outcome", "why")
        output.table(_COLUMNS, [[told[name] or "-" for name in names] for told in found.told])
    elif not dry_run:
        for told in found.told:
            if told["why"]:
                output.note(f"{told['id']} of {told['queue']} was refused: {told['why']}")
    parts = ", ".join(f"{found.counts[word]} {word}" for word in words if found.counts[word])
    would = "would be " if dry_run else ""
    output.line(f"{found.counts.total()} dead letters{f': {would}{parts}' if parts else ''}")
