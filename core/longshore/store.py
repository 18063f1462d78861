"""PORT: small versioned values with expiry, and counters.

Everything that is coordinated (leader lease, worker registry, control records, limits, unique
keys) is built once, in the core, on these five verbs. Verbs take many items and answer per
item, in order; each item is atomic by itself, a batch is not. Keys are text up to 512 bytes,
values up to 64 KiB. All verbs may be called concurrently; a verb raises `UnavailableError`
or `ClosedError` where no item can be answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

ABSENT = 0
"""`if_version=ABSENT`: write only where no live value stands under the key."""

MAX_KEY = 512
MAX_VALUE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stored value.

    `version` is never 0, grows with each write of the key, and is not used again after the
    key was deleted or expired: a stale holder's compare-and-set fails.
    """

    key: str
    value: bytes
    version: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write `value`; None for `if_version` writes unconditionally. `ttl` None keeps for ever."""

    key: str
    value: bytes
    if_version: int | None = None
    ttl: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove a key; None for `if_version` removes unconditionally."""

    key: str
    if_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Add `amount` to a counter; an absent or expired counter starts at 0.

    `ttl` applies when this add creates the counter, so that a window is not prolonged by use.
    """

    key: str
    amount: int = 1
    ttl: timedelta | None = None


class Store(Protocol):
    """Versioned keys with expiry. An expired key is absent, whenever it is swept."""

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read keys; None for one that is absent or expired. A counter reads as its digits."""
        ...

    async def put(self, puts: Sequence[Put]) -> list[Entry | None]:
        """Write values; None where `if_version` did not match, and nothing changed."""
        ...

    async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
        """Remove keys; False where the key was absent or `if_version` did not match."""
        ...

    async def add(self, adds: Sequence[Add]) -> list[int]:
        """Add to counters atomically; answer each new value.

        A key whose value is not a number written by `add` raises `StorageError`.
        """
        ...

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> list[Entry]:
        """List live entries under `prefix` in key order, past the key `after`."""
        ...
