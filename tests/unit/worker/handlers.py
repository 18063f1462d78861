"""Handlers for child processes: importable, as theirs must be."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from pathlib import Path

from longshore import Cancel, Context, Report, RetryLater, Snooze


class ApiError(Exception):
    """An error as libraries have them: its arguments are not those of its constructor."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Unpicklable(Exception):  # noqa: N818 - as an application might name it
    """An error that carries what cannot cross to another process."""

    def __init__(self, text: str) -> None:
        super().__init__(text, lambda: text)


def double(number: int) -> int:
    return number * 2


async def adouble(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def process_id() -> int:
    return os.getpid()


def talks(ctx: Context) -> int:
    ctx.log.info("attempt %d of %s, fence %d", ctx.attempt, ctx.max_attempts, ctx.fence)
    print("printed", 1)  # noqa: T201 - that is what is tested
    logging.getLogger("theirs").warning("logged")
    ctx.report.success("fine")
    return ctx.priority


def fails(kind: str) -> None:
    if kind == "plain":
        raise KeyError("missing")
    if kind == "api":
        raise ApiError(503, "busy")
    if kind == "unpicklable":
        raise Unpicklable("odd")
    if kind == "local":

        class LocalError(Exception): ...

        raise LocalError("local")
    if kind == "os":
        raise FileNotFoundError(2, "no such file", "x.txt")
    raise SystemExit(7)


def controls(kind: str) -> object:
    if kind == "later":
        raise RetryLater("5 minutes", "busy")
    if kind == "snooze":
        return Snooze("5 minutes")
    if kind == "report":
        return Report.error("broken")
    raise Cancel("no longer wanted")


def returns(kind: str) -> object:
    if kind == "model":
        return Path("x")
    return (lambda: 1) if kind == "function" else {"set": {1}}


def dies(path: str) -> str:
    """Kill the process on the first call; be fine on the next."""
    marker = Path(path)
    if marker.exists():
        return "survived"
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"


heard: list[str] = []


def hears(_: object, error: Exception) -> None:
    heard.append(type(error).__name__)


def ends(how: str) -> None:
    """End the process as code that is not Python's can."""
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "abort":
        os.abort()
    else:
        os._exit(3)


def hoards(megabytes: int) -> int:
    """Use so much memory; what is taken is written to, so that it is there."""
    return len(bytearray(os.urandom(1)) * (megabytes * 2**20))


async def ahoards(megabytes: int) -> int:
    await asyncio.sleep(0)
    return hoards(megabytes)


leaked: list[bytearray] = []


def leaks(megabytes: int) -> int:
    leaked.append(bytearray(megabytes * 2**20))
    return os.getpid()


def burns(seconds: float) -> int:
    """Use so much of a processor; answer the process."""
    while time.process_time() < seconds:
        hash("x" * 1000)
    return os.getpid()


def burns_in_c() -> None:
    """Be away in one call that no signal handler written in Python gets into."""
    pow(3, 10**9)


def leaves_a_thread_talking(ctx: Context, size: int) -> str:
    talking = threading.Event()

    def talk() -> None:
        text = "x" * size
        talking.set()
        ctx.progress(0.5, text)

    threading.Thread(target=talk).start()
    talking.wait()
    return "done"


def sleeps(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def works_on(ctx: Context, path: str) -> None:
    ctx.progress(0.5, "halfway")
    while not Path(path).exists():
        time.sleep(0.005)


class Sends:
    """A class task with hooks of its own."""

    def __init__(self, path: str, problem: str = "") -> None:
        self.path = Path(path)
        self.problem = problem

    def run(self) -> int:
        if self.problem:
            raise ValueError(self.problem)
        return os.getpid()

    def on_success(self, result: int) -> None:
        self.path.write_text(f"success {result == os.getpid()}")

    def on_failure(self, error: Exception) -> None:
        self.path.write_text(f"failure {error}")
