"""How claimed rows are believed to stand, learned for each queue from its last claims.

Where all of the last batch adopted, the next is written as adoptions without a read; where all
started the row as its client had recorded it, as starts of that row. A batch that was mixed, or a
belief that did not hold, lets the next be read.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from longshore import protocol
from longshore.protocol import Answer, Record
from longshore.task import TaskState
from longshore_adapters.dynamodb.scalars import number, text
from longshore_adapters.dynamodb.wire import NOT_YET, Seen, state_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.identity import TaskId
    from longshore.protocol import Claim, Claimed


class Beliefs:
    """What one connection believes."""

    def __init__(self) -> None:
        """Believe nothing yet."""
        self._kinds: dict[str, str] = {}

    def of(self, bids: Sequence[Claim]) -> dict[TaskId, Seen]:
        """Say how rows are believed to stand; those that are not in it are to be read."""
        found: dict[TaskId, Seen] = {}
        for bid in bids:
            kind = self._kinds.get(bid.spec.queue)
            if kind == "absent":
                found[bid.spec.id] = NOT_YET
            elif kind == "recorded" and not bid.spec.delete_on_complete:
                found[bid.spec.id] = _recorded(bid)
        return found

    def learn(
        self,
        bids: Sequence[Claim],
        before: Mapping[TaskId, Seen],
        answers: Sequence[Claimed],
        after: Mapping[TaskId, Seen],
    ) -> None:
        """Take from a batch what to believe in the next; `before` is how rows were taken."""
        kinds: defaultdict[str, set[str]] = defaultdict(set)
        for bid, answer in zip(bids, answers, strict=True):
            won = answer.answer is Answer.WON
            kind = _kind(before[bid.spec.id], bid, after[bid.spec.id]) if won else ""
            kinds[bid.spec.queue].add(kind)
        for queue, found in kinds.items():
            self._kinds[queue] = found.pop() if len(found) == 1 else ""


def _kind(seen: Seen, bid: Claim, after: Seen) -> str:
    """Say what would have been the right belief."""
    if after.item["v"]["N"] == "1":
        return "absent"
    if "d" not in after.item:  # written on the belief, which held
        return "recorded"
    plain = _recorded(bid).item
    stood = all(seen.item.get(name) == value for name, value in plain.items())
    return "recorded" if stood else ""


def _recorded(bid: Claim) -> Seen:
    """Make the row as the task's client records it, as far as a claim needs it."""
    record = Record(spec=bid.spec, state=TaskState.QUEUED, due_at=bid.spec.created_at)
    row = protocol.record(record, bid.spec.created_at)
    return Seen(row, {"v": number(1), "a": text(state_text(row, {}))}, sure=False)
