"""Tasks that no log knows of: each answer follows from the message and the outcome alone.

What a log would take over from the broker cannot be promised here (protocol.md §14): no answer
lets a message be acknowledged before its task has ended, and nobody is fenced off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from longshore.protocol.claim import claim
from longshore.protocol.finish import finish
from longshore.task import Task, TaskSpec, TaskState

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.protocol.values import Claim, Claimed, Finished, Outcome

UNFENCED: Final = 0
"""The token of who claimed without a log: real ones begin with 1."""


def claim_unlogged(bid: Claim, now: datetime) -> Claimed:
    """Let everybody win what is due and not expired; the broker's receives count the attempts."""
    _, answer, _ = claim(None, bid, now)
    unlogged = replace(answer, armed=False, has_body=False, token=UNFENCED)
    return replace(unlogged, attempt=bid.receives if answer.attempt else 0)


def finish_unlogged(outcome: Outcome, now: datetime) -> Finished:
    """Accept each end; a retry or a give-back is its message's, released with the delay."""
    spec = TaskSpec(id=outcome.task_id, name="", queue="", body=b"", created_at=now)
    running = Task(
        spec=spec,
        state=TaskState.RUNNING,
        due_at=now,
        updated_at=now,
        token=outcome.token,
        attempts=1,
    )
    return finish(running, replace(outcome, body=None), now)[1]
