"""Handlers that ask once for an end other than a result: importable, for child processes too.

Each leaves a line in a file when it runs and when a hook of it does.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from longshore import Cancel, Context, Reject, RetryLater, Snooze


def wanted(kind: str, until: str) -> Exception:
    if kind == "retry":
        return RetryLater("5 minutes", "busy")
    if kind == "snooze":
        return Snooze("1 hour")
    if kind == "until":
        return Snooze(until=datetime.fromisoformat(until))
    return Reject("not ours") if kind == "reject" else Cancel("no longer wanted")


def asks(ctx: Context, path: str, kind: str, until: str, how: str) -> object:
    """Ask on the first run, and be done on the next."""
    first = not Path(path).exists()
    note(path, f"ran {ctx.attempt}")
    if not first:
        return "done"
    if how == "raised":
        raise wanted(kind, until)
    return wanted(kind, until)


async def aasks(ctx: Context, path: str, kind: str, until: str, how: str) -> object:
    return asks(ctx, path, kind, until, how)


def succeeded(ctx: Context, result: object) -> None:
    note(told_in(ctx), f"success {result}")


def failed(ctx: Context, error: BaseException) -> None:
    note(told_in(ctx), f"failure {type(error).__name__}")


class Asks:
    """A class task with hooks of its own."""

    def __init__(self, path: str, kind: str, until: str, how: str) -> None:
        self.path, self.asked = path, (kind, until, how)

    def run(self, ctx: Context) -> object:
        return asks(ctx, self.path, *self.asked)

    def on_success(self, result: object) -> None:
        note(self.path, f"success {result}")

    def on_failure(self, error: Exception) -> None:
        note(self.path, f"failure {type(error).__name__}")


class AsksOnLoop(Asks):
    """The same, asynchronous."""

    async def run(self, ctx: Context) -> object:
        return asks(ctx, self.path, *self.asked)


def told_in(ctx: Context) -> str:
    """Where a hook of a function writes: the owner says it, as it is given no arguments."""
    assert ctx.owner is not None
    return ctx.owner


def note(path: str, line: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
