"""What becomes of deliveries whose claim was not won (the table of protocol.md §5)."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.errors import UnavailableError
from longshore.protocol import Answer, Change, Verb
from longshore.queue import Rejection, Release
from longshore.task import Reason
from longshore.worker.messages import tell_refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.ports import Ports
    from longshore.protocol import Claimed
    from longshore.queue import Delivery, Queue
    from longshore.worker.bids import Bid

_log = logging.getLogger("longshore.worker")
LONGEST_RELEASE: Final = timedelta(minutes=15)
OFTEN: Final = 50
"""Receives after which a message is parked, not released: half of the usual brokers' limit."""
_SOON: Final = timedelta(milliseconds=100)


class Losers:
    """Settles what was not won of one queue."""

    def __init__(self, port: Queue, ports: Ports) -> None:
        """`port` is the queue, one of `ports`."""
        self._port = port
        self._ports = ports

    async def settle(self, lost: Sequence[tuple[Bid, Claimed]]) -> None:
        """Acknowledge, release, park or bury.

        What cannot be done now is left to its lease: the next claim is answered alike.
        """
        try:
            await self._settle(lost)
        except UnavailableError as error:
            _log.warning("%d messages are left to their leases: %s", len(lost), error)

    async def _settle(self, lost: Sequence[tuple[Bid, Claimed]]) -> None:
        acks: list[Delivery] = []
        releases: list[Release] = []
        rejections: list[Rejection] = []
        parks: list[tuple[Bid, Change]] = []
        for bid, answer in lost:
            if answer.answer is Answer.POISON:
                rejections.append(_poison(bid, answer))
            elif answer.answer is Answer.HELD and not answer.has_body:
                parks.append((bid, _change(bid, Verb.KEEP_BODY)))
            elif answer.until is None or answer.armed:
                acks.append(bid.delivery)
            else:
                self._wait(bid, answer.until, releases, parks)
        await self._store(parks, acks, releases)
        if acks:
            tell_refused(self._port.name, "ack", await self._port.ack(acks))
        if releases:
            tell_refused(self._port.name, "release", await self._port.release(releases))
        if rejections:
            tell_refused(self._port.name, "reject", await self._port.reject(rejections))

    async def _store(
        self,
        parks: Sequence[tuple[Bid, Change]],
        acks: list[Delivery],
        releases: list[Release],
    ) -> None:
        """Put wake-ups or bodies into rows; a refused one is released, to be claimed again."""
        if not parks:
            return
        answers = await self._ports.task_log.transition([change for _, change in parks])
        for (bid, _), answer in zip(parks, answers, strict=True):
            if answer.applied:
                acks.append(bid.delivery)
            else:
                releases.append(Release(delivery=bid.delivery, delay=self._soon))

    @property
    def _soon(self) -> timedelta:
        """A moment, or none where the broker holds nothing back: what it refuses stays with us."""
        longest = self._port.capabilities.max_release_delay
        return _SOON if longest is None else min(_SOON, longest)

    def _wait(
        self,
        bid: Bid,
        until: datetime,
        releases: list[Release],
        parks: list[tuple[Bid, Change]],
    ) -> None:
        """Release where the broker can hold the message back for so long, else park."""
        wait = max(until - self._ports.clock.now(), _SOON)
        longest = self._port.capabilities.max_release_delay
        can = wait <= LONGEST_RELEASE and (longest is None or wait <= longest)
        if can and bid.delivery.receives < OFTEN:
            releases.append(Release(delivery=bid.delivery, delay=wait))
        else:
            parks.append((bid, _change(bid, Verb.PARK)))


def _change(bid: Bid, verb: Verb) -> Change:
    spec = bid.claim.spec
    return Change(task_id=spec.id, verb=verb, body=spec.body)


def _poison(bid: Bid, answer: Claimed) -> Rejection:
    reason = Reason.LOST if bid.claim.lost_fails else Reason.POISON
    detail = "its worker was lost on every try; the last one ran alone"
    if bid.claim.lost_fails:
        detail = "its worker was lost, and the task is not to be run again"
    return Rejection(delivery=bid.delivery, reason=reason, detail=detail, stamp=answer.run)
