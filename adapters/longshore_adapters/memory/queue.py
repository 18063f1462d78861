"""The queue in memory: a dictionary of messages, searched for the best that is visible."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from heapq import nsmallest
from types import MappingProxyType
from typing import TYPE_CHECKING

from longshore.errors import LeaseLostError, LongshoreError, TooLargeError
from longshore.queue import NO_DELAY, DeadLetter, Delivery, Depth, Outgoing, QueueCapabilities
from longshore_adapters.memory.server import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from longshore.queue import Rejection, Release
    from longshore_adapters.memory.server import Connection, MemoryServer

CAPABILITIES = QueueCapabilities(adapter="memory", durable=False, shared=False)


class MemoryQueue:
    """A named queue of a `MemoryServer`, which exists as soon as it is used."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def capabilities(self) -> QueueCapabilities:
        """Everything but durability and other processes."""
        return CAPABILITIES

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Add messages; a body above the limit is refused."""
        with self._connection.use() as server:
            return [self._accept(server, message) for message in messages]

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Take the best visible messages, waiting for the first."""
        with self._connection.use() as server:
            clock, waiting = server.clock, server.waiting()
        end = clock.monotonic() + wait.total_seconds()
        with waiting as woken:  # from before the first look, so that no message slips through
            while not (taken := self._take(limit, lease)):
                left = end - clock.monotonic()
                if left <= 0:
                    break
                await clock.wait(woken, min(left, self._next_visible()))
                woken.clear()
        return taken

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Forget deliveries; one that is gone already is fine."""
        with self._connection.use() as server:
            return [self.forget(server, delivery) for delivery in deliveries]

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give deliveries back."""
        with self._connection.use() as server:
            return [self.give_back(server, each.delivery, each.delay) for each in releases]

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move deliveries to the dead letters."""
        with self._connection.use() as server:
            return [self.bury(server, rejection) for rejection in rejections]

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Move the end of each lease."""
        with self._connection.use() as server:
            until = server.clock.now() + lease

            def extend(held: Held) -> None:
                held.visible_at = until

            return [self._with_held(server, delivery, extend) for delivery in deliveries]

    async def depth(self) -> Depth:
        """Count by looking at every message."""
        with self._connection.use() as server:
            now = server.clock.now()
            ready = [held for held in self._messages(server).values() if held.visible_at <= now]
            hidden = [held for held in self._messages(server).values() if held.visible_at > now]
            oldest = min((held.sent_at for held in ready), default=None)
            flying = sum(held.receipt is not None for held in hidden)
            return Depth(
                ready=len(ready),
                in_flight=flying,
                delayed=len(hidden) - flying,
                dead=len(self._dead(server)),
                oldest_age=None if oldest is None else now - oldest,
            )

    async def declare(self) -> bool:
        """Make the queue exist."""
        with self._connection.use() as server:
            new = self._name not in server.messages
            self._messages(server)
            return new

    async def delete(self) -> None:
        """Remove the queue and its dead letters."""
        with self._connection.use() as server:
            server.messages.pop(self._name, None)
            server.dead.pop(self._name, None)

    async def purge(self) -> int:
        """Remove what is not in flight."""
        with self._connection.use() as server:
            now = server.clock.now()
            messages = self._messages(server)
            idle = [
                number
                for number, held in messages.items()
                if held.receipt is None or held.visible_at <= now
            ]
            for number in idle:
                del messages[number]
            return len(idle)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters in the order they died."""
        with self._connection.use() as server:
            past = 0 if after is None else int(after)
            dead = self._dead(server).items()
            return [letter for number, (letter, _) in dead if number > past][:limit]

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send dead letters again, stamped."""
        with self._connection.use() as server:
            return [self._revive(server, letter_id) for letter_id in ids]

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Remove dead letters."""
        with self._connection.use() as server:
            for letter_id in ids:
                self._dead(server).pop(int(letter_id), None)
            return [None] * len(ids)

    def put(self, server: MemoryServer, message: Outgoing) -> None:
        """Add one message that is not too large. Like all that follows, it is given the lock."""
        number, now = next(server.numbers), server.clock.now()
        kept = replace(message, attributes=MappingProxyType(dict(message.attributes)))
        self._messages(server)[number] = Held(
            number=number, message=kept, sent_at=now, visible_at=now + message.delay
        )
        server.wake()

    def forget(self, server: MemoryServer, delivery: Delivery) -> LongshoreError | None:
        """Drop one delivery."""
        if _number(delivery) not in self._messages(server):
            return None
        return self._with_held(
            server, delivery, lambda held: self._messages(server).pop(held.number)
        )

    def give_back(
        self, server: MemoryServer, delivery: Delivery, delay: timedelta
    ) -> LongshoreError | None:
        """Make one delivery visible after `delay`."""

        def give_back(held: Held) -> None:
            held.receipt = None
            held.visible_at = server.clock.now() + delay
            server.wake()

        return self._with_held(server, delivery, give_back)

    def bury(self, server: MemoryServer, rejection: Rejection) -> LongshoreError | None:
        """Move one delivery to the dead letters."""

        def bury(held: Held) -> None:
            number = next(server.numbers)
            letter = DeadLetter(
                id=str(number),
                queue=self._name,
                body=held.message.body,
                reason=rejection.reason,
                detail=rejection.detail,
                died_at=server.clock.now(),
                key=held.message.key,
                stamp=rejection.stamp,
                receives=held.receives,
                attributes=held.message.attributes,
            )
            self._dead(server)[number] = (letter, held.message)
            del self._messages(server)[held.number]

        return self._with_held(server, rejection.delivery, bury)

    def _accept(self, server: MemoryServer, message: Outgoing) -> LongshoreError | None:
        refused = too_large(message.body)
        if refused is None:
            self.put(server, message)
        return refused

    def _messages(self, server: MemoryServer) -> dict[int, Held]:
        return server.messages.setdefault(self._name, {})

    def _dead(self, server: MemoryServer) -> dict[int, tuple[DeadLetter, Outgoing]]:
        return server.dead.setdefault(self._name, {})

    def _with_held(
        self, server: MemoryServer, delivery: Delivery, use: Callable[[Held], object]
    ) -> LongshoreError | None:
        """Use the message of a delivery, unless somebody else holds it or nobody can."""
        held = self._messages(server).get(_number(delivery))
        if held is None or held.receipt != delivery.receipt:
            return LeaseLostError(f"delivery {delivery.receipt} of queue {delivery.queue!r}")
        use(held)
        return None

    def _revive(self, server: MemoryServer, letter_id: str) -> LongshoreError | None:
        letter, message = self._dead(server).pop(int(letter_id), (None, None))
        if letter is None or message is None:
            return LongshoreError(f"no dead letter {letter_id} in queue {self._name!r}")
        attributes = dict(message.attributes)
        if letter.stamp is not None:
            attributes["stamp"] = str(letter.stamp)
        self.put(server, replace(message, delay=NO_DELAY, attributes=attributes))
        return None

    def _take(self, limit: int, lease: timedelta) -> list[Delivery]:
        with self._connection.use() as server:
            now = server.clock.now()
            ready = [held for held in self._messages(server).values() if held.visible_at <= now]
            if not ready:  # as for most who wait
                return []
            best = nsmallest(limit, ready, key=lambda held: (-held.message.priority, held.number))
            return [self._deliver(held, now + lease) for held in best]

    def _deliver(self, held: Held, lease_until: datetime) -> Delivery:
        held.receives += 1
        held.receipt = f"{held.number}:{held.receives}"
        held.visible_at = lease_until
        return Delivery(
            receipt=held.receipt,
            queue=self._name,
            body=held.message.body,
            key=held.message.key,
            message_id=str(held.number),
            receives=held.receives,
            sent_at=held.sent_at,
            lease_until=lease_until,
            group=held.message.group,
            attributes=held.message.attributes,
        )

    def _next_visible(self) -> float:
        """Seconds until a message may be visible that nobody will tell us of."""
        with self._connection.use() as server:
            now = server.clock.now()
            waits = (held.visible_at - now for held in self._messages(server).values())
            return min(waits, default=timedelta.max).total_seconds()


def too_large(body: bytes) -> TooLargeError | None:
    """Refuse a body above the limit."""
    size, limit = len(body), CAPABILITIES.max_body
    if size <= limit:
        return None
    return TooLargeError("the message", size, limit, "the memory adapter's limit")


def _number(delivery: Delivery) -> int:
    return int(delivery.receipt.partition(":")[0])
