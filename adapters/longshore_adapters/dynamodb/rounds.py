"""A batch on its way: whose turn it is, what was decided, and what is about to be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from longshore_adapters.dynamodb.parts import dropped, keys_of
from longshore_adapters.dynamodb.scalars import text
from longshore_adapters.dynamodb.statements import inserting, updating

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.identity import TaskId
    from longshore.task import Attempt, Task
    from longshore_adapters.dynamodb.drafting import Draft
    from longshore_adapters.dynamodb.scalars import Item
    from longshore_adapters.dynamodb.statements import Write
    from longshore_adapters.dynamodb.wire import Seen

A = TypeVar("A")
R = TypeVar("R")

Decision: TypeAlias = "tuple[Task | None, R, Attempt | None]"
Rule: TypeAlias = "Callable[[Task | None, A, datetime], Decision[R]]"


@dataclass(frozen=True, slots=True)
class Verb(Generic[A, R]):
    """What a verb of the log does to a row: whose, how it decides, and what it says of too much.

    `inserts` marks a verb that changes nothing but what it inserts itself: once its own row is
    found, nothing is left to decide.
    """

    key: Callable[[A], TaskId]
    rule: Rule[A, R]
    too_large: Callable[[A, Task | None, LongshoreError], R]
    inserts: bool = False


@dataclass(slots=True)
class Pending(Generic[R]):
    """A decision about to be written."""

    task_id: TaskId
    seen: Seen
    after: Task
    answer: R
    made: Draft

    def write(self) -> Write:
        """Write under what was seen: the version, and the lease, which renewals move alone."""
        before = self.seen.item
        if not before:
            return inserting(self.made.item)
        where = {"v": before["v"]}
        if not self.seen.sure:
            if "d" not in before:
                where["a"] = before["a"]
        elif "l" in before:
            where["l"] = before["l"]
        return updating(before, self.made.item, where)

    def stands(self, round_: Round[Any, R]) -> bool:
        """Whether a refused write was done all the same, and its answer lost on the way."""
        item, wanted = round_.rows[self.task_id].item, self.made.item
        names = ("o",) if round_.verb.inserts else ("v", "a", "u")
        same = all(item.get(name) == wanted.get(name) for name in names)
        return same and (bool(self.seen.item) or item.get("o") == wanted.get("o"))

    def own_parts(self, standing: Item) -> list[Item]:
        """Name the parts that were written for nothing.

        The row that stands may refer to them all the same: this write was done, its answer was
        lost, and somebody wrote after it. Details of attempts may be folded away; they stay.
        """
        said = str(standing)
        parts = [part for part in self.made.parts if part.reference not in said]
        keys = [key for part in parts if part.name != "t" for key in keys_of(part.reference)]
        return [{"p": self.made.item["p"], "s": text(key)} for key in keys]

    def dropped_parts(self) -> list[Item]:
        """Name the parts that the row let go of."""
        keys = dropped(self.seen.item, self.made.item)
        return [{"p": self.made.item["p"], "s": text(key)} for key in keys]


class Round(Generic[A, R]):
    """A batch in turns: in each, one item of every task that still has some."""

    def __init__(self, verb: Verb[A, R], asked: Sequence[A], rows: dict[TaskId, Seen]) -> None:
        self.verb = verb
        self.asked = asked
        self.rows = rows
        self.done: dict[int, R] = {}
        self.turn: dict[TaskId, int] = {}

    def turns(self) -> bool:
        """Choose whose turn it is; False where all is answered."""
        self.turn = {}
        for place, item in enumerate(self.asked):
            if place not in self.done:
                self.turn.setdefault(self.verb.key(item), place)
        return bool(self.turn)

    def answers(self) -> list[R]:
        """Give the answers in the order asked."""
        return [self.done[place] for place in range(len(self.asked))]
