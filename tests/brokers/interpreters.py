"""A Python of a version that a server runs on, wherever this machine keeps it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.brokers.shell import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def interpreter(versions: Sequence[str]) -> str:
    """The first that is there, in the order of the versions; with none, the Python in use."""
    if not versions:
        return sys.executable
    for version in versions:
        for each in _candidates(version):
            if _version(each) == version:
                return each
    raise CannotStartError(f"there is no Python {' or '.join(versions)}")


def _candidates(version: str) -> Iterator[str]:
    """In use, on the PATH, in pyenv, or beside the one in use; most of them are not there."""
    yield sys.executable
    yield shutil.which(f"python{version}") or ""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in (pyenv / "versions", Path(sys.base_prefix).parent):
        yield from sorted(map(str, folder.glob(f"{version}*/bin/python3")))


def _version(python: str) -> str | None:
    """Asked, because a pyenv shim may stand for nothing."""
    if not python:
        return None
    asked = subprocess.run([python, "-c", VERSION], capture_output=True, check=False, text=True)
    return asked.stdout.strip()
