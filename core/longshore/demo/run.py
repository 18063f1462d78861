"""The demo itself: enqueue, start workers, watch, stop them, and read the log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from longshore.demo.app import always_fails, measure_file
from longshore.demo.files import files_under, to_text
from longshore.errors import LongshoreError
from longshore.queue import Outgoing, SupportsDeadLetters
from longshore.task import FINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from longshore.app import Longshore
    from longshore.draft import Draft
    from longshore.identity import TaskId
    from longshore.queue import DeadLetter
    from longshore.session import Live

QUEUE: Final = "default"
UNREADABLE: Final = b"\x00 this is not a task message"
DEAD: Final = 2
"""Dead letters to expect: the message that cannot be read, the task that always fails."""

_LOOK: Final = 0.1
_WORKER_ENDS: Final = 30.0


class DemoError(LongshoreError):
    """The demo did not come to its end."""


@dataclass(slots=True, kw_only=True)
class Demo:
    """One run over the files of a folder, in a database of its own."""

    root: Path
    database: Path
    workers: int = 2
    kill: bool = False
    files: list[Path] = field(default_factory=list["Path"])
    unreadable: list[str] = field(default_factory=list[str])
    failing: TaskId | None = None
    seconds: float = 0.0
    killed_after: int | None = None

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"sqlite:///{self.database}"

    @property
    def log(self) -> Path:
        """Where the workers write what they say."""
        return self.database.with_suffix(".log")

    @property
    def total(self) -> int:
        """Tasks in all: one for each file, and the one that fails."""
        return len(self.files) + 1

    def enqueue(self, app: Longshore) -> None:
        """Enqueue a task for each file, one that fails, and a message that is none."""
        for path in files_under(self.root):
            if os.access(path, os.R_OK):
                self.files.append(path)
            else:
                self.unreadable.append(str(path))
        app.enqueue_many(_message(path) for path in self.files)
        (handle,) = app.enqueue_many([always_fails.message()])
        self.failing = handle.id
        app.session.call(_send_unreadable)

    def watch(self, app: Longshore, advance: Callable[[int], None]) -> None:
        """Let workers run until every task is final; `DemoError` where they cannot go on."""
        began, seen = time.monotonic(), 0
        with self._working() as processes:
            while True:
                ended = app.session.call(_ended)
                advance(ended - seen)
                seen = ended
                dead = len(self.dead_letters(app))
                if ended >= self.total and dead >= DEAD:
                    break
                if self.kill and self.killed_after is None and ended >= self.total // 3:
                    processes[0].send_signal(signal.SIGKILL)
                    self.killed_after = ended
                if all(process.poll() is not None for process in processes):
                    message = f"all workers have ended early; see what they said: {self.log}"
                    raise DemoError(message)
                time.sleep(_LOOK)
        self.seconds = time.monotonic() - began

    def dead_letters(self, app: Longshore) -> list[DeadLetter]:
        """Read the queue's dead letters."""
        return app.session.call(_dead_letters)

    @contextmanager
    def _working(self) -> Generator[list[subprocess.Popen[bytes]]]:
        """Run worker processes meanwhile, and stop them by TERM."""
        command = [sys.executable, "-m", "longshore", "work", "--app", "longshore.demo.app:app"]
        environment = {name: os.environ[name] for name in os.environ if not _is_setting(name)}
        environment |= {"LONGSHORE_URL": self.url, "LONGSHORE_LEASE": "2s"}
        with self.log.open("ab") as log:
            processes = [
                subprocess.Popen(  # noqa: S603 - our own command
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
                for _ in range(self.workers)
            ]
            try:
                yield processes
            finally:
                _stop(processes)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(_WORKER_ENDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_setting(name: str) -> bool:
    """The demo is the same whatever is set outside."""
    return name.startswith("LONGSHORE_")


def _message(path: Path) -> Draft:
    return measure_file.message(path=to_text(path.absolute()))


async def _send_unreadable(live: Live) -> None:
    message = Outgoing(key=live.ports.ids(), body=UNREADABLE)
    for error in await live.ports.queue(QUEUE).send([message]):
        if error is not None:
            raise error


async def _ended(live: Live) -> int:
    """Count tasks that are final."""
    found = await live.ports.task_log.stats()
    return sum(stats.by_state.get(state, 0) for stats in found for state in FINAL)


async def _dead_letters(live: Live) -> list[DeadLetter]:
    port = live.ports.queue(QUEUE)
    if not isinstance(port, SupportsDeadLetters):
        return []
    return await port.dead_letters(limit=100)
