"""What is done to an account from outside an event loop: examining, finding out permissions."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from longshore.clock import SystemClock
from longshore_adapters.sqs.connection import Connection
from longshore_adapters.sqs.options import parse_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def in_a_loop(url: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Open the URL and do something, whether or not the caller runs in a loop of its own."""
    options = parse_url(url)

    async def run() -> T:
        async with Connection(options, SystemClock()) as connection:
            return await work(connection)

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()
