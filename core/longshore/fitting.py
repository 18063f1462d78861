"""Whether things fit: sizes in bytes, held against what an adapter states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from longshore.errors import TooLargeError
from longshore.store import MAX_KEY, MAX_VALUE

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.protocol import Outcome, Record
    from longshore.queue import Outgoing

_EVERY_STORE = "the limit of every store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What one message's body, and what one record or finish brings into a row, may have.

    `source` says whose limits they are. An answer is the error for what is too long, or None.
    """

    body: int
    row: int
    source: str

    def message(self, message: Outgoing) -> LongshoreError | None:
        """Look at a message."""
        return self._error("the message", len(message.body), self.body)

    def record(self, record: Record, *, sends: bool = False) -> LongshoreError | None:
        """Look at a row; one that `sends` a message has its body's limit."""
        limit = self.body if sends else self.row
        return self._error("the task", len(record.spec.body), limit)

    def outcome(self, outcome: Outcome) -> LongshoreError | None:
        """Look at the end of an attempt."""
        size = len(outcome.result or b"") + len(outcome.report or b"") + len(outcome.body or b"")
        if outcome.error is not None:
            size += len(outcome.error.message) + len(outcome.error.traceback)
        if outcome.lines:
            size += sum(len(line.text) for line in outcome.lines)
        return self._error("the outcome", size, self.row)

    def _error(self, what: str, size: int, limit: int) -> LongshoreError | None:
        return None if size <= limit else TooLargeError(what, size, limit, self.source)


def check_entry(key: str, value: bytes = b"") -> None:
    """Raise `TooLargeError` for a key or a value above the limits of the port Store."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY:
        what = f"the key {key[:40]!r}…"
        raise TooLargeError(what, size, MAX_KEY, _EVERY_STORE)
    if len(value) > MAX_VALUE:
        what = f"the value of {key!r}"
        raise TooLargeError(what, len(value), MAX_VALUE, _EVERY_STORE)
