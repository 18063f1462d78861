"""Who is measured: a module with a task and a producer, and the command of its worker."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A library, or a way to use it. `needs` are its modules; `given` goes to the environment.

    One that is `slower` is given so many times fewer tasks to drain.
    """

    name: str
    text: str
    module: str
    work: tuple[str, ...]
    needs: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict[str, str])
    slower: int = 1

    @property
    def command(self) -> list[str]:
        """Run its worker."""
        return [sys.executable, *self.work]

    @property
    def is_installed(self) -> bool:
        """Whether it can be measured here."""
        return all(find_spec(name) for name in self.needs)


def names(contenders: Sequence[Contender]) -> list[tuple[str, str]]:
    """Each contender's name and what it is called in the table."""
    return [(one.name, one.text) for one in contenders]
