"""What one attempt in a child process may use of memory and processor, by the kernel's limits.

Memory is RLIMIT_DATA: what the process may write to and shares with nobody. RLIMIT_AS would count
every mapped library and all that allocators and threads only reserve, several times what is used.
Both are soft limits, so that the next attempt in the same process can have others. Linux keeps
them; other systems may not count all of the memory.
"""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longshore.worker.outcome import MemoryLimitError

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import timedelta

_STATM: Final = Path("/proc/self/statm")
_DATA: Final = 5
"""The field of statm that counts private memory that can be written to, in pages."""


@contextmanager
def limited(memory: int | None, cpu: timedelta | None) -> Generator[None]:
    """Limit this process meanwhile: allocations fail above `memory` bytes, `cpu` ends it.

    Processor time is counted from now on, for all threads, and rounded up to a whole second of
    the process's own: at its end comes SIGXCPU, which nothing here catches. `MemoryLimitError`
    where the process has more than `memory` already.
    """
    with ExitStack() as stack:
        if memory is not None:
            if (held := private()) >= memory:
                raise MemoryLimitError(memory, held)
            stack.enter_context(_soft(resource.RLIMIT_DATA, memory))
        if cpu is not None:
            end = ceil(time.process_time() + cpu.total_seconds())
            stack.enter_context(_soft(resource.RLIMIT_CPU, end))
        yield


def private() -> int:
    """Bytes that this process may write to and shares with nobody; 0 where nothing says so."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[_DATA])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()


@contextmanager
def _soft(which: int, value: int) -> Generator[None]:
    """Set a soft limit, at most the hard one, and the former one again."""
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))
