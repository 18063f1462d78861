"""Which of the dead letters that a look takes are kept, and when it has seen enough. Pure.

Letters come in the order in which their copies arrived, nearly that in which they died. What is not
kept costs no memory here, and is back in the queue when the look ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.queue import DeadLetter

OUT_OF_ORDER: Final = 2000
"""How many letters behind a full page are looked at as well: some may have died before."""


class Sieve(Protocol):
    """What a look is for."""

    @property
    def enough(self) -> bool:
        """Whether no further letter is wanted."""
        ...

    def add(self, letter: DeadLetter, tag: int) -> None:
        """Keep a letter, or pass it over."""
        ...

    def clear(self) -> None:
        """Forget what was kept: it is back."""
        ...


class Page:
    """The first letters past an id, in the order they died."""

    def __init__(self, *, limit: int, after: str | None) -> None:
        """Keep none yet."""
        self._limit = limit
        self._after = after or ""
        self._kept: list[DeadLetter] = []

    @property
    def enough(self) -> bool:
        """A full page, and as many again as may be out of order."""
        return len(self._kept) >= self._limit + OUT_OF_ORDER

    def add(self, letter: DeadLetter, tag: int) -> None:
        """Keep what is past the id."""
        del tag
        if letter.id > self._after:
            self._kept.append(letter)

    def clear(self) -> None:
        """Begin again."""
        self._kept.clear()

    @property
    def letters(self) -> Sequence[DeadLetter]:
        """The page."""
        return sorted(self._kept, key=lambda one: one.id)[: self._limit]


class Pick:
    """Letters by their ids, each with its tag."""

    def __init__(self, ids: Sequence[str]) -> None:
        """Have found none yet."""
        self._ids = frozenset(ids)
        self._found: dict[str, tuple[DeadLetter, int]] = {}

    @property
    def enough(self) -> bool:
        """All of them."""
        return len(self._found) == len(self._ids)

    def add(self, letter: DeadLetter, tag: int) -> None:
        """Keep what is asked for."""
        if letter.id in self._ids:
            self._found[letter.id] = (letter, tag)

    def clear(self) -> None:
        """Begin again."""
        self._found.clear()

    @property
    def found(self) -> Sequence[tuple[DeadLetter, int]]:
        """What there was of them."""
        return list(self._found.values())
