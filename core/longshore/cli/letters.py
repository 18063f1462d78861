"""Dead letters on the command line: which are meant, where they are found, and how they look."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from longshore.cli.command import option
from longshore.cli.exit import InputError, NoSuchLetterError
from longshore.cli.filters import flat, gathered
from longshore.cli.kinds import DURATION, NAMES
from longshore.cli.records import moment, short
from longshore.control import Registry
from longshore.deadletters import DeadLetters, LetterQuery
from longshore.errors import LongshoreError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime, timedelta

    from longshore.cli.loading import Loaded
    from longshore.cli.output import Output
    from longshore.deadletters import Letter
    from longshore.ports import Ports

COLUMNS: Final = ("Queue", "Id", "Task", "Reason", "Died", "Task id", "Detail")
_DETAIL: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """What was asked for on the command line; an empty part does not ask."""

    queues: tuple[tuple[str, ...], ...] = ()
    reasons: tuple[tuple[str, ...], ...] = ()
    names: tuple[tuple[str, ...], ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
    tags: tuple[tuple[str, ...], ...] = ()
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every letter of the queues is meant."""
        return self == LetterFilter(queues=self.queues)

    def query(self, now: datetime) -> LetterQuery:
        """The filter as of a moment. What dies later is never meant, or a redrive had no end."""
        return LetterQuery(
            reasons=flat(self.reasons),
            names=flat(self.names),
            keys=flat(self.keys),
            tags=flat(self.tags),
            died_before=now if self.older_than is None else now - self.older_than,
            died_after=None if self.newer_than is None else now - self.newer_than,
        )


_MANY: Final[dict[str, Any]] = {"multiple": True}
filtered = gathered(
    LetterFilter,
    (
        option("--queue", "--queues", "queues", type=NAMES, **_MANY, help="Only of these queues."),
        option("--reason", "reasons", type=NAMES, **_MANY, help="Only with one of these reasons."),
        option("--task", "-t", "names", type=NAMES, **_MANY, help="Only of tasks of these names."),
        option("--key", "keys", type=NAMES, **_MANY, help="Only of the tasks with these ids."),
        option("--tag", "tags", type=NAMES, **_MANY, help="Only with this tag; all, if repeated."),
        option("--older-than", type=DURATION, help="Only what died longer ago than this: 12h, 7d."),
        option("--newer-than", type=DURATION, help="Only what died since: 30m, 2h."),
    ),
)
"""Add the options to a command, and give it a `LetterFilter` named `chosen`."""


class Shelves:
    """The dead letters of several queues, one queue after the other."""

    def __init__(self, ports: Ports, names: Sequence[str], output: Output) -> None:
        """Look at no queue yet. One of several that cannot be asked is left out, and said so."""
        self._output = output
        self.names = tuple(names)
        self.each = [DeadLetters(ports, name) for name in names]
        self.problems: dict[str, str] = {}

    async def pages(
        self, query: LetterQuery, after: tuple[str, str] | None = None
    ) -> AsyncIterator[tuple[DeadLetters, list[Letter]]]:
        """Go through letters that fit; `after` is a queue and an id to go on behind."""
        for shelf in self.each:
            if after is not None and shelf.queue < after[0]:
                continue
            start = after[1] if after is not None and shelf.queue == after[0] else None
            try:
                async for page in shelf.pages(query, after=start):
                    yield shelf, page
            except LongshoreError as error:
                self._left_out(shelf.queue, error)

    async def count(self) -> int:
        """How many letters there are, as far as the queues can be asked."""
        total = 0
        for shelf in self.each:
            try:
                total += await shelf.count()
            except LongshoreError as error:
                self._left_out(shelf.queue, error)
        return total

    async def named(self, ids: Sequence[str]) -> list[tuple[DeadLetters, list[Letter]]]:
        """Find letters by their ids; `NoSuchLetterError` for any that is not there."""
        missing = set(ids)
        found: list[tuple[DeadLetters, list[Letter]]] = []
        async for shelf, page in self.pages(LetterQuery(ids=tuple(ids))):
            for letter in page:
                if letter.dead.id not in missing:
                    message = f"{letter.dead.id} is in several queues; say which: --queue NAME"
                    raise InputError(message)
                missing.discard(letter.dead.id)
            found.append((shelf, page))
            if not missing and len(self.each) == 1:
                break
        if missing:
            raise NoSuchLetterError(sorted(missing), self.names)
        return found

    def _left_out(self, name: str, error: LongshoreError) -> None:
        if len(self.each) == 1 or isinstance(error, UnsupportedError):
            raise error
        if name not in self.problems:
            self.problems[name] = str(error)
            self._output.note(f"queue {name} is left out: {error}")


async def shelves(
    ports: Ports, loaded: Loaded, queues: tuple[tuple[str, ...], ...], output: Output
) -> Shelves:
    """The queues that were named, else every queue that settings, log or workers know."""
    named = flat(queues)
    return Shelves(ports, sorted(named or await _known(ports, loaded)), output)


async def _known(ports: Ports, loaded: Loaded) -> set[str]:
    from longshore.cli.work import every_queue  # noqa: PLC0415 - only where none is named

    logged = [one.queue for one in await ports.task_log.stats()]
    workers = [] if ports.store is None else await Registry(ports.store).workers()
    served = [name for entry in workers for name in entry.queues]
    return {*every_queue(loaded), *logged, *served}


def cursor_of(letter: Letter) -> str:
    """Where a listing goes on behind a letter."""
    return f"{quote(letter.dead.queue, safe='')}:{letter.dead.id}"


def read_cursor(text: str | None) -> tuple[str, str] | None:
    """A queue and an id; `InputError` where it is no cursor."""
    if text is None:
        return None
    queue, colon, letter_id = text.partition(":")
    if not colon or not queue or not letter_id:
        message = f"{text!r} is no cursor of a listing; leave --cursor out to begin anew"
        raise InputError(message)
    return unquote(queue), letter_id


def row(letter: Letter) -> tuple[str, ...]:
    """A letter as cells under `COLUMNS`."""
    dead = letter.dead
    more = "…" if len(dead.detail) > _DETAIL else ""
    return (
        dead.queue,
        dead.id,
        letter.name or "-",
        dead.reason or "-",
        short(dead.died_at),
        letter.key or "-",
        dead.detail[:_DETAIL] + more,
    )


def summary(letter: Letter) -> dict[str, object]:
    """A letter as JSON, without its body."""
    dead = letter.dead
    return {
        "id": dead.id,
        "queue": dead.queue,
        "task": letter.name,
        "reason": dead.reason,
        "detail": dead.detail,
        "died_at": moment(dead.died_at),
        "key": letter.key,
        "stamp": dead.stamp,
        "receives": dead.receives,
        "tags": [] if letter.message is None else list(letter.message.tasktags),
        "size": len(dead.body),
    }


def body(raw: bytes) -> dict[str, str]:
    """A raw body as JSON: `text` where it is UTF-8, else `base64`."""
    try:
        return {"text": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": b64encode(raw).decode("ascii")}
