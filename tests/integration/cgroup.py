"""A memory cgroup of a test's own, below the one that the test itself is in.

So its limit is beside whatever limits the machine has set, and never instead of it.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MEBIBYTE: Final = 1024**2
_PATIENCE: Final = 10.0
_ENTER: Final = ("sh", "-c", 'echo $$ > "$0" && exec "$@"')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """How a version of the interface names things. No swap: it would take what is to be killed."""

    limit: str
    no_swap: tuple[str, str]
    events: str


_OLD: Final = _Files(
    limit="memory.limit_in_bytes",
    no_swap=("memory.swappiness", "0"),
    events="memory.oom_control",
)
_NEW: Final = _Files(limit="memory.max", no_swap=("memory.swap.max", "0"), events="memory.events")


@dataclass(frozen=True, slots=True)
class Group:
    """A cgroup whose processes together have so much memory, and no more."""

    folder: Path
    files: _Files

    @property
    def entering(self) -> tuple[str, ...]:
        """What to put before a command, to run it inside with all that it starts."""
        return (*_ENTER, str(self.folder / "cgroup.procs"))

    @property
    def kills(self) -> int:
        """How many of its processes the kernel has killed because they took too much."""
        lines = (self.folder / self.files.events).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


@contextmanager
def memory_group(mebibytes: int) -> Generator[Group | None]:
    """Make a cgroup and remove it; None where this machine lets nobody make one."""
    group = next(filter(None, (_made(*place, mebibytes) for place in _places())), None)
    try:
        yield group
    finally:
        if group is not None:
            _remove(group.folder)


def _made(parent: Path, files: _Files, mebibytes: int) -> Group | None:
    folder = None
    try:
        folder = Path(mkdtemp(prefix="longshore-", dir=parent))
        (folder / files.limit).write_text(str(mebibytes * MEBIBYTE))
        name, text = files.no_swap
        if (folder / name).exists():
            (folder / name).write_text(text)
        group = Group(folder, files)
        _ = group.kills
        subprocess.run([*group.entering, "true"], check=True, capture_output=True)
    except (OSError, StopIteration, subprocess.CalledProcessError):
        if folder is not None:
            _remove(folder)
        return None
    return group


def _remove(folder: Path) -> None:
    """Remove it when its last process has gone; who leaves one there fails."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _places() -> Iterator[tuple[Path, _Files]]:
    """Where a group could be made: below our own, or the next above that shares memory out."""
    mounts = [line.split() for line in _lines("/proc/self/mounts")]
    own = dict(line.split(":", 2)[1:] for line in _lines("/proc/self/cgroup"))
    for _, point, kind, options, *_ in mounts:
        if kind == "cgroup" and "memory" in options.split(",") and "memory" in own:
            yield Path(point) / own["memory"].lstrip("/"), _OLD
        if kind == "cgroup2" and "" in own:
            below = Path(point) / own[""].lstrip("/")
            for parent in (below, *below.parents):
                with suppress(OSError):
                    if "memory" in (parent / "cgroup.subtree_control").read_text().split():
                        yield parent, _NEW


def _lines(path: str) -> list[str]:
    with suppress(OSError):
        return Path(path).read_text().splitlines()
    return []
