"""What `longshore doctor` looks at: each check answers with a verdict, and what to do next."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from longshore.control import Orders
from longshore.errors import LongshoreError
from longshore.protocol import MARGIN
from longshore.registry import Finding, SupportsExamination, find_adapter
from longshore.store import ABSENT, Delete, Put
from longshore.task import OPEN, TaskState
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from longshore.definition import TaskRegistry
    from longshore.ports import Ports
    from longshore.queue import Depth
    from longshore.settings import Settings
    from longshore.store import Store
    from longshore.task_log import QueueStats

LITTLE_SPACE: Final = 1_073_741_824
NO_SPACE: Final = 104_857_600
WAITED_LONG: Final = timedelta(minutes=1)
EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Before this was written no clock can have been right."""

_LOOKED_AT: Final = 500


def ok(name: str, text: str) -> Finding:
    """Nothing is to be done."""
    return Finding(name=name, verdict="ok", text=text)


def warn(name: str, text: str, step: str) -> Finding:
    """It works, and may be not what is wanted."""
    return Finding(name=name, verdict="warn", text=text, step=step)


def fail(name: str, text: str, step: str) -> Finding:
    """It does not work."""
    return Finding(name=name, verdict="fail", text=text, step=step)


def check_clock(now: datetime) -> Finding:
    """Whether the clock can be right at all."""
    if now < EARLIEST:
        return fail("clock", f"this host believes it is {now:%Y-%m-%d}", "set its clock")
    return ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def check_tasks(name: str | None, registry: TaskRegistry) -> Iterator[Finding]:
    """Whether there are tasks, and whether their arguments can be checked."""
    definitions = list(registry)
    if name is None:
        step = "name it: --app module:object, LONGSHORE_APP, or app in longshore.toml"
        yield warn("application", "none is named, so workers know no tasks", step)
    elif not definitions:
        step = "import the modules that declare them where the application is made"
        yield warn("tasks", f"{name} has none", step)
    bad = 0
    for definition in definitions:
        try:
            definition.arguments.build()
        except LongshoreError as error:
            bad += 1
            yield fail(f"task {definition.name}", str(error), "mend its annotations")
    if definitions and not bad:
        yield ok("tasks", f"{len(definitions)}, all with arguments that can be checked")


def check_place(name: str, url: str) -> Iterator[Finding]:
    """Where the URL names a file here: its folder, and the space it has to grow."""
    path = local_path(url)
    if path is None:
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        yield fail(name, f"there is no folder {folder}", "create it, or set another URL")
        return
    if not path.exists():
        yield warn(name, f"{path} has not been made yet", "run: longshore init")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        step = "let this user write both the file and its folder"
        yield fail(name, f"{path} cannot be written", step)
    free = shutil.disk_usage(folder).free
    text = f"{free / 1_048_576:,.0f} MB are free in {folder}"
    if free < NO_SPACE:
        yield fail("disk", text, "free some space: a full disk stops every task")
    elif free < LITTLE_SPACE:
        yield warn("disk", text, "free some space, or: longshore purge --older-than 7d")
    else:
        yield ok("disk", text)


def local_path(url: str) -> Path | None:
    """The file a URL without a host names: three slashes, then the path."""
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or len(parts.path) == 1:
        return None
    return Path(unquote(parts.path[1:]))


async def check_setup(url: str, queues: Sequence[str]) -> Sequence[Finding]:
    """What the adapter has to say of its own server, where it can compare."""
    import asyncio  # noqa: PLC0415 - slow to import

    adapter = find_adapter(url)
    if not isinstance(adapter, SupportsExamination):
        return []
    try:
        return await asyncio.to_thread(adapter.examine, url, queues)
    except LongshoreError as error:
        return [fail("set-up", str(error), "see: longshore settings")]


async def check_ports(
    settings: Settings, ports: Ports, served: Sequence[str]
) -> AsyncIterator[Finding]:
    """Whether log, store and queues answer, and whether tasks are left lying."""
    log = ports.task_log.capabilities
    if log.durable and log.shared:
        yield ok("log", f"{log.adapter} answers; shared by processes, clock: {log.clock}")
        yield ok("durability", f"what is written survives {log.survives or 'what its server does'}")
    else:
        step = "for more than a test set LONGSHORE_URL, e.g. sqlite:///longshore.db"
        yield warn("log", f"{log.adapter}: what it holds ends with its process", step)
    if ports.store is not None:
        yield await check_store(ports.store, ports)
        async for check in check_paused(ports.store, ports):
            yield check
    yield await check_scheduler(ports)
    found = {one.queue: one for one in await ports.task_log.stats()}
    for name in dict.fromkeys((*served, settings.queue, *settings.queues, *found)):
        async for check in check_queue(ports, name, found.get(name), served):
            yield check
    async for check in check_running(ports):
        yield check


