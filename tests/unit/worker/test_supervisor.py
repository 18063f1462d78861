"""A parent of worker processes, in a process of its own: it forks, and hears signals."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

pytestmark = pytest.mark.timeout(120)


def supervised(script: str) -> str:
    """Run a script that counts its forks in `forks`, and answer what it printed."""
    head = """
        import errno, os
        from longshore.worker import supervisor

        forks, fork = [], os.fork

        def counted():
            forks.append(len(forks))
            return fork()

        os.fork = counted
        supervisor.FIRST_PAUSE = supervisor.LONGEST_PAUSE = 0.0
    """
    program = dedent(head) + dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_child_that_fails_all_night_is_still_replaced_in_the_morning() -> None:
    """Half a minute apart, after the first: that often in nine hours."""
    said = supervised("""
        print(supervisor.Supervisor(lambda *_: len(forks) <= 1100, 1).run(), len(forks))
    """)

    assert said == "0 1101"


def test_a_process_that_cannot_be_forked_now_is_forked_later() -> None:
    said = supervised("""
        def refused():
            if len(forks) == 1:
                forks.append("refused")
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return counted()

        os.fork = refused
        print(supervisor.Supervisor(lambda *_: 0, 2).run(), forks)
    """)

    assert said == "0 [0, 'refused', 2]"
