"""What fits: sizes in bytes, each with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore import fitting
from longshore.errors import ConfigurationError, TooLargeError

if TYPE_CHECKING:
    from longshore.errors import LongshoreError

MAX_ROW: Final = 4_194_304
"""A body, a result, a report or an attempt's error and lines: this adapter's limit.

A kilobyte costs a write unit, so that a larger one belongs elsewhere.
"""

CHUNK: Final = 380_000
"""What one item holds of them: the service's limit is 400 KB with names and keys."""

MAX_HEAD: Final = 200_000
"""What a task's own fields and its progress may take in its row, which stays below 400 KB."""

UNIT: Final = 1024
"""A write unit covers a kilobyte of an item, the larger of old and new."""

STATEMENTS: Final = 25
"""Statements in one BatchExecuteStatement, items in one BatchWriteItem: the service's limit."""

KEYS: Final = 100
"""Keys in one BatchGetItem: the service's limit."""

BATCH_BYTES: Final = 700_000
"""Bytes in one BatchWriteItem: as base64 below the 1 MiB that the HTTP client sends at once."""

AT_ONCE: Final = 16
"""Calls in flight where a batch is made of single calls."""

SOURCE: Final = "the dynamodb adapter's limit"


def oversize(what: str, size: int, limit: int = MAX_ROW) -> LongshoreError | None:
    """Answer the error for what is too long."""
    return None if size <= limit else TooLargeError(what, size, limit, SOURCE)


def check_entry(key: str, value: bytes = b"") -> None:
    """Raise for a key or a value that the store does not hold."""
    fitting.check_entry(key, value)
    if not key.isascii() and any("\ud800" <= char <= "\udfff" for char in key):
        message = f"the key {key[:40]!r} is no text that UTF-8 can say; use another"
        raise ConfigurationError(message)
