"""The application that is served while workers are broken: handlers of every kind and length.

Each handler holds a lock of its own while it runs, and looks whether another handler of its task
holds one. The locks end with their process, however it ends. The files are in the working
directory, which all workers share.
"""

from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longshore.app import Longshore
from longshore.chaos import journal, jumps
from longshore.chaos.count import BLOCKING
from longshore.context import Context  # noqa: TC001 - tasks are read by their annotations
from longshore.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Generator

LOCKS: Final = Path("locks")

app = Longshore()
jumps.begin(os.environ)


class FirstAttemptError(RuntimeError):
    """What the failing task raises at its first attempt, as it always does."""


@app.task(name="chaos.loop")
async def on_the_loop(ctx: Context, seconds: float) -> None:
    """Wait as an async handler does."""
    with witnessed(ctx):
        await asyncio.sleep(seconds)


@app.task(name="chaos.thread")
def on_a_thread(ctx: Context, seconds: float) -> None:
    """Block a thread; nothing can stop it but the end of its process."""
    with witnessed(ctx):
        time.sleep(seconds)


@app.task(name="chaos.child", executor="process")
def in_a_child(ctx: Context, seconds: float) -> None:
    """Block a child process."""
    with witnessed(ctx):
        time.sleep(seconds)


@app.task(name=BLOCKING)
async def blocking_the_loop(ctx: Context, seconds: float) -> None:
    """Block the worker's event loop, and with it every other handler there."""
    with witnessed(ctx):
        time.sleep(seconds)  # noqa: ASYNC251 - the mistake that a worker has to outlive


@app.task(name="chaos.fail", retry=Retry(attempts=3, backoff="1s", jitter=0))
async def failing_once(ctx: Context, seconds: float) -> None:
    """Fail at the first attempt, and succeed at the second."""
    with witnessed(ctx):
        await asyncio.sleep(seconds)
        if ctx.attempt == 1:
            raise FirstAttemptError


@contextmanager
def witnessed(ctx: Context) -> Generator[None]:
    """Write down the beginning, every other handler of the task that runs now, and the end."""
    LOCKS.mkdir(exist_ok=True)
    own = LOCKS / f"{ctx.task_id}.{ctx.fence}"
    with own.open("w") as file:
        alone = _locked(file.fileno(), fcntl.LOCK_EX)
        _say("began", ctx)
        if not alone:
            _say("met", ctx, ctx.fence)
        for other in LOCKS.glob(f"{ctx.task_id}.*"):
            if other != own and _is_held(other):
                _say("met", ctx, int(other.suffix[1:]))
        try:
            yield
        finally:
            _say("ended", ctx)
            own.unlink(missing_ok=True)


def _is_held(other: Path) -> bool:
    try:
        with other.open() as file:
            return not _locked(file.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:  # its handler has just ended
        return False


def _locked(number: int, how: int) -> bool:
    try:
        fcntl.flock(number, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(event: journal.Event, ctx: Context, other: int = 0) -> None:
    line = journal.Line(
        event=event,
        task_id=ctx.task_id,
        token=ctx.fence,
        worker=_worker(),
        at=ctx.clock.monotonic(),
        other=other,
    )
    journal.write(Path(journal.NAME), line)


def _worker() -> int:
    """The worker's process: a child process of one answers its parent."""
    parent = multiprocessing.parent_process()
    return os.getpid() if parent is None or parent.pid is None else parent.pid
