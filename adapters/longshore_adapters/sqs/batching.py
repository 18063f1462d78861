"""Many entries to few requests: packing, and the answer of each entry. No calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from longshore.errors import UnavailableError
from longshore_adapters.sqs.errors import refused_entry, translated
from longshore_adapters.sqs.limits import MAX_ENTRIES, MAX_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from longshore.errors import LongshoreError
    from longshore_adapters.sqs.wire import Entry

TRIES: Final = 5
"""Requests for one entry, as long as SQS says that the fault is its own."""
FIRST_PAUSE: Final = 0.1
"""Seconds before the second; each further pause is twice as long, half of it by chance."""


def fits(entries: int, size: int, entry: Entry) -> bool:
    """Whether one request takes an entry more."""
    return entries < MAX_ENTRIES and size + entry.size <= MAX_MESSAGE


def packed(entries: Sequence[Entry]) -> Iterator[Sequence[int]]:
    """Divide entries, in their order, into requests; give their places."""
    places: list[int] = []
    size = 0
    for place, entry in enumerate(entries):
        if places and not fits(len(places), size, entry):
            yield places
            places, size = [], 0
        places.append(place)
        size += entry.size
    if places:
        yield places


class Batch:
    """The entries of one request, some of which may need a further one."""

    def __init__(self, operation: str, queue: str, entries: Sequence[Entry]) -> None:
        """`queue` is the queue's name, for what errors say."""
        self.operation = operation
        self.queue = queue
        self.answers: list[LongshoreError | None] = [None] * len(entries)
        self._entries = entries
        self._left: Sequence[int] = range(len(entries))

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What the next request says; its ids are places in the batch."""
        return [{"Id": str(place), **self._entries[place].fields} for place in self._left]

    @property
    def single(self) -> bool:
        """Whether one entry alone is left."""
        return len(self._left) == 1

    def split(self) -> list[Batch]:
        """Make a batch of each entry that is left."""
        alone = [[self._entries[place]] for place in self._left]
        return [Batch(self.operation, self.queue, entry) for entry in alone]

    def joined(self, parts: Sequence[Batch]) -> None:
        """Take over the answers of what `split` made."""
        for place, part in zip(self._left, parts, strict=True):
            self.answers[place] = part.answers[0]

    def fail(self, error: LongshoreError) -> None:
        """Answer all that is left."""
        for place in self._left:
            self.answers[place] = error

    def read(self, response: Mapping[str, Any]) -> bool:
        """Take a response; whether it leaves entries that are worth another request."""
        done = {entry["Id"] for entry in response.get("Successful", ())}
        refused = {entry["Id"]: entry for entry in response.get("Failed", ())}
        again: list[int] = []
        for place in self._left:
            if str(place) in done:
                self.answers[place] = None
                continue
            entry = refused.get(str(place))
            if entry is None:
                lacking = f"SQS did not say whether it carried out {self.operation}"
                self.answers[place] = UnavailableError(lacking)
                again.append(place)
                continue
            answer = refused_entry(entry)
            self.answers[place] = translated(answer, self.operation, self.queue)
            if answer.is_passing:
                again.append(place)
        self._left = again
        return bool(again)


def all_unavailable(answers: Sequence[LongshoreError | None]) -> UnavailableError | None:
    """Give the error to raise where no item could be answered."""
    if answers and all(isinstance(answer, UnavailableError) for answer in answers):
        first = answers[0]
        return first if isinstance(first, UnavailableError) else None
    return None
