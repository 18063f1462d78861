"""Being told by the system that somebody has written to a file, where it tells (Linux: inotify).

A commit of any process goes into the log file beside the database. Without being told one has to
look every few milliseconds, and it is the looking that costs: on a small virtual machine a
thread that only sleeps for four milliseconds, again and again, takes one percent of a core.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_MODIFY: Final = 0x2
_IN_ONESHOT: Final = 0x8000_0000
_EVENTS_AT_ONCE: Final = 65_536
_SHORT_COMMIT: Final = 0.0005
_LONGEST_COMMIT: Final = 0.1


class Watch:
    """Tells that a file was written to.

    It tells of one write each time it is armed, so that a file nobody waits for costs nothing,
    however much is written to it. Who is told arms it again, and then looks. The first write of a
    commit is not its end, which no write tells: so it tells again soon after, and then after
    `rest` seconds and twice as long each time, for a tenth of a second. Every commit is followed
    so, one's own among them, and most of what an idle worker does is to look in vain.
    """

    def __init__(self, path: str, rest: float) -> None:
        """Watch nothing yet."""
        self._path = os.fsencode(path)
        self._rest = rest
        self._inotify = -1
        self._end = -1
        self._libc: ctypes.CDLL | None = None

    def begin(self, tell: Callable[[], None]) -> None:
        """Start, where the system can tell; `tell` is called in a thread of the watch's own."""
        if sys.platform != "linux":
            return
        self._libc = ctypes.CDLL(None, use_errno=True)
        with suppress(AttributeError):  # a C library without it
            self._inotify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify >= 0:
            self._end = os.eventfd(0)
            threading.Thread(
                target=self._main,
                args=(tell, self._inotify, self._end),
                name="longshore watch",
                daemon=True,
            ).start()

    def arm(self) -> bool:
        """Watch for the next write; False where the system will not tell. Idempotent."""
        if self._libc is None or self._inotify < 0:
            return False
        mask = _IN_MODIFY | _IN_ONESHOT
        watched: int = self._libc.inotify_add_watch(self._inotify, self._path, mask)
        return watched >= 0

    def close(self) -> None:
        """End the thread. Idempotent."""
        if sys.platform == "linux" and self._end >= 0:
            os.eventfd_write(self._end, 1)
        self._inotify = self._end = -1

    def _main(self, tell: Callable[[], None], inotify: int, end: int) -> None:
        poll = select.poll()
        poll.register(inotify, select.POLLIN)
        poll.register(end, select.POLLIN)
        wait: float | None = None
        while True:
            ready = [number for number, _ in poll.poll(wait and wait * 1000)]
            if end in ready:
                break
            tell()
            if inotify in ready:
                os.read(inotify, _EVENTS_AT_ONCE)
                time.sleep(_SHORT_COMMIT)
                tell()
                time.sleep(self._rest)
                wait = self._rest
            elif wait is not None:
                wait = 2 * wait if wait < _LONGEST_COMMIT / 2 else None
        os.close(inotify)
        os.close(end)
