"""What is sent, and in how many calls at once: the same for every contender."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FILLING: Final = "x" * int(os.environ.get("BENCH_FILLING", "0"))
"""With what a library puts around it, all bodies are of about one size."""
QUEUE: Final = os.environ.get("BENCH_QUEUE", "")
HOW: Final = os.environ.get("BENCH_HOW", "many")
"""`many`: as fast as it can be sent. `one`: each confirmed before the next. `later`: due later."""
DELAY: Final = 3600
"""Seconds until what is sent `later` is due."""
_THREADS: Final = 8
_AT_ONCE: Final = 500


def load(number: int) -> tuple[int, int, str]:
    """What the task of a number is told: it, the time by the clock of all processes, a filling."""
    return number, time.monotonic_ns(), FILLING


def named(number: int) -> dict[str, Any]:
    """The same by name."""
    return dict(zip(("number", "sent", "filling"), load(number), strict=True))


def on_threads(send: Callable[[int], object]) -> Callable[[range], object]:
    """Send by threads that each wait for their confirms: for a library that has no other way."""
    pool = ThreadPoolExecutor(_THREADS)

    def one_by_one(numbers: range) -> None:
        for number in numbers:
            send(number)

    def many(numbers: range) -> None:
        for _ in pool.map(one_by_one, [numbers[first::_THREADS] for first in range(_THREADS)]):
            pass

    return one_by_one if HOW == "one" else many


def on_loop(
    runner: asyncio.Runner, send: Callable[[int], Awaitable[Any]]
) -> Callable[[range], object]:
    """Send by coroutines of which many wait for their confirms at once."""

    async def one_by_one(numbers: range) -> None:
        for number in numbers:
            await send(number)

    async def many(numbers: range) -> None:
        for start in range(0, len(numbers), _AT_ONCE):
            await asyncio.gather(*map(send, numbers[start : start + _AT_ONCE]))

    how = one_by_one if HOW == "one" else many
    return lambda numbers: runner.run(how(numbers))
