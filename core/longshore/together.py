"""PORT, optional: a queue and a log in one store, so that a step of both is one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from longshore.protocol import Settle
from longshore.queue import Rejection, Release
from longshore.quick import quick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Finished, Outcome, Record, Recorded
    from longshore.queue import Delivery


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The end of an attempt and the delivery it came with (None: no message is held)."""

    outcome: Outcome
    delivery: Delivery | None


@dataclass(slots=True)
class Settled:
    """What becomes of the messages of a batch."""

    acked: list[Delivery] = field(default_factory=list["Delivery"])
    released: list[Release] = field(default_factory=list[Release])
    rejected: list[Rejection] = field(default_factory=list[Rejection])

    @classmethod
    def of(cls, settlements: Sequence[Settlement], finished: Sequence[Finished]) -> Settled:
        """Sort deliveries by what the answers say; what is to be left alone is in no list."""
        sorted_ = cls()
        for item, answer in zip(settlements, finished, strict=True):
            delivery = item.delivery
            if delivery is None:
                continue
            if answer.settle is Settle.ACK:
                sorted_.acked.append(delivery)
            elif answer.settle is Settle.RELEASE:
                sorted_.released.append(Release(delivery=delivery, delay=answer.delay))
            elif answer.settle is Settle.DEAD_LETTER:
                sorted_.rejected.append(rejection_of(item.outcome, delivery, answer))
        return sorted_


def rejection_of(outcome: Outcome, delivery: Delivery, answer: Finished) -> Rejection:
    """Make the dead letter of an attempt that failed for good."""
    error = outcome.error
    return Rejection(
        delivery=delivery,
        reason=answer.reason or "error",
        detail="" if error is None else error.message,
        stamp=answer.run,
    )


class Together(Protocol):
    """What a store that holds both the messages and the rows can do at once."""

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages; all of the batch or, where it raises, nothing.

        A row that exists is answered and gets no second message. The message goes to the
        spec's queue, with its body, priority and tenant, visible at `due_at`; a record that is
        armed or not open gets none.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        """Finish each attempt and settle its message as the answer says, as one transaction.

        A refused finish leaves its message alone. A message whose lease was meanwhile lost is
        left alone too: the row decides what becomes of it.
        """
        ...


class SyncTogether(Protocol):
    """The enqueueing half, for code without an event loop. Safe for use by several threads."""

    def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Do as `Together.enqueue`, in the caller's thread."""
        ...
