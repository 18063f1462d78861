"""Where the programs of servers come from: Debian's packages, a venv, or npm.

What pip and npm fetch is named by a lock with hashes, and is kept in `.cache/programs`, so that it
is fetched once; another lock makes it anew.
"""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from tests.brokers.interpreters import interpreter
from tests.brokers.kept import KEPT, is_made, make
from tests.brokers.shell import CannotStartError, ran

ROOT = Path(__file__).resolve().parents[2]


class Source(Protocol):
    """Finds a program, and can fetch it where that is allowed."""

    @property
    def needs(self) -> str:
        """What a person would install, for whom nothing here can."""
        ...

    @property
    def folder(self) -> Path:
        """Where what is fetched lies."""
        ...

    def find(self, word: str) -> str | None:
        """The path of the program; None where it is not installed."""
        ...

    def install(self) -> None:
        """Fetch it. Idempotent. Raises `CannotStartError`, which says why not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """A package of Debian's.

    `places` are searched before the PATH: Debian keeps some servers out of it, or wraps them.
    """

    package: str
    places: tuple[str, ...] = ()
    folder: Path = Path("/")
    one_at_a_time: ClassVar[threading.Lock] = threading.Lock()

    @property
    def needs(self) -> str:
        return self.package

    def find(self, word: str) -> str | None:
        places = [str(found) for place in self.places for found in self.folder.glob(place[1:])]
        return shutil.which(
            word, path=os.pathsep.join([*places, os.environ.get("PATH", os.defpath)])
        )

    def install(self) -> None:
        if not shutil.which("apt-get"):
            raise CannotStartError("there is no apt-get to install it with")
        if os.geteuid() != 0:
            raise CannotStartError(f"only root may run apt-get install {self.package}")
        words = ["apt-get", "install", "--yes", "--no-install-recommends", self.package]
        with self.one_at_a_time:  # dpkg has one lock, and whoever comes second fails
            ran(["apt-get", "update"], otherwise="apt-get update failed")
            ran(words, otherwise=f"apt-get install {self.package} failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Venv:
    """A venv of its own, made from `requirements/<lock>.txt`.

    `pythons` are the versions that the lock holds for, the best first; none means the Python in
    use. `places` are environments of this checkout that may have the program already.
    """

    lock: str
    pythons: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    kept: Path = KEPT

    @property
    def needs(self) -> str:
        return f"Python {' or '.join(self.pythons)}" if self.pythons else f"{self.lock} in .venv"

    @property
    def folder(self) -> Path:
        return self.kept / self.lock

    def find(self, word: str) -> str | None:
        own = [self.folder] if is_made(self.folder, self._lock) else []
        found = [each / "bin" / word for each in [*(ROOT / each for each in self.places), *own]]
        return next((str(each) for each in found if each.exists()), None)

    def install(self) -> None:
        make(self.folder, self._lock, self._fill)

    def _fill(self) -> None:
        python = interpreter(self.pythons)
        ran([python, "-m", "venv", str(self.folder)], otherwise=f"{python} made no venv")
        pip = [str(self.folder / "bin/python"), "-m", "pip", "install", "--quiet"]
        wanted = ["--no-deps", "--require-hashes", "-r", str(self._lock)]
        ran([*pip, *wanted], otherwise=f"pip did not install {self._lock.name}")

    @property
    def _lock(self) -> Path:
        return ROOT / "requirements" / f"{self.lock}.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a package-lock.json names, for a program that `runs_on` java or node."""

    name: str
    lock: Path
    runs_on: str
    needs: str
    kept: Path = KEPT

    @property
    def folder(self) -> Path:
        return self.kept / self.name

    def find(self, word: str) -> str | None:
        return shutil.which(word) if is_made(self.folder, self.lock) else None

    def install(self) -> None:
        if not shutil.which(self.runs_on):
            raise CannotStartError(f"{self.runs_on} is not installed")
        make(self.folder, self.lock, self._fill)

    def _fill(self) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(self.lock.with_name(name), self.folder)
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran(words, otherwise=f"npm did not install {self.name}", folder=self.folder)
