"""Dead letters: looked through, sent again, removed, on every broker alike (protocol.md §10)."""

from longshore.deadletters.fate import Fate, Redriven, fate_of
from longshore.deadletters.letter import Letter, LetterQuery, read
from longshore.deadletters.pace import Pace
from longshore.deadletters.shelf import DeadLetters

__all__ = [
    "DeadLetters",
    "Fate",
    "Letter",
    "LetterQuery",
    "Pace",
    "Redriven",
    "fate_of",
    "read",
]
