"""Tasks that no log knows of: each answer follows from the message and the outcome alone.

What a log would take over from the broker cannot be promised here (protocol.md §14): no answer
lets a message be acknowledged before its task has ended, and nobody is fenced off. A test compares
the answers with those that `claim` and `finish` give for a row that is made for them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.protocol.values import Answer, Claimed, End, Finished, Settle
from longshore.task import TaskState

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.protocol.values import Claim, Outcome

UNFENCED: Final = 0
"""The token of who claimed without a log: real ones begin with 1."""
_AT_ONCE: Final = timedelta(0)


def claim_unlogged(bid: Claim, now: datetime) -> Claimed:
    """Let everybody win what is due and not expired; the broker's receives count the attempts."""
    expires_at = bid.spec.expires_at
    if expires_at is not None and expires_at <= now:
        return Claimed(answer=Answer.EXPIRED, state=TaskState.EXPIRED)
    if bid.due_at > now:
        return Claimed(answer=Answer.EARLY, state=TaskState.SCHEDULED, until=bid.due_at)
    return Claimed(answer=Answer.WON, state=TaskState.RUNNING, token=UNFENCED, attempt=bid.receives)


def finish_unlogged(outcome: Outcome) -> Finished:
    """Accept each end; a retry or a give-back is its message's, released with the delay."""
    state, settle = _fate(outcome)
    if not outcome.held and settle is not Settle.DEAD_LETTER:
        settle = Settle.LEAVE
    released = settle is Settle.RELEASE
    return Finished(
        task_id=outcome.task_id,
        accepted=True,
        settle=settle,
        state=state,
        delay=(outcome.retry_in or _AT_ONCE) if released else _AT_ONCE,
        reason=outcome.reason,
    )


def _fate(outcome: Outcome) -> tuple[TaskState, Settle]:
    """What becomes of a task, and of the message where one is held."""
    if outcome.end is End.SUCCESS:
        return TaskState.SUCCEEDED, Settle.ACK
    if outcome.end is End.CANCEL:
        return TaskState.CANCELLED, Settle.ACK
    if outcome.end is End.GIVE_BACK:
        waits = outcome.retry_in is not None
        return TaskState.SCHEDULED if waits else TaskState.QUEUED, Settle.RELEASE
    if outcome.retry_in is None:
        return TaskState.FAILED, Settle.DEAD_LETTER
    return TaskState.RETRYING, Settle.RELEASE
