"""The synchronous way out to a broker, counted as its queues are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore.queue import Outgoing, QueueCapabilities
    from longshore.telemetry.seam import Seam


class Sender(Protocol):
    """What `longshore.registry` calls a SyncSender; it lies above this layer."""

    def capabilities(self, queue: str) -> QueueCapabilities:
        """What the queue so named can do."""
        ...

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send."""
        ...


class InstrumentedSender:
    """A sender as it is, with a record of its calls. Safe for use by several threads."""

    def __init__(self, sender: Sender, seam: Seam) -> None:
        """Offer what `sender` offers."""
        self._sender = sender
        self._seam = seam

    def capabilities(self, queue: str) -> QueueCapabilities:
        """What the queue so named can do."""
        return self._sender.capabilities(queue)

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send, and count what was to be sent by how it went."""
        given = self._seam.outgoing(messages)
        began = time.perf_counter()
        error: str | None = None
        try:
            with self._seam.quiet():
                answers = self._sender.send(queue, given)
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self._seam.timed("send", queue, time.perf_counter() - began, error)
        self._seam.sent(queue, answers)
        return answers
