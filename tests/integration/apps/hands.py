"""An application for tests with real processes: each handler leaves a line in a file."""

from __future__ import annotations

import os
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


def write(line: str) -> None:
    """Append a line in one write, so that lines of several processes do not mix."""
    out = os.open(os.environ["HANDS_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(out, f"{line}\n".encode())
    finally:
        os.close(out)
