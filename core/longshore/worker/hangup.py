"""What a HUP means: begin anew; but where the terminal has gone, an end; and nothing, under nohup.

Beginning anew keeps the process: it finishes as in a drain, and executes its own command again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import NoReturn

HELD_BACK: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""Signals that wait while one program takes the other's place, and are heard by the new one."""

_TERMINAL: Final = "/dev/tty"
_OUTPUTS: Final = (1, 2)


class Hangup:
    """Made at the start, asked when a HUP has come."""

    def __init__(self) -> None:
        """Remember what there is at the start."""
        self._on_terminal = _has_terminal()
        self._written_to = [number for number in _OUTPUTS if os.isatty(number)]
        self.ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def reloads(self) -> bool:
        """Whether somebody asked for it; False where the terminal went away."""
        return not self.let_go()

    def let_go(self) -> bool:
        """Whether the terminal has gone; what is written to it goes nowhere from then on."""
        gone = self._on_terminal and not _has_terminal()
        if gone and self._written_to:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for number in self._written_to:
                os.dup2(nowhere, number)
            os.close(nowhere)
            self._written_to = []
        return gone


def begin_anew() -> NoReturn:
    """Execute the command line of this process again, under the same process id."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own command line, as it was given


def _has_terminal() -> bool:
    """Whether a terminal controls this process; one that has hung up cannot be opened."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
