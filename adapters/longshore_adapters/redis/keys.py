"""The names of what Longshore keeps on the server. All share one hash tag, hence one slot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from longshore_adapters.redis.scalars import raw

_QUEUE_PARTS: Final = (
    *("messages", "held", "ready", "delayed", "leased"),
    *("wake", "dead", "letters"),
)
_LOG_PARTS: Final = (
    *("rows", "bodies", "attempts", "index", "wakes"),
    *("succeeded", "failed", "cancelled", "expired"),
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys under one prefix.

    `common` come first in every script that touches messages or rows: the number that grows with
    everything, how many messages stand under each task key, and which letters there are of it.
    """

    prefix: str
    common: tuple[bytes, ...] = field(init=False)
    log: tuple[bytes, ...] = field(init=False)
    store: tuple[bytes, ...] = field(init=False)
    queues: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Write them once."""
        put = object.__setattr__
        put(self, "common", tuple(map(self._named, ("number", "standing", "buried"))))
        put(self, "log", tuple(self._named(f"log:{part}") for part in _LOG_PARTS))
        put(
            self,
            "store",
            tuple(self._named(f"store:{part}") for part in ("entries", "order", "expiry")),
        )
        put(self, "queues", self._named("queues"))

    @property
    def pattern(self) -> bytes:
        """What all of them match, for SCAN; a prefix has no character that means more."""
        return self._named("*")

    def queue(self, name: str) -> tuple[bytes, ...]:
        """The keys of a queue, in the order that `queue.lua` reads them."""
        start = self._named("queue:") + raw(name) + b":"
        return tuple(start + part.encode() for part in _QUEUE_PARTS)

    def wake(self, name: str) -> bytes:
        """The list of a queue that its receivers wait for."""
        return self.queue(name)[_QUEUE_PARTS.index("wake")]

    def _named(self, part: str) -> bytes:
        return f"{{{self.prefix}}}:{part}".encode()
