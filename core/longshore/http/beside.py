"""The process that answers for several worker processes, as the supervisor keeps it."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longshore.http.front import Crowd
from longshore.http.listening import listen_at
from longshore.http.server import Server
from longshore.worker.pulse import interval

if TYPE_CHECKING:
    import socket

    from longshore.worker.liveness import Bounds

_log = logging.getLogger("longshore.http")
_DEAF: Final = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT),
    *(signal.SIGHUP, signal.SIGUSR2),
)
"""Signals are the supervisor's matter: the process ends with it, and answers until then."""
_PAUSE: Final = 1.0
_BROKEN: Final = 70
_STAMP: Final = struct.Struct("d")


class Beside:
    """Forks the process, forks it again where it has died, and ends it.

    Forks: call from a process without threads. The line
    to the process says by its end that the supervisor is gone; the stamp, when it last came round.
    """

    def __init__(self, listener: socket.socket, bounds: Bounds) -> None:
        """Start nothing yet."""
        self._listener = listener
        self._bounds = bounds
        self._pid: int | None = None
        self._line: int | None = None
        self._due = 0.0
        self._stamp = mmap.mmap(-1, _STAMP.size)
        self._folder = Path(tempfile.mkdtemp(prefix="longshore-admin-"))

    @property
    def every(self) -> float:
        """How often to come round: often enough that none thinks the supervisor stands still."""
        return interval(self._bounds.stall)

    def tend(self) -> None:
        """Come round: say so, and see to it that the process is there."""
        now = time.monotonic()
        _STAMP.pack_into(self._stamp, 0, now)
        if self._pid is not None and os.waitpid(self._pid, os.WNOHANG)[0]:
            _log.warning("the admin process has died, and is started again")
            self._forget()
            self._due = now + _PAUSE
        if self._pid is None and now >= self._due:
            self._start()

    def listen(self, place: int) -> socket.socket:
        """Listen in the worker process of a place."""
        return listen_at(self._folder / str(place))

    def vacate(self, place: int) -> None:
        """Forget the socket of a worker process that has ended."""
        (self._folder / str(place)).unlink(missing_ok=True)

    def close_in_child(self) -> None:
        """Close in a worker process what is not its own: else the line would not end."""
        if self._line is not None:
            os.close(self._line)
        self._listener.close()

    def end(self) -> None:
        """End the process and wait for it; take the folder away."""
        if self._pid is not None:
            pid = self._pid
            self._forget()
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _forget(self) -> None:
        if self._line is not None:
            os.close(self._line)
        self._pid = self._line = None

    def _start(self) -> None:
        theirs, ours = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEAF)
        pid = os.fork()
        if not pid:
            os.close(ours)
            self._become(theirs)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs)
        self._pid, self._line = pid, ours

    def _become(self, line: int) -> None:
        """Answer in the new process until the line ends; never returns."""
        code = _BROKEN
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for each in _DEAF:
                signal.signal(each, signal.SIG_IGN)
            for each in (signal.SIGCHLD, signal.SIGCONT):
                signal.signal(each, signal.SIG_DFL)
            asyncio.run(self._answer(line))
            code = 0
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
            _log.exception("the admin process failed")
        finally:
            logging.shutdown()
            os._exit(code)

    async def _answer(self, line: int) -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().add_reader(line, over.set)
        crowd = Crowd(self._folder, self._bounds, self._silent_for)
        serving = asyncio.ensure_future(Server(self._listener, crowd.answers()).serve())
        await over.wait()
        serving.cancel()

    def _silent_for(self) -> float:
        (stamp,) = _STAMP.unpack_from(self._stamp, 0)
        return max(time.monotonic() - float(stamp), 0.0)
