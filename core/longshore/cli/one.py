"""A queue that delivers one task of the log, once: how `longshore run --id` feeds a worker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.queue import Delivery, Depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore.ports import Ports
    from longshore.queue import Outgoing, Queue, QueueCapabilities, Rejection, Release
    from longshore.task import Task

_NONE: Final = timedelta(0)


@dataclass(slots=True, eq=False)
class OneTaskQueue:
    """Delivers a copy of the message of a row; the real message stays where it is.

    So whatever becomes of the copy, nothing is taken from the broker: the next worker that meets
    the message asks the log, as for any second delivery. The copy can be neither delayed nor
    extended, so that the row itself keeps every wake-up (protocol.md §7).
    """

    real: Queue
    task: Task
    _waiting: list[Delivery] = field(init=False)

    def __post_init__(self) -> None:
        """Make the one delivery."""
        body = self.task.body or b""
        one = Delivery(receipt="run", queue=self.real.name, body=body, key=self.task.id)
        self._waiting = [one]

    @property
    def name(self) -> str:
        """The name of the task's queue."""
        return self.real.name

    @property
    def capabilities(self) -> QueueCapabilities:
        """Those of the real queue, without what a copy cannot do."""
        return replace(self.real.capabilities, max_release_delay=_NONE, leases=False)

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send to the real queue."""
        return await self.real.send(messages)

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Deliver the copy, and after it nothing, without waiting."""
        del limit, wait, lease
        delivered, self._waiting = self._waiting, []
        return delivered

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Forget the copy."""
        return [None for _ in deliveries]

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Forget the copy."""
        return [None for _ in releases]

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Forget the copy: the row says what became of the task."""
        return [None for _ in rejections]

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Nothing needs extending."""
        del lease
        return [None for _ in deliveries]

    async def depth(self) -> Depth:
        """Count the copy."""
        return Depth(ready=len(self._waiting))

    async def declare(self) -> bool:
        """Make nothing."""
        return False

    async def delete(self) -> None:
        """Remove nothing."""


def only(ports: Ports, task: Task) -> Ports:
    """The same ports, with a queue that holds the one task.

    `together` is left out: it would settle the copy as if it were the message.
    """
    queue = OneTaskQueue(ports.queue(task.spec.queue), task)

    def named(_name: str) -> Queue:
        return queue

    return replace(ports, queue=named, together=None)
