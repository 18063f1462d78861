"""What `TaskLog.prune` promises where the messages are in the same store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.conformance.contract import LONG
from longshore.conformance.together.both import TogetherSetting
from longshore.conformance.together.settling import failure, settle, success
from longshore.queue import Depth
from longshore.task import FINAL

if TYPE_CHECKING:
    from longshore.conformance.queue.hands import Hands
    from longshore.conformance.task_log.clerk import Clerk
    from longshore.queue import Delivery
    from longshore.task import TaskSpec
    from longshore.together import Together


class PruningBoth(TogetherSetting):
    """No message may come back whose row has gone: it would be run again."""

    async def _begun(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> tuple[TaskSpec, Delivery]:
        entry = clerk.entry()
        await together.enqueue([entry])
        [delivery] = await hands.take(lease=LONG)
        await clerk.won(clerk.bid(entry.spec))
        return entry.spec, delivery

    async def test_a_row_stays_while_its_message_stands(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """In somebody's hands or not; it goes once the message has."""
        spec, delivery = await self._begun(together, clerk, hands)
        await settle(together, success(spec), None)
        before = clerk.now() + LONG

        removed = await clerk.log.prune(states=FINAL, before=before, limit=10)
        await hands.queue.ack([delivery])
        rest = await clerk.log.prune(states=FINAL, before=before, limit=10)

        assert (removed, rest) == (0, 1)

    async def test_a_dead_letter_goes_with_its_row(
        self, together: Together, clerk: Clerk, hands: Hands
    ) -> None:
        """It is a copy for convenience, and the row the record; those of other rows stay."""
        letters: list[TaskSpec] = []
        for _ in range(2):
            spec, delivery = await self._begun(together, clerk, hands)
            await settle(together, failure(spec), delivery)
            letters.append(spec)
        await hands.depth_is(Depth(dead=2))

        removed = await clerk.log.prune(states=FINAL, before=clerk.now() + LONG, limit=1)

        assert removed == 1
        await hands.depth_is(Depth(dead=1))
        assert await clerk.find_row(letters[1]) is not None
