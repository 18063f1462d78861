"""From settings to open ports: the one place that connects what the rest is only given."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

from longshore.client import Preparer
from longshore.clock import Clock, SystemClock
from longshore.codec.fetch import ByScheme
from longshore.errors import ConfigurationError
from longshore.levels import UNLOGGED, Level, LevelledLog
from longshore.masking import mask_url
from longshore.policy import Policy, QueuePolicy
from longshore.ports import Ports
from longshore.registry import find_adapter, scheme_of
from longshore.retry import Retry, Steps
from longshore.scheduler import SchedulerOptions
from longshore.task import TaskState
from longshore.telemetry import TelemetryOptions, system_of, telemetry_of
from longshore.worker import Limits, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from longshore.codec.fetch import Fetcher
    from longshore.identity import TaskIds
    from longshore.registry import Backend
    from longshore.settings import QueueSettings, Settings
    from longshore.telemetry import Seam, Telemetry

_log = logging.getLogger("longshore")
_YES = frozenset({"1", "true", "yes"})
_NO = frozenset({"0", "false", "no"})

T = TypeVar("T")


def urls_of(settings: Settings) -> tuple[str, str, str]:
    """The URLs of queue, log and store, as their adapters are to read them."""
    url = settings.url
    urls = (settings.queue_url or url, settings.log_url or url, settings.store_url or url)
    queue, log, store = (_without_sync(each) for each in urls)
    return queue, log, store


@asynccontextmanager
async def open_ports(
    settings: Settings, clock: Clock | None = None, telemetry: Telemetry | None = None
) -> AsyncGenerator[Ports]:
    """Open each URL once and give out its ports; all is closed on leaving.

    With `telemetry` they are observed. `ConfigurationError` where a URL does not serve the port it
    is set for.
    """
    queue_url, log_url, store_url = urls_of(settings)
    timed = clock or SystemClock()
    async with AsyncExitStack() as stack:
        seam = None if telemetry is None else telemetry.seam(queue_url)
        opened: dict[str, Backend] = {}
        with nullcontext() if seam is None else seam.quiet():
            for url in dict.fromkeys((queue_url, log_url, store_url)):
                opened[url] = await stack.enter_async_context(find_adapter(url).open(url, timed))
        queues, log, store = opened[queue_url], opened[log_url], opened[store_url]
        full = logs_everything(settings)
        rows = _served(log.task_log, log_url, "log")
        fetchers = await _fetchers(settings, timed, stack)
        ports = Ports(
            queue=_served(queues.queue, queue_url, "queue"),
            task_log=rows if full else LevelledLog(rows, _level(settings), timed),
            # Not every server is one; a URL that is set for it must be.
            store=_served(store.store, store_url, "store") if settings.store_url else store.store,
            together=queues.together if full and queue_url == log_url else None,
            fetcher=ByScheme(fetchers) if fetchers else None,
            clock=timed,
        )
        yield ports if seam is None else _observed(ports, seam, opened.values(), stack)


def _observed(ports: Ports, seam: Seam, opened: Iterable[Backend], stack: AsyncExitStack) -> Ports:
    """Wrap ports, so that what goes through them is counted and traced."""
    for backend in opened:
        if backend.calls is not None:
            stack.callback(seam.calls(system_of(backend.url), backend.calls))
    return replace(
        ports,
        queue=seam.queues(ports.queue),
        task_log=seam.task_log(ports.task_log),
        together=seam.together(ports.together),
        telemetry=seam,
    )


def telemetry_for(settings: Settings, *, counting: bool = False) -> Telemetry | None:
    """Answer this process's telemetry, made where it is first asked for; None where none is wanted.

    `counting` keeps metrics to be read in this process. Never before a fork: it starts threads.
    """
    return telemetry_of(settings.telemetry, telemetry_options(settings), counting=counting)


def telemetry_options(settings: Settings) -> TelemetryOptions:
    """How an application is observed."""
    every = settings.depth_every
    return TelemetryOptions(
        children=settings.trace_parent == "fresh",
        settling=settings.trace_settling,
        baggage=settings.trace_baggage,
        xray=settings.trace_xray,
        depth_every=0.0 if every is None else every.total_seconds(),
        always=settings.telemetry == "on",
    )


async def _fetchers(settings: Settings, clock: Clock, stack: AsyncExitStack) -> dict[str, Fetcher]:
    """Open what fetches from the places that queues name; nothing is dialled before it does."""
    places = [place for queue in settings.queues.values() for place in queue.fetch_from]
    found: dict[str, Fetcher] = {}
    for scheme in sorted({scheme_of(place) for place in places}):
        url = f"{scheme}://"
        backend = await stack.enter_async_context(find_adapter(url).open(url, clock))
        if backend.fetcher is None:
            message = f"nothing is fetched from {mask_url(url)}; fetch_from takes places such as s3://bucket"
            raise ConfigurationError(message)
        found[scheme] = backend.fetcher
    return found


def check_waits(ports: Ports, policy: Policy, queues: Sequence[str]) -> None:
    """Refuse to serve a queue whose retries would have nowhere to wait: no log, and no delays."""
    for name in queues:
        capabilities = ports.queue(name).capabilities
        level = policy.of(name).log
        if capabilities.max_release_delay == timedelta(0) and level in UNLOGGED:
            message = (
                f"queue {name!r} logs {level.value}, and {capabilities.adapter} holds no message "
                "back: a retry would have nowhere to wait; set its log to claims or full, or let "
                "its broker delay, if the adapter has an option for that"
            )
            raise ConfigurationError(message)


def logs_everything(settings: Settings) -> bool:
    """Whether every queue's tasks are logged in full: only then can queue and log work as one."""
    return all(queue.log == "full" for queue in settings.queues.values())


