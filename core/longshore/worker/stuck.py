"""Handlers that run on after their timeout, because nothing can stop them (protocol.md §6.5, §7).

Their leases are kept, so that no retry starts beside them, and their process goes for their sake.
Being late is an attempt: were it given back, a task that always hangs would end one process after
another, for ever.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Final

from longshore.worker.attempt import fail_alone
from longshore.worker.outcome import late

if TYPE_CHECKING:
    from collections.abc import Iterable

    from longshore.worker.holding import Holding

_log = logging.getLogger("longshore.worker")
PATIENCE: Final = 5.0
"""Seconds that a handler has to end after its timeout."""
_HOOK: Final = 1.0
"""Seconds that the failure hook of a handler that is left behind may take."""


def is_stuck(held: Holding, now: float) -> bool:
    """Whether a handler was told of its timeout, and has had the time to end."""
    told = held.stopped == "timeout" and not held.ended and held.timeout_at is not None
    return told and now >= (held.timeout_at or now) + PATIENCE


def overrun(holdings: Iterable[Holding], now: float) -> str | None:
    """Answer `stuck`, and say which it is, where a process has to go for a handler's sake."""
    stuck = next((held for held in holdings if is_stuck(held, now)), None)
    if stuck is None:
        return None
    _log.error(
        "task %s (%s) ignores its timeout and cannot be stopped: this process lets the others "
        "end, and leaves with it",
        stuck.spec.id,
        stuck.spec.name,
    )
    return "stuck"


async def leave(held: Holding) -> Exception:
    """Call the failure hook of one that is left behind; answer what its attempt came to.

    On a thread that nobody waits for long: where a handler hangs, its hook may do so too.
    """
    error = late(held)
    hook = threading.Thread(target=fail_alone, args=(held, error), daemon=True)
    hook.start()
    await asyncio.to_thread(hook.join, _HOOK)
    return error
