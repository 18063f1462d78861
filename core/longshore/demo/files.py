"""Real files, and how their names travel: percent-encoded bytes, so that any name is JSON."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_SKIPPED: Final = frozenset(
    {".git", ".cache", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
    | {"__pycache__", "node_modules", "dist"}
)
_VENV: Final = ".venv"
_PLAIN: Final = " /!#$&'()*+,;=:@[]~"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one task says of its file. Sizes are bytes; a line is counted by its end."""

    sha256: str
    size: int
    lines: int


def files_under(root: Path) -> Iterator[Path]:
    """List regular files, in order of their names; caches and environments are left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED and not name.startswith(_VENV)
        )
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def to_text(path: Path) -> str:
    """Write a path so that JSON can hold it, whatever bytes its name has."""
    return quote_from_bytes(os.fsencode(path), safe=_PLAIN)


def from_text(text: str) -> Path:
    """Read what `to_text` wrote."""
    return Path(os.fsdecode(unquote_to_bytes(text)))


def measure(path: Path) -> Measured:
    """Read a file once, a megabyte at a time."""
    digest = hashlib.sha256()
    size = lines = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
    return Measured(sha256=digest.hexdigest(), size=size, lines=lines)