def _level(settings: Settings) -> Callable[[str], Level]:
    levels = {name: Level(queue.log) for name, queue in settings.queues.items()}
    return lambda name: levels.get(name, Level.FULL)


def is_eager(settings: Settings) -> bool:
    """Whether tasks run at once in the caller: `memory://?sync=true`."""
    parts = urlsplit(settings.queue_url or settings.url)
    if parts.scheme != "memory":
        return False
    wanted = parse_qs(parts.query).get("sync", ["false"])[-1].lower()
    if wanted not in _YES | _NO:
        message = f"sync={wanted!r} in a memory:// URL; give true or false"
        raise ConfigurationError(message)
    return wanted in _YES


def policy_of(settings: Settings) -> Policy:
    """Every queue's defaults as values."""
    default = _queue_policy(settings.for_queue(""))
    return Policy(
        queue=settings.queue,
        default=default,
        queues={name: _queue_policy(settings.for_queue(name)) for name in settings.queues},
        routes=dict(settings.routes),
        max_rescues=settings.max_rescues,
    )


def preparer_of(settings: Settings, ids: TaskIds) -> Preparer:
    """The part of a client that needs no port."""
    return Preparer(ids, policy_of(settings), ZoneInfo(settings.timezone))


def worker_options(settings: Settings, queues: tuple[str, ...] = ()) -> WorkerOptions:
    """How a worker process runs; what a command says comes through the settings."""
    served = queues or queues_of(settings)
    return WorkerOptions(
        queues=served,
        concurrency=settings.concurrency,
        prefetch=settings.prefetch,
        poll=settings.poll,
        grace=settings.grace,
        max_tasks=settings.max_tasks,
        max_time=settings.max_time,
        memory_limit=settings.memory_limit,
        selection=settings.selection,
        stop_file=None if settings.stop_file is None else Path(settings.stop_file),
        scheduling=scheduler_options(settings, served),
        limits=Limits(
            result=settings.result_limit,
            report=settings.report_limit,
            log_lines=settings.log_lines,
            log_bytes=settings.log_bytes,
        ),
    )


def queues_of(settings: Settings) -> tuple[str, ...]:
    """The queues that the settings name."""
    return tuple(dict.fromkeys((settings.queue, *settings.queues)))


def scheduler_options(settings: Settings, queues: tuple[str, ...] = ()) -> SchedulerOptions:
    """How a scheduler works, in a worker or alone."""
    keep = {
        TaskState.SUCCEEDED: settings.keep_succeeded,
        TaskState.FAILED: settings.keep_failed,
        TaskState.CANCELLED: settings.keep_cancelled,
        TaskState.EXPIRED: settings.keep_expired,
    }
    return SchedulerOptions(
        audit_every=settings.audit_every,
        keep={state: age for state, age in keep.items() if age},
        message_retention=settings.message_retention,
        max_rescues=settings.max_rescues,
        queues=queues or queues_of(settings),
    )


def _without_sync(url: str) -> str:
    """Take out what is for the session: whether tasks run at once is none of an adapter's."""
    parts = urlsplit(url)
    if parts.scheme != "memory" or not parts.query:
        return url
    rest = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name != "sync"
    ]
    # Put together by hand, because urlunsplit drops the slashes of an empty name.
    return f"memory://{parts.netloc}{parts.path}" + (f"?{urlencode(rest)}" if rest else "")


def _queue_policy(queue: QueueSettings) -> QueuePolicy:
    retry = Retry(attempts=queue.attempts)
    if queue.retry_after:
        retry = Retry(attempts=queue.attempts, backoff=Steps(queue.retry_after))
    return QueuePolicy(
        priority=queue.priority,
        retry=retry,
        timeout=queue.timeout,
        expires=queue.expires,
        lease=queue.lease,
        concurrency=queue.concurrency,
        weight=queue.weight,
        tags=queue.tags,
        delete_on_complete=queue.delete_on_complete,
        task=queue.task,
        formats=queue.formats,
        split=queue.split,
        fetch_from=queue.fetch_from,
        log=Level(queue.log),
    )


def _served(port: T | None, url: str, part: str) -> T:
    if port is not None:
        return port
    message = f"{mask_url(url)} serves no {part}; set LONGSHORE_{part.upper()}_URL to one that does"
    raise ConfigurationError(message)
