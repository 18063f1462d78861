"""What a worker holds: one claimed task, from its claim until its message is settled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from longshore.context import Context
    from longshore.definition import TaskDefinition
    from longshore.errors import LongshoreError
    from longshore.message import Message
    from longshore.policy import QueuePolicy
    from longshore.protocol import Claim
    from longshore.queue import Delivery
    from longshore.task import Reason, TaskSpec
    from longshore.telemetry import Observed

Stop: TypeAlias = Literal["lost", "cancel", "timeout", "drain"]


@dataclass(slots=True, kw_only=True, eq=False)
class Holding:
    """A task under our token. Times are monotonic seconds of the worker's clock.

    `deadline` is when we stop by ourselves unless a renewal moved it (protocol.md §6.1).
    `stopped` says why the handler was told to stop. `problem` is why the task cannot be run at
    all, `unfit` the reason to record for a message that no attempt can help. `luck` is where in
    its jitter the next wait falls: decided once, so that all who ask are answered alike. `group` is
    set where the queue keeps the order of groups. `observed` is there once it has begun, where
    somebody observes.
    """

    delivery: Delivery | None
    definition: TaskDefinition | None
    message: Message
    spec: TaskSpec
    policy: QueuePolicy
    token: int
    attempt: int
    run: int
    lease: timedelta
    claimed_at: float
    deadline: float
    timeout: timedelta | None
    ctx: Context
    claim: Claim | None = None
    alone: bool = False
    group: str | None = None
    luck: float = 0.0
    problem: LongshoreError | None = None
    unfit: Reason | None = None
    began_at: datetime | None = None
    began: float = 0.0
    timeout_at: float | None = None
    stopped: Stop | None = None
    ended: bool = False
    interrupt: Callable[[], object] | None = None
    observed: Observed | None = None
    extra: list[Delivery] = field(default_factory=list["Delivery"])

    def keep(self, copy: Delivery) -> None:
        """Keep a further delivery of the task: the newest is the one to settle (protocol.md §5)."""
        if self.delivery is not None:
            self.extra.append(self.delivery)
        self.delivery = copy

    def let_go(self) -> list[Delivery]:
        """Give out every delivery, to be acknowledged: the row has taken the wake-up over."""
        every = [*self.extra, *([] if self.delivery is None else [self.delivery])]
        self.delivery, self.extra = None, []
        return every

    def stop(self, why: Stop) -> None:
        """Tell the handler to stop, once; how soon it does is its executor's nature."""
        if self.stopped is not None or self.ended:
            return
        self.stopped = why
        self.ctx.cancel(why)
        if self.interrupt is not None:
            self.interrupt()
