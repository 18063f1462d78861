"""What the figures were measured on: they mean little without it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from longshore.bench import neighbour
from longshore.bench.floor import SQLITE_VERSION
from longshore.bench.site import CONCURRENCY

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine, its software, and the settings of the measurements."""

    date: str
    system: str
    processor: str
    cores: int
    memory: int
    load: float
    storage: str
    python: str
    sqlite: str
    huey: str
    settings: str


def describe(folder: Path, now: datetime) -> Host:
    """Describe this machine, and the storage that `folder` is on."""
    return Host(
        date=now.isoformat(timespec="seconds"),
        system=f"{platform.system()} {platform.release()} ({platform.machine()})",
        processor=_processor(),
        cores=_cores(),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        load=os.getloadavg()[0],
        storage=_storage(folder),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        sqlite=SQLITE_VERSION,
        huey=neighbour.version(),
        settings=f"WAL, synchronous NORMAL, full log, validation on, concurrency {CONCURRENCY}",
    )


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _storage(folder: Path) -> str:
    """Name the file system that holds a folder, and its device: the longest mount that fits."""
    found = ("unknown", "", "")
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        device, mounted, kind, *_ = line.split()
        if folder.is_relative_to(mounted) and len(mounted) >= len(found[2]):
            found = (kind, device, mounted)
    return f"{found[0]} on {found[1]}" if found[1] else found[0]
