"""Queues that are counted: how long each call took, and what went through."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.queue import ForwardingQueue
from longshore.quick import replace
from longshore.telemetry import instruments as table
from longshore.telemetry.carrier import XRAY, xray_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta

    from longshore.errors import LongshoreError
    from longshore.queue import (
        Delivery,
        Outgoing,
        Queue,
        Rejection,
        Release,
    )
    from longshore.telemetry.seam import Seam

T = TypeVar("T")

OPTIONAL: Final = ("purge", "dead_letters", "redrive", "discard", "redrive_all")
"""Verbs of optional ports: a wrapper has those that its queue has, and no others."""
_REASONS: Final = frozenset(table.REASONS)


class InstrumentedQueue(ForwardingQueue):
    """A queue as it is, with a record of its calls. It adds no failure and no wait."""

    def __init__(self, queue: Queue, seam: Seam) -> None:
        """Offer what `queue` offers."""
        super().__init__(queue)
        self._seam = seam
        for verb in OPTIONAL:
            if hasattr(queue, verb):
                setattr(self, verb, getattr(queue, verb))

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send, and count what was to be sent by how it went."""
        given = self._seam.outgoing(messages)
        answers = await self._timed("send", lambda: self._queue.send(given))
        self._seam.sent(self.name, answers)
        return answers

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Receive; a poll that brings something is traced."""
        began = time.time_ns()
        came = await self._timed(
            "receive", lambda: self._queue.receive(limit=limit, wait=wait, lease=lease)
        )
        if came:
            self._seam.received(self.name, came, began)
        return came

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Acknowledge."""
        return await self._settled("ack", len(deliveries), lambda: self._queue.ack(deliveries))

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give back."""
        return await self._settled("release", len(releases), lambda: self._queue.release(releases))

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move to the dead letters, and count them by their reasons."""
        answers = await self._settled(
            "reject", len(rejections), lambda: self._queue.reject(rejections)
        )
        died = [one.reason for one, error in zip(rejections, answers, strict=True) if error is None]
        self._seam.died(self.name, died)
        return answers

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Extend."""
        return await self._timed("extend", lambda: self._queue.extend(deliveries, lease=lease))

    async def _settled(
        self, verb: str, count: int, call: Callable[[], Awaitable[list[LongshoreError | None]]]
    ) -> list[LongshoreError | None]:
        began = time.time_ns()
        answers = await self._timed(verb, call)
        if count:
            self._seam.settled(verb, self.name, count, began)
            self._seam.refused(verb, self.name, answers)
        return answers

    async def _timed(self, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        began = time.perf_counter()
        error: str | None = None
        try:
            return await call()
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self._seam.timed(verb, self.name, time.perf_counter() - began, error)


def by_reason(reasons: Sequence[str]) -> Counter[str]:
    """Count reasons; those that nobody listed are one."""
    return Counter(reason if reason in _REASONS else table.UNKNOWN for reason in reasons)


def with_xray(messages: Sequence[Outgoing]) -> Sequence[Outgoing]:
    """Write each message's context for AWS as well, where it has one."""
    return [_with_xray(one) for one in messages]


def _with_xray(one: Outgoing) -> Outgoing:
    header = xray_of(one.body)
    if header is None or XRAY in one.attributes:
        return one
    return replace(one, attributes={**one.attributes, XRAY: header})
