"""Folders that are made once and kept: each knows what it was made of."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = Path(__file__).resolve().parents[2] / ".cache" / "programs"
MADE_OF = "made-of.sha256"


def is_made(folder: Path, source: Path) -> bool:
    """Tell whether the folder was made, to its end, of what the source now says."""
    try:
        return (folder / MADE_OF).read_text(encoding="utf-8") == _digest(source)
    except OSError:
        return False


def make(folder: Path, source: Path, fill: Callable[[], object]) -> None:
    """Empty the folder and fill it, unless it is made; one process at a time. Idempotent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if is_made(folder, source):
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        fill()
        (folder / MADE_OF).write_text(_digest(source), encoding="utf-8")


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()
