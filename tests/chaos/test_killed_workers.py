"""What a killed worker leaves behind."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from longshore import Longshore
from longshore.bench.command import environment, running, work
from longshore.chaos.run import APP
from longshore.chaos.tasks import in_a_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE = 20.0
FOR_EVER = 600.0


def test_the_child_processes_of_a_killed_worker_end_with_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db"
    with Longshore(url=url) as app:
        app.enqueue_many([in_a_child.message(FOR_EVER)])
    with running("a worker", work(), tmp_path, environment(url, app=APP)) as worker:
        until((tmp_path / "journal.txt").exists)
        children = psutil.Process(worker.pid).children(recursive=True)
        assert children, "the task runs in no child process"

        os.kill(worker.pid, signal.SIGKILL)

        try:
            until(lambda: all(has_ended(each) for each in children))
        finally:
            end(children)


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more; where nobody takes in orphans it stays behind as a zombie."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def end(processes: list[psutil.Process]) -> None:
    """Leave none behind where the promise is broken."""
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it has not come to be"
        time.sleep(0.02)
