"""How a worker ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Why a worker returned.

    `reason` is one of `drained`, `idle`, `max_tasks`, `max_time`, `memory`, `stuck`, `stop_file`.
    `stuck` handlers run on threads that cannot be stopped: the process should leave at once.
    """

    reason: str
    done: int
    failed: int
    stuck: int = 0
