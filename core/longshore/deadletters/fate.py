"""What becomes of a dead letter that is sent again: its task's row decides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from longshore.task import FINAL, TaskState

if TYPE_CHECKING:
    from longshore.deadletters.letter import Letter
    from longshore.task import Task


class Fate(StrEnum):
    """What a redrive does, or did, with a letter."""

    RETRIED = "retried"
    """Its task is queued again, as a new run; the letter goes."""
    MOVED = "moved"
    """The log does not say that its task failed: the message itself goes back."""
    SETTLED = "settled"
    """Its task has succeeded, or was run again since: only the letter goes."""
    REFUSED = "refused"
    """It stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What became of one letter; `why` it was refused."""

    letter: Letter
    fate: Fate
    why: str = ""


def fate_of(letter: Letter, row: Task | None) -> Redriven:
    """Decide what a redrive does with a letter, by its task's row.

    A letter of a run that has a later one was answered by that one: otherwise a redrive that is
    repeated after a crash would run the task once more. Without a stamp the broker itself put it
    there, and it may be the only message of a task that waits: it goes back.
    """
    stamp = letter.dead.stamp
    if row is None:
        return Redriven(letter=letter, fate=Fate.MOVED)
    if row.state is TaskState.SUCCEEDED or (stamp is not None and stamp < row.run):
        return Redriven(letter=letter, fate=Fate.SETTLED)
    if row.state not in FINAL:
        return Redriven(letter=letter, fate=Fate.MOVED)
    if row.state is TaskState.FAILED:
        return Redriven(letter=letter, fate=Fate.RETRIED)
    why = f"its task is {row.state.value}; to run it all the same: longshore retry {row.id}"
    return Redriven(letter=letter, fate=Fate.REFUSED, why=why)
