"""How a scheduler works: frozen, given at its start."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """What a scheduler does besides publishing, and how often.

    `lease` is the leader's: another takes over within two of them. `audit_every` is between two
    looks for lost messages, `audit_gap` between the two that must find a queue empty.

    `keep` says how long rows stay by their final state; rows of a state it does not name stay
    for ever. `message_retention` is how long a message may outlive its task's end, in its queue
    and among the dead letters: no row goes before, unless queue and log are one store.

    `queues` are those whose depth is told where metrics are wanted.

    `max_rescues` is how often a message is made anew for a task that nobody claims.
    """

    lease: timedelta = timedelta(seconds=10)
    audit_every: timedelta = timedelta(minutes=15)
    audit_gap: timedelta = timedelta(minutes=2)
    prune_every: timedelta = timedelta(minutes=1)
    keep: Mapping[TaskState, timedelta] = field(default_factory=dict[TaskState, timedelta])
    message_retention: timedelta = timedelta(days=28)
    max_rescues: int = 3
    queues: tuple[str, ...] = ()
    name: str = field(default_factory=_name)
