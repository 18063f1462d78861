"""PORT, optional: a queue and a log in one store, so that a step of both is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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