async def check_store(store: Store, ports: Ports) -> Finding:
    """Write a value, read it, and remove it."""
    key, value = f"doctor/{ports.ids()}", b"doctor"
    began = ports.clock.monotonic()
    await store.put([Put(key=key, value=value, if_version=ABSENT, ttl=timedelta(minutes=1))])
    (entry,) = await store.get([key])
    await store.delete([Delete(key=key)])
    took = (ports.clock.monotonic() - began) * 1000
    if entry is None or entry.value != value:
        step = "look into the store's own log"
        return fail("store", "what was written could not be read back", step)
    return ok("store", f"writes, reads and deletes; three round trips took {took:.1f} ms")


async def check_scheduler(ports: Ports) -> Finding:
    """Whether somebody publishes what is due, and who."""
    from longshore.scheduler import leader_of  # noqa: PLC0415 - asyncio is slow to import

    late = await ports.task_log.due(before=ports.clock.now() - WAITED_LONG, limit=1)
    leader = None if ports.store is None else await leader_of(ports.store)
    if late:
        text = f"tasks are due and not published; {leader or 'nobody'} leads"
        return warn("scheduler", text, "start a worker, or: longshore schedule")
    return ok("scheduler", f"nothing that is due was left; {leader or 'nobody'} leads")


async def check_paused(store: Store, ports: Ports) -> AsyncIterator[Finding]:
    """Whether somebody paused a queue, and may have forgotten it."""
    for name, since in (await Orders(store, ports.clock).paused_queues()).items():
        text = "is paused" if since is None else f"is paused since {since:%Y-%m-%d %H:%M:%S} UTC"
        yield warn(f"paused {name}", f"queue {name} {text}", f"longshore queues resume {name}")


async def check_queue(
    ports: Ports, name: str, found: QueueStats | None, served: Sequence[str]
) -> AsyncIterator[Finding]:
    """Whether the queue answers, and somebody takes what waits in it."""
    title = f"queue {name}"
    try:
        depth = await ports.queue(name).depth()
    except LongshoreError as error:
        yield fail(title, str(error), "run: longshore init")
        return
    waiting = _waiting(ports, name, found, depth)
    if waiting is not None:
        yield waiting
    elif name not in served and found is not None and _open(found):
        step = f"start a worker for it: longshore work {name}"
        text = f"{_open(found)} tasks wait, and a worker without queues named leaves it out"
        yield warn(title, text, step)
    else:
        yield ok(title, f"{depth.ready} ready, {depth.in_flight} in flight")
    if depth.dead:
        step = f"see why, and send them again or remove them: longshore dlq list --queue {name}"
        yield warn(title, f"{depth.dead} dead letters", step)


def _waiting(ports: Ports, name: str, found: QueueStats | None, depth: Depth) -> Finding | None:
    """Tasks are ready, have been for long, and nothing runs: nobody serves the queue."""
    running = 0 if found is None else found.by_state.get(TaskState.RUNNING, 0)
    age = depth.oldest_age
    if age is None and found is not None and found.oldest_open is not None:
        age = ports.clock.now() - found.oldest_open
    if not depth.ready or running or age is None or age < WAITED_LONG:
        return None
    text = f"{depth.ready} tasks are ready, the oldest for {age.total_seconds():.0f} s, none runs"
    step = f"is a worker serving it? longshore work {name}"
    return warn(f"queue {name}", text, step)


def _open(found: QueueStats) -> int:
    return sum(count for state, count in found.by_state.items() if state in OPEN)


async def check_running(ports: Ports) -> AsyncIterator[Finding]:
    """Whether running tasks are held by somebody, and the log's times are not in the future."""
    query = TaskQuery(states=frozenset({TaskState.RUNNING}))
    page = await ports.task_log.find(query, limit=_LOOKED_AT)
    now = ports.clock.now()
    lost = [task for task in page.tasks if task.lease_until and task.lease_until + MARGIN < now]
    if lost:
        text = f"{len(lost)} tasks run under a lease that has ended: their workers are gone"
        yield warn("leases", text, "start a worker for their queues; it takes them over")
    newest = await ports.task_log.find(TaskQuery(include_deleted=True), limit=1)
    if newest.tasks and newest.tasks[0].updated_at > now + MARGIN:
        ahead = (newest.tasks[0].updated_at - now).total_seconds()
        step = "set the clocks of all hosts by NTP"
        yield warn("clock", f"the log was written {ahead:.0f} s ahead of this host", step)
