"""An application for tests with real processes: each handler leaves a line in a file."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from longshore import Context, Longshore

app = Longshore()


@app.task
def note(ctx: Context, number: int) -> int:
    """Say that it ran, at once."""
    write(f"ran {number} {ctx.fence}")
    return number


@app.task
def hold(ctx: Context, number: int) -> int:
    """Say that it began, wait to be let go, say that it ended."""
    write(f"began {number} {ctx.fence}")
    gate = Path(os.environ["HANDS_GATE"])
    while not gate.exists() and not ctx.cancelled:
        time.sleep(0.01)
    write(f"ended {number} {ctx.fence}")
    return number


@app.task
def kills(number: int) -> None:
    """Take the process away, with everything that runs in it."""
    write(f"kills {number} {os.getpid()}")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def eats(number: int) -> None:
    """Take memory until the kernel takes the process; an end, lest it be the machine's."""
    write(f"eats {number} {os.getpid()}")
    eaten: list[bytes] = []
    while len(eaten) < 2048:
        eaten.append(b"x" * 1024**2)


@app.task
async def works(ctx: Context, number: int) -> int:
    """Work long enough to have neighbours."""
    write(f"began {number} {ctx.fence}")
    await asyncio.sleep(1)
    return number


@app.task(on_lost="fail")
async def pays(ctx: Context, number: int) -> int:
    """Do what must not be done twice."""
    write(f"began {number} {ctx.fence}")
    await asyncio.sleep(60)
    return number


def write(line: str) -> None:
    """Append a line in one write, so that lines of several processes do not mix."""
    out = os.open(os.environ["HANDS_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(out, f"{line}\n".encode())
    finally:
        os.close(out)
