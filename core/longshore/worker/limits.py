"""When a worker process has lived or grown enough, and is to be replaced."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from longshore.worker.options import WorkerOptions

_MB: Final = 1024 * 1024
_STATM: Final = Path("/proc/self/statm")


def exceeded(options: WorkerOptions, age: float) -> str | None:
    """Name what ends the worker: `max_time`, `memory` or `stop_file`; None while nothing does."""
    if options.max_time is not None and age >= options.max_time.total_seconds():
        return "max_time"
    if options.memory_limit is not None and resident() > options.memory_limit * _MB:
        return "memory"
    if options.stop_file is not None and options.stop_file.exists():
        return "stop_file"
    return None


def resident() -> int:
    """Bytes of memory this process has resident; where /proc is missing, the most it had."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
