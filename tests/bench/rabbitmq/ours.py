"""Longshore in this process: `enqueue_many`, `enqueue`, and a worker that empties the queue."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from longshore import Longshore
from longshore.wiring import open_ports, policy_of, worker_options
from longshore.worker import Worker

if TYPE_CHECKING:
    from longshore.declare import TaskFunction

FILLING: Final = "x" * 300
"""With what is around it a message is some 500 bytes."""
NO_LOG: Final = "null://"
CONCURRENCY: Final = 100


def application(port: int, queue: str, log: str) -> tuple[Longshore, TaskFunction[..., Any, Any]]:
    """An application with one task that does nothing."""
    url = f"rabbitmq://guest:guest@127.0.0.1:{port}"
    off = {queue: {"log": "off"}} if log == NO_LOG else {}
    app = Longshore(queue=queue, queue_url=url, url=log, queues=off, concurrency=CONCURRENCY)

    @app.task(name="noop")
    async def noop(number: int, filling: str) -> None:
        del number, filling

    return app, noop


def declare(port: int, queue: str) -> None:
    """Make the queue, as `longshore init` does."""
    app, _ = application(port, queue, NO_LOG)
    asyncio.run(_declare(app, queue))


async def _declare(app: Longshore, queue: str) -> None:
    async with open_ports(app.settings) as ports:
        await ports.queue(queue).declare()


def publish(port: int, queue: str, count: int, log: str = NO_LOG) -> float:
    """Enqueue in one call; the seconds it took."""
    app, noop = application(port, queue, log)
    with app:
        noop.enqueue(0, FILLING)
        began = perf_counter()
        app.enqueue_many(noop.message(number, FILLING) for number in range(count))
        return perf_counter() - began


def publish_one_by_one(port: int, queue: str, count: int) -> float:
    """Enqueue each in a call of its own; the seconds it took."""
    app, noop = application(port, queue, NO_LOG)
    with app:
        noop.enqueue(0, FILLING)
        began = perf_counter()
        for number in range(count):
            noop.enqueue(number, FILLING)
        return perf_counter() - began


def drain(port: int, queue: str, log: str = NO_LOG) -> float:
    """Run everything in the queue by one worker; the seconds it took, start and end included."""
    app, _ = application(port, queue, log)
    return asyncio.run(_drain(app, queue))


async def _drain(app: Longshore, queue: str) -> float:
    settings = app.settings
    options = replace(worker_options(settings, (queue,)), burst=True, publish=False)
    async with open_ports(settings) as ports:
        began = perf_counter()
        await Worker(ports, app.registry, policy_of(settings), options).run()
        return perf_counter() - began
