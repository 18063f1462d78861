"""Being told of writes: often enough to see the end of a commit, and not without end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from longshore_adapters.sqlite.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REST = 0.004
FOLLOWED = 0.1
DEADLINE = 20.0


@pytest.mark.skipif(sys.platform != "linux", reason="nothing tells of writes there")
def test_a_write_is_followed_for_a_tenth_of_a_second_by_a_few_looks(tmp_path: Path) -> None:
    file = tmp_path / "wal"
    file.touch()
    looks: list[float] = []
    watch = Watch(str(file), REST)
    watch.begin(lambda: looks.append(time.monotonic()))
    assert watch.arm()

    file.write_bytes(b"a frame")
    until(lambda: bool(looks) and looks[-1] - looks[0] >= FOLLOWED)
    settled = time.monotonic() + FOLLOWED
    until(lambda: time.monotonic() >= settled)
    watch.close()

    assert 5 <= len(looks) <= 12


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it has not come to be"
        time.sleep(0.002)
