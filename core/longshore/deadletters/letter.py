"""A dead letter as far as it can be read, and which of them are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from longshore.codec import decode
from longshore.errors import MessageError

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.message import Message
    from longshore.queue import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter as far as it can be read.

    `keys` are what its task may be called in the log, the likeliest first: the id that its body
    gives, and the key that it was sent or taken under.
    """

    dead: DeadLetter
    message: Message | None
    keys: tuple[TaskId, ...]

    @property
    def key(self) -> TaskId | None:
        """The likeliest of its keys."""
        return self.keys[0] if self.keys else None

    @property
    def name(self) -> str | None:
        """The task's name, where the body says it."""
        return None if self.message is None else self.message.type


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterQuery:
    """Which letters are meant; an empty part does not ask, and all that ask must fit.

    `tags` must all be there. Times are of death: from `died_after` on, up to `died_before`.
    """

    ids: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    died_after: datetime | None = None
    died_before: datetime | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        dead, message = letter.dead, letter.message
        return (
            (not self.ids or dead.id in self.ids)
            and (not self.reasons or dead.reason in self.reasons)
            and (not self.names or letter.name in self.names)
            and (not self.keys or not {*letter.keys}.isdisjoint(self.keys))
            and (not self.tags or (message is not None and set(self.tags) <= {*message.tasktags}))
            and (self.died_after is None or dead.died_at >= self.died_after)
            and (self.died_before is None or dead.died_at <= self.died_before)
        )


def read(dead: DeadLetter) -> Letter:
    """Read a letter's body as far as that can be done."""
    keys = () if dead.key is None else (dead.key,)
    try:
        message = decode(dead.body)
    except MessageError:
        return Letter(dead=dead, message=None, keys=keys)
    return Letter(
        dead=dead, message=message, keys=tuple(dict.fromkeys((message.key(dead.queue), *keys)))
    )
