"""How much the broker may send: a limit of each consumer, fixed when it begins.

So there are several on one queue, and what they may hold together is what is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore_adapters.rabbitmq import frames

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST: Final = 65_535
MOST_CONSUMERS: Final = 32
SHARE: Final = 4
"""A further consumer takes at least one for so many that are held: load that grows needs few."""


class Prefetch:
    """The consumers of one queue on one channel, by their tags."""

    def __init__(self, queue: str) -> None:
        """`queue` is what RabbitMQ calls it."""
        self._queue = queue
        self._live: dict[str, int] = {}
        self._begun = 0

    @property
    def allowed(self) -> int:
        """How many messages the consumers may hold together; none without a consumer."""
        return sum(self._live.values())

    @property
    def are_many(self) -> bool:
        """Whether there are so many that they are to be ended, and one to begin for all."""
        return len(self._live) >= MOST_CONSUMERS

    def is_newest(self, tag: str) -> bool:
        """Whether the consumer began last."""
        return tag == self._name()

    def more(self, channel: int, count: int, held: int, given: Mapping[str, object]) -> bytes:
        """Let the broker send so many more; a consumer's tag is never used twice.

        RabbitMQ 3.10 ends the connection where one comes again while messages of it are held.
        """
        if self._live:
            count = max(count, held // SHARE)
        self._begun += 1
        self._live[self._name()] = count = min(count, MOST)
        return frames.consume(channel, self._queue, self._name(), prefetch=count, given=given)

    def end(self, channel: int) -> bytes:
        """Let the broker send nothing more."""
        data = b"".join(frames.cancel(channel, tag) for tag in self._live)
        self._live.clear()
        return data

    def ended(self, tag: str) -> None:
        """The broker has ended a consumer."""
        self._live.pop(tag, None)

    def lost(self) -> None:
        """The channel is gone, and its consumers with it."""
        self._live.clear()

    def _name(self) -> str:
        return f"longshore-{self._begun}"
