"""The dead letters of one queue, and what an operator does to them.

Whatever puts a task back is durable before its letter goes, so a crash leaves a letter too many,
and sending it again does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore.deadletters.fate import Fate, Redriven, fate_of
from longshore.deadletters.letter import read
from longshore.errors import UnsupportedError
from longshore.operator import Operator
from longshore.protocol import Change, Verb
from longshore.queue import SupportsDeadLetters, SupportsNativeRedrive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from longshore.deadletters.letter import Letter, LetterQuery
    from longshore.ports import Ports
    from longshore.queue import Queue
    from longshore.task import Task

PAGE: Final = 100


class DeadLetters:
    """The dead letters of one queue."""

    def __init__(self, ports: Ports, queue: str) -> None:
        """`UnsupportedError` where the queue's adapter has none, or none that can be seen."""
        port = ports.queue(queue)
        if not isinstance(port, SupportsDeadLetters) or not port.capabilities.dead_letters:
            adapter = port.capabilities.adapter
            instead = "its failed tasks are in the log: longshore list --state failed"
            raise UnsupportedError(adapter, "dead letters that can be looked at", instead)
        self._port: Queue = port
        self._letters: SupportsDeadLetters = port
        self._log = ports.task_log
        self._operator = Operator(ports)

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._port.name

    async def count(self) -> int:
        """How many there are; what the broker says may be approximate."""
        return (await self._port.depth()).dead

    async def pages(
        self, query: LetterQuery, *, after: str | None = None
    ) -> AsyncIterator[list[Letter]]:
        """Look through the letters past the id `after`, in the order they died, page by page."""
        while page := await self._letters.dead_letters(limit=PAGE, after=after):
            after = page[-1].id
            found = [letter for letter in map(read, page) if query.fits(letter)]
            if found:
                yield found

    async def rows(self, letters: Iterable[Letter]) -> dict[str, Task]:
        """The rows of the letters' tasks by the letters' ids, where the log has any."""
        asked = list(letters)
        keys = list(dict.fromkeys(key for each in asked for key in each.keys))
        found = await self._log.get(keys) if keys else []
        rows = {row.id: row for row in found if row is not None}
        return {each.dead.id: rows[key] for each in asked for key in each.keys[::-1] if key in rows}

    async def plan(self, letters: Sequence[Letter]) -> list[Redriven]:
        """Say what `redrive` would do, and do nothing."""
        rows = await self.rows(letters)
        return [fate_of(letter, rows.get(letter.dead.id)) for letter in letters]

    async def redrive(self, letters: Sequence[Letter]) -> list[Redriven]:
        """Send letters again: each is put back, and then removed. May be repeated.

        A logged task that failed is retried as `Operator` does; a message that the log does not
        say that of goes back into the queue with its stamp, and the claim decides.
        """
        rows = await self.rows(letters)
        planned = {each.letter.dead.id: each for each in await self._retried(letters, rows)}
        await self._move([each for each in planned.values() if each.fate is Fate.MOVED], planned)
        answered = {Fate.RETRIED, Fate.SETTLED}
        await self.discard([each.letter for each in planned.values() if each.fate in answered])
        return [planned[letter.dead.id] for letter in letters]

    async def discard(self, letters: Sequence[Letter]) -> None:
        """Remove letters for good; one that is gone already is fine. Raises the first error."""
        if not letters:
            return
        answers = await self._letters.discard([letter.dead.id for letter in letters])
        for error in answers:
            if error is not None:
                raise error

    async def redrive_all(self, *, rate: int | None = None) -> str:
        """Let the broker move all letters back by itself; answer what was started."""
        if not isinstance(self._port, SupportsNativeRedrive):
            adapter = self._port.capabilities.adapter
            raise UnsupportedError(adapter, "a redrive of its own", "leave out --native")
        return await self._port.redrive_all(rate=rate)

    async def _retried(self, letters: Sequence[Letter], rows: dict[str, Task]) -> list[Redriven]:
        """Retry what failed; where the row has changed since it was read, it decides anew."""
        first = [fate_of(letter, rows.get(letter.dead.id)) for letter in letters]
        chosen = [each for each in first if each.fate is Fate.RETRIED]
        if not chosen:
            return first
        changes = [_retry(each.letter, rows[each.letter.dead.id]) for each in chosen]
        answers = await self._operator.change(changes)
        after = {
            each.letter.dead.id: each if answer.applied else _unretried(each.letter, answer.task)
            for each, answer in zip(chosen, answers, strict=True)
        }
        return [after.get(each.letter.dead.id, each) for each in first]

    async def _move(self, moving: Sequence[Redriven], planned: dict[str, Redriven]) -> None:
        if not moving:
            return
        answers = await self._letters.redrive([each.letter.dead.id for each in moving])
        for each, error in zip(moving, answers, strict=True):
            if error is not None:
                planned[each.letter.dead.id] = Redriven(
                    letter=each.letter, fate=Fate.REFUSED, why=str(error)
                )


def _retry(letter: Letter, row: Task) -> Change:
    """Retry a row as it was read; one that has lost its body takes the letter's."""
    body = None if letter.message is None else letter.dead.body
    return Change(task_id=row.id, verb=Verb.RETRY, state=row.state, token=row.token, body=body)


def _unretried(letter: Letter, row: Task | None) -> Redriven:
    """Decide by the row as it is now: it changed since it was read, or cannot be retried."""
    now = fate_of(letter, row)
    if now.fate is not Fate.RETRIED:
        return now
    why = "its task changed meanwhile, or no message is kept that could be sent; run it again"
    return Redriven(letter=letter, fate=Fate.REFUSED, why=why)
