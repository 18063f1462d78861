"""The one task of the simulation: its handler does what the plan says of its number."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from longshore.context import Context
from longshore.definition import TaskOptions, TaskRegistry, define
from longshore.retry import Cancel, PermanentError, Retry, Snooze
from tests.simulation.history import Began, Ended
from tests.simulation.loop import PROCESS, Process

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.history import History
    from tests.simulation.plan import TaskPlan


class Stage(Protocol):
    """What a handler sees of the world it runs in."""

    history: History
    random: Random
    tasks: dict[int, TaskPlan]

    def crash(self, process: Process) -> None: ...


STAGE: ContextVar[Stage] = ContextVar("stage")
RETRY = Retry(attempts=3, backoff=(1, 2))


async def work(ctx: Context, n: int) -> None:
    stage, process = STAGE.get(), PROCESS.get()
    assert process is not None
    plan, who = stage.tasks[n], process.name
    key, token = ctx.task_id, ctx.fence
    stubborn = plan.does == "stubborn"
    stage.history.add(
        Began(who=who, n=n, key=key, token=token, attempt=ctx.attempt, stubborn=stubborn)
    )
    how = "stopped"
    try:
        await _do(ctx, stage, plan, process)
        how = "ok"
    except Snooze:
        how = "snooze"
        raise
    except Cancel:
        how = "cancel"
        raise
    except Exception:
        how = "error"
        raise
    finally:
        stage.history.add(Ended(who=who, n=n, key=key, token=token, how=how))


async def _do(ctx: Context, stage: Stage, plan: TaskPlan, process: Process) -> None:
    """Take a while, then end as planned."""
    if plan.does == "stubborn":
        await _unstoppable(ctx, plan.seconds + stage.random.random() * 3)
        return
    await ctx.clock.sleep(plan.seconds)
    if plan.does == "flaky" and stage.random.random() < 0.6:
        message = "flaky"
        raise RuntimeError(message)
    if plan.does == "fatal":
        message = "fatal"
        raise PermanentError(message)
    if plan.does == "snoozes" and ctx.fence == 1:
        raise Snooze(timedelta(seconds=1.5))
    if plan.does == "cancels":
        raise Cancel
    if plan.does == "kills" or (plan.does == "kills once" and ctx.fence == 1):
        stage.crash(process)
        await asyncio.sleep(0)


async def _unstoppable(ctx: Context, seconds: float) -> None:
    """Go on for the whole time, however often it is told to stop; then say that it was."""
    end = ctx.clock.monotonic() + seconds
    stopped = False
    while (left := end - ctx.clock.monotonic()) > 0:
        try:
            await ctx.clock.sleep(left)
        except asyncio.CancelledError:
            if getattr(STAGE.get(), "over", False):
                raise
            stopped = True
    if stopped:
        raise asyncio.CancelledError


WORK = define(work, name="work", options=TaskOptions(retry=RETRY))
REGISTRY = TaskRegistry()
REGISTRY.add(WORK)
