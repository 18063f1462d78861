"""How a worker runs: frozen, given at its start."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from longshore.scheduler import SchedulerOptions

if TYPE_CHECKING:
    from pathlib import Path

Selection: TypeAlias = Literal["weighted", "strict", "round-robin"]

BROKER_EXTRA: Final = timedelta(seconds=5)
"""A broker's lease outlasts the log's by this, so that a redelivery finds a dead lease."""

_LOCAL_MARGIN: Final = timedelta(seconds=5)


def kept_for(lease: timedelta) -> float:
    """Seconds from a claim or renewal until a holder that heard nothing more stops itself.

    5 s before the lease's end, a sixth of shorter leases: renewals come each third of a lease
    (a tenth more with jitter) and begin at the age of a third, so the latest first one is in time.
    """
    return (lease - min(_LOCAL_MARGIN, lease / 6)).total_seconds()


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Size caps of what is kept of an attempt; bytes."""

    result: int = 262_144
    report: int = 65_536
    error: int = 65_536
    log_lines: int = 1000
    log_bytes: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What one worker process serves.

    `concurrency` handlers run at once; `prefetch` more may be held claimed, None lets short
    handlers have as many again and long ones none. `poll` is how long an empty queue is waited
    on, `grace` how long a drain waits for handlers. `burst` stops when every queue is empty;
    `max_tasks`, `max_time` and `memory_limit` (MB) stop after so much. `publish`
    runs the embedded scheduler, as `scheduling` says. `selection` says how queues share the
    slots: by their weights, evenly, or the first that has something alone. A worker drains while
    `stop_file` exists. It says what it does, and hears what operators order, each `beat` or
    third of a lease.
    """

    queues: tuple[str, ...] = ("default",)
    selection: Selection = "weighted"
    concurrency: int = 20
    prefetch: int | None = None
    poll: timedelta = timedelta(seconds=20)
    grace: timedelta = timedelta(seconds=30)
    burst: bool = False
    idle: timedelta | None = None
    max_tasks: int | None = None
    max_time: timedelta | None = None
    memory_limit: int | None = None
    stop_file: Path | None = None
    beat: timedelta = timedelta(seconds=5)
    publish: bool = True
    capture: bool = True
    scheduling: SchedulerOptions = field(default_factory=SchedulerOptions)
    limits: Limits = field(default_factory=Limits)
    name: str = field(default_factory=_name)
