"""PORT: a named queue of messages.

Every verb takes many items and answers per item, in the order given: `None` where the item
was done, or the error that says why it was not. An error of one item says nothing about its
neighbours. A verb *raises* only where no item can be answered: `UnavailableError` (the calls
may or may not have been carried out; repeating them is safe) or `ClosedError`. All verbs may
be called concurrently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from longshore.priority import NORMAL
from longshore.quick import quick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from longshore.errors import LongshoreError
    from longshore.identity import TaskId

NO_DELAY = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCapabilities:
    """What a queue can do, as data: code and tests ask this, never the adapter's name.

    A `max_delay` or `max_release_delay` of zero means none at all and None means no limit;
    above it the queue refuses with `UnsupportedError` and the core keeps the wait in the log.
    `retention` is after how long the broker drops a message that nobody took; None: it does not.
    `max_hold` is how long a message may stay unacknowledged in all, however often its lease is
    extended; None: for ever. `stale_refused` says that the broker notices an ack, a release or an
    extension by a holder who lost the message; where it does not, the log alone decides. `grouped`
    queues deliver one message of a group only after the one before it is gone or given back.
    `deduplicates`: a message sent again with the same key, token and wake number is dropped for a
    while. `purge_spares`: a purge leaves what is in flight, and answers exactly how many went.
    `late_kept`: a holder whose lease ended still may do what it likes where nobody else came, and
    where `late_extended` even hold on to it.
    """

    adapter: str
    durable: bool = True
    shared: bool = True
    max_body: int = 1_048_576
    max_batch: int = 1000
    max_delay: timedelta | None = None
    max_release_delay: timedelta | None = None
    priorities: bool = True
    ordered: bool = True
    leases: bool = True
    max_lease: timedelta | None = None
    retention: timedelta | None = None
    receive_counts: bool = True
    dead_letters: bool = True
    max_hold: timedelta | None = None
    stale_refused: bool = True
    grouped: bool = False
    deduplicates: bool = False
    purge_spares: bool = True
    late_kept: bool = True
    late_extended: bool = True


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to send. `key` is the task key; `group` a tenant or ordering group.

    `token` and `wake_no` are the row's as it was read, and tell one publication of a task from the
    next: a broker that drops repeated messages is to drop those alike in all three (protocol.md
    §11). `attributes` travel beside the body, e.g. `traceparent`; names and values are text.
    """

    key: TaskId
    body: bytes
    priority: int = NORMAL
    delay: timedelta = NO_DELAY
    group: str | None = None
    token: int = 0
    wake_no: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message in our hands until `lease_until`, by the adapter's clock.

    `receipt` names this one delivery; a redelivery has another. `message_id` is the broker's
    own id, or None. `receives` counts deliveries of this message, this one included. `group` is
    the one it was sent with, where the broker says so.
    """

    receipt: str
    queue: str
    body: bytes
    key: TaskId | None = None
    message_id: str | None = None
    receives: int = 1
    sent_at: datetime | None = None
    lease_until: datetime | None = None
    group: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give a delivery back, visible again after `delay`."""

    delivery: Delivery
    delay: timedelta = NO_DELAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Move a delivery to the dead-letter queue. `stamp` is the run that failed, or None."""

    delivery: Delivery
    reason: str
    detail: str = ""
    stamp: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message in the dead-letter queue, with its raw body."""

    id: str
    queue: str
    body: bytes
    reason: str
    detail: str
    died_at: datetime
    key: TaskId | None = None
    stamp: int | None = None
    receives: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much waits. A figure named in `approximate` may lag or be rounded.

    `ready` can be received now, `in_flight` is held under a lease, `delayed` waits for its
    time, `dead` is in the dead-letter queue. `oldest_age` is that of the oldest ready message.
    """

    ready: int = 0
    in_flight: int = 0
    delayed: int = 0
    dead: int = 0
    oldest_age: timedelta | None = None
    approximate: frozenset[str] = frozenset()


class Queue(Protocol):
    """A named queue with leases, delivering at least once."""

    @property
    def name(self) -> str:
        """The queue's name."""
        ...

    @property
    def capabilities(self) -> QueueCapabilities:
        """What this queue can do. Constant while it is open."""
        ...

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Add messages; an item answered None is as durable as the adapter states.

        Of two items or calls in order, equal in priority and delay, the first is delivered
        first where `ordered`. Repeating a send adds a second copy under the same key. Errors
        per item: `TooLargeError`, `UnsupportedError` (delay, priority).
        """
        ...

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Take up to `limit` ready messages; wait up to `wait` for the first, then return.

        Higher priority first, then the older. Each is delivered to nobody else until `lease`
        has passed or it is released. Returns an empty list when nothing came. Cancelling the
        call loses nothing: what it had taken is released at once where the adapter can, and
        returns after its lease at the latest. `ClosedError` when the queue is closed while
        waiting.
        """
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Forget deliveries for good. Idempotent: a message already gone is answered None.

        `LeaseLostError` where the message was meanwhile delivered to another holder.
        """
        ...

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give deliveries back, each visible after its delay, in its old place in the order.

        `LeaseLostError` where the delivery is no longer ours: nothing changes then.
        """
        ...

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move deliveries to the dead-letter queue with reason, stamp and raw body.

        The copy is durable before the message goes. `LeaseLostError` as in `release`.
        """
        ...

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Let each lease end `lease` from now. A lease that ended unrivalled may be extended.

        `LeaseLostError` where another holder has it, or it is gone.
        """
        ...

    async def depth(self) -> Depth:
        """Count what waits."""
        ...

    async def declare(self) -> bool:
        """Make the queue and its dead-letter queue exist. True where this call made them."""
        ...

    async def delete(self) -> None:
        """Remove the queue, its dead-letter queue and all messages. Idempotent."""
        ...


