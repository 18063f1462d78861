"""An application with a task for a child process, as its module would declare it."""

from __future__ import annotations

from longshore import Longshore

app = Longshore(url="memory://")


@app.task(executor="process")
def triple(number: int) -> int:
    return number * 3
