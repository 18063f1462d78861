"""Doing once, before a fork, what every worker process would do for itself.

What is loaded and made before the fork is shared by all processes as long as none writes to it;
what each makes for itself afterwards, each pays for. So the parent loads the adapters, builds the
validators of all tasks, and runs a few tasks of its own on a place of its own: that fills every
cache on the way, of Python and of ours, and closes all it opened. It costs a tenth of a second.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Final

from longshore.client import Client, Preparer
from longshore.definition import TaskRegistry, define
from longshore.draft import Draft
from longshore.errors import TaskDefinitionError
from longshore.policy import Policy
from longshore.registry import SupportsRehearsal, find_adapter
from longshore.telemetry import preload
from longshore.wiring import open_ports, urls_of
from longshore.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from longshore.settings import Settings

_log = logging.getLogger("longshore.supervisor")
_TASKS: Final = 10
_LONGEST: Final = 5.0
"""Seconds that the rehearsal, and then each of its threads, may take."""


def warm(settings: Settings, registry: TaskRegistry) -> None:
    """Load and make what worker processes need. No thread and no connection is left.

    What cannot be done now is left to them, who then say what is wrong with it.
    """
    for definition in registry:
        with suppress(TaskDefinitionError):
            definition.arguments.build()
    try:
        preload(settings.telemetry)
    except Exception as error:  # noqa: BLE001 - as below
        _log.debug("telemetry could not be loaded before the fork: %r", error)
    before = set(threading.enumerate())
    try:
        with _silence():
            _rehearse(settings)
    except Exception as error:  # noqa: BLE001 - it only saves memory; the processes will say more
        _log.debug("the rehearsal before the fork has failed: %r", error)
    for thread in set(threading.enumerate()) - before:
        thread.join(_LONGEST)


def _rehearse(settings: Settings) -> None:
    urls = urls_of(settings)
    with ExitStack() as stack:
        places = {url: stack.enter_context(_place(url)) for url in dict.fromkeys(urls)}
        queue, log, store = (places[url] for url in urls)
        elsewhere = {"url": log, "queue_url": queue, "log_url": log, "store_url": store}
        asyncio.run(_perform(settings.model_copy(update=elsewhere)))


def _place(url: str) -> AbstractContextManager[str]:
    """A place of its own for each adapter that has one; memory stands in for the others."""
    adapter = find_adapter(url)
    if isinstance(adapter, SupportsRehearsal):
        return adapter.rehearsal()
    return nullcontext("memory://")


async def _perform(place: Settings) -> None:
    """Run tasks of both kinds as worker processes do, until none is left."""
    registry, policy = TaskRegistry(), Policy()
    for function in (_on_loop, _on_thread):
        registry.add(define(function))
    async with asyncio.timeout(_LONGEST), open_ports(place) as ports:
        client = Client(ports, Preparer(ports.ids, policy))
        await client.enqueue(
            [Draft(each, {"number": n}) for each in registry for n in range(_TASKS)]
        )
        shared = ports.task_log.capabilities.shared
        worker = Worker(
            ports,
            registry,
            policy,
            WorkerOptions(queues=(policy.queue,), burst=True),
            open_ports=(lambda: open_ports(place)) if shared else None,
        )
        await worker.run()


async def _on_loop(number: int) -> int:
    return number


def _on_thread(number: int) -> int:
    return number


@contextmanager
def _silence() -> Generator[None]:
    """Write nothing to any log meanwhile: nobody asked for these tasks."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
