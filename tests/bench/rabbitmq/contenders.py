"""Who is measured: each a module of `apps`, with the filling that makes its bodies 500 bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from longshore.bench.floor import census
from longshore.bench.site import Database
from tests.bench.beside import Beside
from tests.bench.contender import Contender

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from longshore.bench.floor import Census
    from tests.bench.rabbitmq.place import Place, Queue

NAME: Final = "tasks"
"""Longshore's name of a queue, behind a prefix."""
_APPS: Final = "tests.bench.rabbitmq.apps"
_LONGSHORE: Final = "tests.bench.longshore_app"
_TUNED: Final = "200"
"""Messages that a neighbour's worker takes at once: more than each takes by itself."""


def _contender(
    name: str, text: str, filling: int, *work: str, needs: tuple[str, ...], **given: str
) -> Contender:
    return Contender(
        name=name,
        text=text,
        module=f"{_APPS}.{name}_app",
        work=("-m", *work),
        needs=needs,
        given={"BENCH_FILLING": str(filling), **given},
    )


def _longshore(name: str, text: str, log: str) -> Contender:
    return Contender(
        name=name,
        text=text,
        module=_LONGSHORE,
        work=("-m", "longshore", "work"),
        given={"BENCH_FILLING": "305", "BENCH_LOG": log},
    )


RAW: Final = _contender("pyamqp", "bare py-amqp", 480, f"{_APPS}.pyamqp_app", needs=("amqp",))
OURS: Final = _longshore("longshore", "Longshore, no log", "off")
LOGGED: Final = _longshore("logged", "Longshore, full log in SQLite", "full")
NEIGHBOURS: Final = (
    _contender(
        *("dramatiq", "dramatiq", 310, "dramatiq", f"{_APPS}.dramatiq_app"),
        *("--processes", "1", "--threads", "2"),
        needs=("dramatiq", "pika"),
        dramatiq_queue_prefetch=_TUNED,
    ),
    _contender(
        *("faststream", "FastStream", 454, f"{_APPS}.faststream_app"),
        needs=("faststream", "aio_pika"),
    ),
    _contender(
        *("taskiq", "taskiq-aio-pika", 352, "taskiq", "worker", f"{_APPS}.taskiq_app:broker"),
        *("--workers", "1", "--log-level", "WARNING"),
        needs=("taskiq", "taskiq_aio_pika"),
    ),
    _contender(
        *("celery", "Celery, pool of threads", 403, "celery", "-A", f"{_APPS}.celery_app"),
        *("worker", "--pool", "threads", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        needs=("celery",),
    ),
)
BESIDE: Final = Beside(floor=RAW, ours=OURS, more=(LOGGED,), neighbours=NEIGHBOURS)
HOLDERS: Final = tuple(one for one in NEIGHBOURS if one.name in {"dramatiq", "celery"})
"""Neighbours that can delay a task as they come, and hold it in the worker until it is due."""


def settings(place: Place, queue: Queue, one: Contender) -> Mapping[str, str]:
    """What a contender's processes are told of a place.

    A worker without a log starts only where its retries can wait at the broker: on the ladder.
    """
    is_logged = one.given.get("BENCH_LOG") == "full"
    off = {} if is_logged else {NAME: {"log": "off"}}
    return {
        "BENCH_PORT": str(place.port),
        "BENCH_QUEUE": queue.name,
        "LONGSHORE_APP": f"{_LONGSHORE}:app",
        "LONGSHORE_QUEUE": NAME,
        "LONGSHORE_QUEUES": json.dumps(off),
        "LONGSHORE_QUEUE_URL": place.url(queue) + ("" if is_logged else "&ladder=on"),
        "LONGSHORE_URL": f"sqlite:///{_log_of(place, queue)}" if is_logged else "null://",
        "LONGSHORE_CONCURRENCY": "100",
        "LONGSHORE_LOG_LEVEL": "warning",
        **one.given,
    }


def logged(place: Place, queue: Queue) -> Census | None:
    """What is in the log, counted without Longshore; None for a contender without one."""
    path = _log_of(place, queue)
    return census(Database(path=path)) if path.exists() else None


def _log_of(place: Place, queue: Queue) -> Path:
    return place.folder / f"{queue.prefix}log.db"
