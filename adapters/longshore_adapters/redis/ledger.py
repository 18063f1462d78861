"""Rows that `longshore.protocol` decides about, written under the version they were seen at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from longshore.protocol import Settle
from longshore.together import rejection_of
from longshore_adapters.redis import scripts
from longshore_adapters.redis.letters import receipt_of, why
from longshore_adapters.redis.scalars import moment, raw, span
from longshore_adapters.redis.wire import ABSENT, KEPT, Seen, to_row, to_seen, to_tried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from longshore.identity import TaskId
    from longshore.protocol import Finished, Outcome
    from longshore.queue import Delivery
    from longshore.task import Attempt, Task
    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.keys import Keys

A = TypeVar("A")
R = TypeVar("R")

Decision: TypeAlias = "tuple[Task | None, R, Attempt | None]"
Rule: TypeAlias = "Callable[[Task | None, A, datetime], Decision[R]]"
Move: TypeAlias = "tuple[Delivery, bytes, bytes | int]"
"""A delivery, what becomes of it, and what that needs."""

NO_MOVE: Final = (0, b"", b"", b"", b"", b"")


@dataclass(frozen=True, slots=True)
class Verb(Generic[A, R]):
    """What a verb of the log does to a row: whose, how it decides, and what becomes of a message.

    With `whole` it is given bodies, and answers rows that have them.
    """

    key: Callable[[A], TaskId]
    rule: Rule[A, R]
    move: Callable[[A, R], Move | None] = lambda _asked, _answer: None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Draft(Generic[R]):
    """A decision about to be written: about which item, over which row, and its answer."""

    place: int
    seen: Seen
    after: Task
    answer: R
    attempt: Attempt | None


class Queues:
    """The queues that a script is given, each once, in the order they are first asked for."""

    def __init__(self, keys: Keys) -> None:
        """Start without one."""
        self._keys = keys
        self._places: dict[str, int] = {}

    def place(self, name: str) -> int:
        """Give the number that a script knows a queue by."""
        return self._places.setdefault(name, len(self._places) + 1)

    def keys(self) -> list[bytes]:
        """The keys of all of them, behind those of the log."""
        keys = [*self._keys.common, *self._keys.log]
        for name in self._places:
            keys += self._keys.queue(name)
        return keys

    def names(self) -> list[bytes | int]:
        """How many, and their names."""
        return [len(self._places), *map(raw, self._places)]


class Ledger:
    """Decides and writes rows of an open server."""

    def __init__(self, connection: Connection) -> None:
        """Serve one connection."""
        self._connection = connection
        self._keys = (*connection.keys.common, *connection.keys.log)

    async def seen(
        self, ids: Iterable[TaskId], *, whole: bool
    ) -> tuple[datetime, dict[TaskId, Seen]]:
        """Read rows as they stand, and the time."""
        wanted = list(dict.fromkeys(ids))
        asked = b"bodies" if whole else b""
        now, *found = await self._connection.run(scripts.READ, self._keys, asked, *map(raw, wanted))
        rows = found[::2] if whole else found
        bodies = found[1::2] if whole else [KEPT] * len(found)
        seen = {
            task_id: ABSENT if row is None else to_seen(task_id, row, body or b"")
            for task_id, row, body in zip(wanted, rows, bodies, strict=True)
        }
        return moment(int(now)), seen

    async def decide(self, verb: Verb[A, R], asked: Sequence[A]) -> list[R]:
        """Do a verb to each; of two for one task, the second sees what the first left."""
        answers: dict[int, R] = {}
        while len(answers) < len(asked):
            turn: dict[TaskId, int] = {}
            for place, one in enumerate(asked):
                if place not in answers:
                    turn.setdefault(verb.key(one), place)
            now, seen = await self.seen(turn, whole=verb.whole)
            drafts: list[_Draft[R]] = []
            for task_id, place in turn.items():
                after, answer, attempt = verb.rule(seen[task_id].task, asked[place], now)
                if after is None:
                    answers[place] = answer
                else:
                    drafts.append(_Draft(place, seen[task_id], after, answer, attempt))
            answers |= await self._write(verb, asked, drafts)
        return [answers[place] for place in range(len(asked))]

    async def _write(
        self, verb: Verb[A, R], asked: Sequence[A], drafts: Sequence[_Draft[R]]
    ) -> dict[int, R]:
        """Write what was decided; where another writer was faster nothing is answered."""
        if not drafts:
            return {}
        queues, arguments = Queues(self._connection.keys), list[bytes | int]()
        for draft in drafts:
            arguments += _row(draft.seen, draft.after, draft.attempt)
            arguments += _move(verb.move(asked[draft.place], draft.answer), queues)
        given = (*queues.names(), *arguments)
        done = await self._connection.run(scripts.WRITE, queues.keys(), *given)
        return {
            draft.place: draft.answer for draft, wrote in zip(drafts, done, strict=True) if wrote
        }


def _row(seen: Seen, after: Task, attempt: Attempt | None) -> list[bytes | int]:
    tried = (b"", b"") if attempt is None else (attempt.token, to_tried(attempt))
    return [raw(after.id), seen.version, to_row(after, seen), _body(seen, after), *tried]


def _body(seen: Seen, after: Task) -> bytes:
    before = None if seen.task is None else seen.task.body
    if after.body is before:
        return b""
    return b"-" if after.body is None else b"=" + after.body


def _move(move: Move | None, queues: Queues) -> Iterable[bytes | int]:
    if move is None:
        return NO_MOVE
    delivery, verb, value = move
    return (queues.place(delivery.queue), verb, *receipt_of(delivery), value)


def move_of(outcome: Outcome, delivery: Delivery | None, answer: Finished) -> Move | None:
    """Say what becomes of the message an attempt came with."""
    if delivery is None or answer.settle is Settle.LEAVE:
        return None
    if answer.settle is Settle.ACK:
        return delivery, b"ack", b""
    if answer.settle is Settle.RELEASE:
        return delivery, b"release", span(answer.delay)
    return delivery, b"reject", why(rejection_of(outcome, delivery, answer))
