"""What fits: sizes in bytes, chosen for this adapter and stated to its callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore.errors import TooLargeError
from longshore.store import MAX_KEY, MAX_VALUE

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.protocol import Outcome, Record
    from longshore.queue import Outgoing

MAX_BODY: Final = 16_777_216
"""A message's body. A value of Redis's holds 512 MiB (proto-max-bulk-len), but all of it is memory,
and the server serves nobody else while it copies one."""

MAX_ROW: Final = 33_554_432
"""What one record or one finish brings into a row: a body and a result, each as long as can be."""

MAX_BATCH: Final = 1000
"""Messages in one call: a hundredth of a second in which the server serves nobody else."""

PORTION: Final = 500
"""What is removed or looked at in one step, where it may be a whole backlog."""

_SOURCE: Final = "the redis adapter's limit"


def oversize_message(message: Outgoing) -> LongshoreError | None:
    """Answer the error for a message that is too long."""
    size = len(message.body)
    return None if size <= MAX_BODY else TooLargeError("the message", size, MAX_BODY, _SOURCE)


def oversize_record(record: Record, limit: int = MAX_ROW) -> LongshoreError | None:
    """Answer the error for a row that is too long; one with a message is so above `MAX_BODY`."""
    size = len(record.spec.body)
    return None if size <= limit else TooLargeError("the task", size, limit, _SOURCE)


def oversize_outcome(outcome: Outcome) -> LongshoreError | None:
    """Answer the error for the end of an attempt that brings too much."""
    size = len(outcome.result or b"") + len(outcome.report or b"") + len(outcome.body or b"")
    if outcome.error is not None:
        size += len(outcome.error.message) + len(outcome.error.traceback)
    if outcome.lines:
        size += sum(len(line.text) for line in outcome.lines)
    return None if size <= MAX_ROW else TooLargeError("the outcome", size, MAX_ROW, _SOURCE)


def check_entry(key: str, value: bytes = b"") -> None:
    """Raise `TooLargeError` for a key or a value above the port's limits."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY:
        what = f"the key {key[:40]!r}…"
        raise TooLargeError(what, size, MAX_KEY, "the limit of every store")
    if len(value) > MAX_VALUE:
        what = f"the value of {key!r}"
        raise TooLargeError(what, len(value), MAX_VALUE, "the limit of every store")
