"""Whether a worker process is alive, and whether it is ready: judged from outside its loop.

A process is dead when nothing but a restart helps. That is so when

1. its loop has not come round for `stall`, and it is not a handler that holds it. A handler holds
   it while the loop's thread is inside a step that runs in a handler's context: the handler
   itself, a task or a callback that it made, its hooks. The stack of that thread is looked at when
   somebody asks, so that nothing is paid for it otherwise;
2. or a handler holds it for longer than it may: its own timeout and `PATIENCE` seconds to end, or,
   where it has none, `block` since the loop last came round;
3. or a poll, or the renewal of leases, has not ended `hang` after it should have. One that fails
   has ended: a server that is away kills nobody. Adapters give up on one that hangs, or on a file
   that somebody else keeps locked, and are given the time for it. Time that the loop stood still
   does not count, where they need it.

What a handler does on a thread or in a child process holds no loop, and so never counts.
Compiled code that keeps Python's lock keeps every thread from answering, this one too.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from longshore.context import current
from longshore.worker.attempt import acall
from longshore.worker.pulse import ASK
from longshore.worker.stuck import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from longshore.context import Context
    from longshore.worker.pulse import Part, Pulse

_HANGS: Final = 10
_GIVES_UP: Final = timedelta(minutes=1)
"""Longer than every adapter's own timeouts: a restart would not help a call within them."""
_STACK: Final = 12
_STEP: Final = asyncio.Handle._run.__code__  # noqa: SLF001 - nothing public tells whose step it is
_STARTED: Final = frozenset({"running", "paused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`problems` is empty where all is well; `facts` are for whoever looks into it."""

    problems: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long a loop may stand still, by our own code's fault and by a handler's.

    And how long after its time a call to a server may `hang`.
    """

    stall: timedelta
    block: timedelta
    hang: timedelta

    @classmethod
    def of(cls, *, stall: timedelta, block: timedelta) -> Bounds:
        """These, and ten times `stall` for a call that hangs, though never below a minute."""
        return cls(stall=stall, block=block, hang=max(_HANGS * stall, _GIVES_UP))


def is_live(pulse: Pulse, bounds: Bounds) -> Verdict:
    """Judge the loop, the polls and the renewal of leases. Call from any other thread."""
    now = pulse.clock.monotonic()
    facts: dict[str, Any] = {
        "state": pulse.state(),
        "loop": _ages(pulse.loop, now),
        "leases": _ages(pulse.leases, now),
        "polls": {name: _ages(part, now) for name, part in sorted(pulse.polls.items())},
    }
    problems: list[str] = []
    stands = (late := pulse.loop.overdue(now)) > bounds.stall.total_seconds()
    if stands:
        problems += _of_loop(pulse, bounds, late, facts)
    for what, part in pulse.calls.items():
        judged = part.apart or not stands
        if judged and (late := part.overdue(now)) > bounds.hang.total_seconds():
            problems.append(f"{what} should have ended {late:.1f} s ago")
    return Verdict(problems=tuple(problems), facts=facts)


def is_ready(pulse: Pulse) -> Verdict:
    """Whether the worker has started, does not drain, and was answered by its log and queues."""
    now = pulse.clock.monotonic()
    state, paused = pulse.state(), pulse.paused()
    problems = [] if state in _STARTED else [f"the worker is {state}"]
    if pulse.log.problem == "":
        problems.append("the log has not answered yet")
    elif pulse.log.problem is not None:
        problems.append(f"the log does not answer: {pulse.log.problem}")
    elif pulse.log.overdue(now) > 2 * ASK:
        problems.append("the log does not answer, and has not failed either")
    polls = {name: part for name, part in sorted(pulse.polls.items()) if name not in paused}
    if polls and all(part.problem == "" for part in polls.values()):
        problems.append("no queue has answered yet")
    problems += [
        f"queue {name!r} does not answer: {part.problem}"
        for name, part in polls.items()
        if part.problem
    ]
    facts = {"state": state, "paused_queues": sorted(paused)}
    return Verdict(problems=tuple(problems), facts=facts)


def _of_loop(pulse: Pulse, bounds: Bounds, late: float, facts: dict[str, Any]) -> list[str]:
    # Private by name alone: it is documented as the way to look into a deadlock.
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # as above
    frame = frames.get(pulse.thread or 0)
    holder = None if frame is None else _holder(frame)
    facts["stack"] = _lines(frame)
    if holder is None:
        return [f"the loop has not come round for {late:.1f} s, and no handler holds it"]
    held = next((one for one in list(pulse.held()) if one.ctx is holder), None)
    if held is not None and held.timeout_at is not None:
        over = pulse.clock.monotonic() - held.timeout_at - PATIENCE
        limit = "its timeout"
    else:
        over = late - bounds.block.total_seconds()
        limit = f"the {bounds.block.total_seconds():g} s that a handler without a timeout has"
    facts["held_by"] = {
        "task": holder.task_name,
        "task_id": holder.task_id,
        "may_go_on": round(-over, 3),
    }
    if over <= 0:
        return []
    who = f"task {holder.task_id} ({holder.task_name})"
    return [f"{who} holds the loop for {late:.1f} s, beyond {limit}"]


def _holder(frame: FrameType) -> Context | None:
    """Whose step a loop's thread is in: a handler's context, or None for our own code."""
    for each in _outwards(frame):
        if each.f_code is _STEP:
            return _context_of(cast("asyncio.Handle", each.f_locals["self"]))
        if each.f_code is acall.__code__:  # a loop that is not asyncio's own has no step to look at
            return cast("Context", each.f_locals["held"].ctx)
    return None


def _context_of(step: asyncio.Handle) -> Context | None:
    run_in: Any = step._context  # type: ignore[attr-defined]  # noqa: SLF001 - get_context() came with Python 3.12
    return None if run_in is None else cast("Context | None", run_in.get(current))


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _lines(frame: FrameType | None) -> list[str]:
    """Where a thread is, the innermost call last."""
    if frame is None:
        return []
    summary = traceback.extract_stack(frame)[-_STACK:]
    return [f"{each.filename}:{each.lineno} {each.name}" for each in summary]


def _ages(part: Part, now: float) -> dict[str, float | None]:
    came = None if part.came is None else round(now - part.came, 3)
    return {"came": came, "overdue": round(part.overdue(now), 3)}