class ForwardingQueue:
    """A queue inside another one, which says for itself only what it overrides."""

    def __init__(self, queue: Queue) -> None:
        """Offer what every `queue` offers; verbs of optional ports are not among it."""
        self._queue = queue

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.name

    @property
    def capabilities(self) -> QueueCapabilities:
        """The queue's own."""
        return self._queue.capabilities

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send."""
        return await self._queue.send(messages)

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Receive."""
        return await self._queue.receive(limit=limit, wait=wait, lease=lease)

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Acknowledge."""
        return await self._queue.ack(deliveries)

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give back."""
        return await self._queue.release(releases)

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move to the dead letters."""
        return await self._queue.reject(rejections)

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Extend."""
        return await self._queue.extend(deliveries, lease=lease)

    async def depth(self) -> Depth:
        """Count what waits."""
        return await self._queue.depth()

    async def declare(self) -> bool:
        """Make the queue exist."""
        return await self._queue.declare()

    async def delete(self) -> None:
        """Remove the queue."""
        await self._queue.delete()


@runtime_checkable
class SupportsPurge(Protocol):
    """A queue that can be emptied at once."""

    async def purge(self) -> int:
        """Remove every message that is not in flight; answer how many went."""
        ...


@runtime_checkable
class SupportsDeadLetters(Protocol):
    """A queue whose dead letters can be looked at and sent again."""

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters in the order they died, past the id `after`."""
        ...

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Put dead letters back into the queue, with their stamps. Unknown ids: an error."""
        ...

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Remove dead letters for good. Idempotent."""
        ...


@runtime_checkable
class SupportsNativeRedrive(Protocol):
    """A queue whose broker can send all dead letters back by itself."""

    async def redrive_all(self, *, rate: int | None = None) -> str:
        """Start moving every dead letter back, at most `rate` a second; answer what was started.

        The call does not wait for the end. `UnsupportedError` where the broker refuses.
        """
        ...
