"""The one transition table (protocol.md §13)."""

from __future__ import annotations

from typing import Final

from longshore.task import FINAL, HELD, OPEN, TaskState

_S = TaskState

TRANSITIONS: Final[frozenset[tuple[TaskState | None, TaskState]]] = frozenset(
    {
        *((None, state) for state in (_S.CREATED, _S.QUEUED, _S.SCHEDULED, _S.BLOCKED)),
        *((None, state) for state in (_S.CANCELLED, _S.PAUSED, _S.RUNNING, _S.EXPIRED)),
        *((state, _S.QUEUED) for state in (_S.CREATED, _S.SCHEDULED, _S.RETRYING)),
        *((state, _S.RUNNING) for state in OPEN),
        *((state, _S.EXPIRED) for state in OPEN | {_S.RUNNING}),
        *((state, _S.FAILED) for state in OPEN | {_S.RUNNING}),
        *((state, _S.PAUSED) for state in OPEN),
        *((state, _S.CANCELLED) for state in OPEN | HELD | {_S.RUNNING}),
        *((_S.RUNNING, state) for state in (_S.RUNNING, _S.SUCCEEDED, _S.RETRYING)),
        *((_S.RUNNING, state) for state in (_S.QUEUED, _S.SCHEDULED, _S.WAITING)),
        *((state, _S.QUEUED) for state in HELD),
        *((state, _S.QUEUED) for state in FINAL - {_S.SUCCEEDED}),
        (_S.FAILED, _S.RUNNING),
    }
)
"""Pairs (from, to) that change the state; None is a task without a row. No other exists."""


def allowed(before: TaskState | None, after: TaskState) -> bool:
    """Whether the table has the step. Staying in a state is not a step and always allowed."""
    return before == after or (before, after) in TRANSITIONS
