"""What is done to an account from outside an event loop: removing, examining, permissions."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from longshore.clock import SystemClock
from longshore_adapters.sqs.connection import Connection
from longshore_adapters.sqs.declaring import TAG
from longshore_adapters.sqs.errors import QueueMissingError
from longshore_adapters.sqs.options import parse_url
from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

T = TypeVar("T")

_PAGE = 1000


def in_a_loop(url: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Open the URL and do something, whether or not the caller runs in a loop of its own."""
    options = parse_url(url)

    async def run() -> T:
        async with Connection(options, SystemClock()) as connection:
            return await work(connection)

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()


async def remove_ours(connection: Connection) -> list[str]:
    """Delete the queues under the prefix that bear our tag; say which."""
    said: list[str] = []
    async for url in _urls(connection):
        name = url.rpartition("/")[2]
        try:
            found = await connection.call(Purpose.SETTLE, "ListQueueTags", name, QueueUrl=url)
            if TAG in found.get("Tags", {}):
                await connection.call(Purpose.SETTLE, "DeleteQueue", name, QueueUrl=url)
                said.append(f"SQS queue {name}: removed")
        except QueueMissingError:
            continue
    prefix = connection.options.prefix
    return said or [f"sqs: no queue tagged {TAG!r}{f' under {prefix!r}' if prefix else ''}"]


async def _urls(connection: Connection) -> AsyncGenerator[str]:
    """List queues, page by page: SQS gives a page's end only where a page's length is asked for."""
    given: dict[str, Any] = {"MaxResults": _PAGE}
    if connection.options.prefix:
        given["QueueNamePrefix"] = connection.options.prefix
    while True:
        page = await connection.call(Purpose.SETTLE, "ListQueues", "*", **given)
        for url in page.get("QueueUrls", ()):
            yield url
        if "NextToken" not in page:
            return
        given["NextToken"] = page["NextToken"]
