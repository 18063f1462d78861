"""A queue that accepts and discards, and that nothing ever comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.errors import LeaseLostError, TooLargeError, UnsupportedError
from longshore.queue import Depth, QueueCapabilities

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from longshore.errors import LongshoreError
    from longshore.queue import Delivery, Outgoing, Rejection, Release
    from longshore_adapters.null.connection import Connection

CAPABILITIES = QueueCapabilities(
    adapter="null",
    durable=False,
    shared=False,
    leases=False,
    receive_counts=False,
    dead_letters=False,
)


class NullQueue:
    """A name to send to. As it makes no delivery, none can be used with it."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def capabilities(self) -> QueueCapabilities:
        """Any delay, priority and order is accepted, and lost with its message."""
        return CAPABILITIES

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Discard messages; one that a queue may be too small for is refused even here."""
        self._connection.check()
        return [_refusal(message) for message in messages]

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Wait in vain."""
        del limit, lease
        await self._connection.idle(wait.total_seconds())
        return []

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Agree: the messages are gone."""
        self._connection.check()
        return [None] * len(deliveries)

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Refuse: none of them is held here."""
        self._connection.check()
        return [LeaseLostError(f"delivery {each.delivery.receipt}") for each in releases]

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Refuse: there are no dead letters."""
        self._connection.check()
        return [_unsupported("dead letters") for _ in rejections]

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Refuse: there are no leases."""
        del lease
        self._connection.check()
        return [_unsupported("leases") for _ in deliveries]

    async def depth(self) -> Depth:
        """Nothing waits."""
        self._connection.check()
        return Depth()

    async def declare(self) -> bool:
        """Nothing is made."""
        self._connection.check()
        return False

    async def delete(self) -> None:
        """Nothing is removed."""
        self._connection.check()


def _refusal(message: Outgoing) -> TooLargeError | None:
    size, limit = len(message.body), CAPABILITIES.max_body
    if size <= limit:
        return None
    return TooLargeError("the message", size, limit, "the null adapter's limit")


def _unsupported(option: str) -> UnsupportedError:
    return UnsupportedError("null", option, "use a queue that delivers, e.g. memory://")
