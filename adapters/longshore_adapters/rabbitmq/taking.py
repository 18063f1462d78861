"""Taking from one queue: receivers that wait, what came for them, and what the broker may send.

RabbitMQ sends by itself, up to a limit of what is unacknowledged, which is one of a consumer and
cannot be changed. So there are several: one more where receivers ask for more than the others may
bring, and none when nobody receives. Nothing comes for which there is no room, unless tasks are so
short that the next ones have to be on their way. What came and nobody asks for within a moment
goes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from longshore.errors import ClosedError, LeaseLostError, UnavailableError
from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.acks import Acks
from longshore_adapters.rabbitmq.errors import QueueMissingError
from longshore_adapters.rabbitmq.pace import Pace
from longshore_adapters.rabbitmq.prefetch import Prefetch
from longshore_adapters.rabbitmq.vigil import EVERY, Step, Vigil
from longshore_adapters.rabbitmq.waiter import Waiter
from longshore_adapters.rabbitmq.wire import to_delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore.queue import Delivery
    from longshore_adapters.rabbitmq.consuming import Consumers
    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.names import Names

_log = logging.getLogger("longshore.rabbitmq")
LOOK: Final = 0.25
"""Seconds in which what a queue has comes to a consumer; a receive that does not wait looks so
long."""
LINGER: Final = 0.5
"""Seconds that a consumer stays on when nobody receives."""
TOGETHER: Final = 0.005
"""Seconds that what is done out of turn waits for those before it."""
CONNECTING: Final = 10.0
"""Seconds that a receive waits, beyond its own time, for the consumer to begin."""
AHEAD: Final = 8
"""How much more than what is asked for may come while tasks are short; with the next two."""
LEAST_AHEAD: Final = 32
MOST_AHEAD: Final = 1000


class Taking:
    """One queue's consumer, channel after channel. Lives on the loop."""

    def __init__(self, consumers: Consumers, names: Names) -> None:
        """Nothing is asked for before the first receive."""
        self._consumers = consumers
        self._names = names
        self._loop = consumers.loop
        self._waiters: deque[Waiter] = deque()
        self._buffer: deque[Delivery] = deque()
        self._acks = Acks()
        self._channel: int | None = None
        self._mark = ""
        self._consumes = Prefetch(names.queue)
        self._pace = Pace()
        self._on_at: float | None = None
        self._asked_at = 0.0
        self._vigil = Vigil()
        self._watching: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._flush: asyncio.TimerHandle | None = None

    @property
    def queue(self) -> str:
        """What RabbitMQ calls the queue."""
        return self._names.queue

    @property
    def held(self) -> int:
        """How many deliveries are in our hands."""
        return len(self._acks)

    # -- receiving

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """Take what has come, or wait for the first."""
        if self._buffer:
            self._stay()
            taken = self._take(limit)
            self._leave()
            return taken
        now = self._loop.time()
        until = now + max(wait, LOOK)
        waiter = Waiter(limit, until, until + CONNECTING, self._loop.create_future())
        self._waiters.append(waiter)
        self._stay()
        self._ask()
        self._watch(waiter, until)
        if self._watching is None:
            self._watching = self._loop.call_later(EVERY, self._look)
        try:
            return await waiter.came
        except asyncio.CancelledError:
            self._undo(waiter)
            raise
        finally:
            if waiter.timer is not None:
                waiter.timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._leave()

    def _undo(self, waiter: Waiter) -> None:
        """Give back what a cancelled receive was given at the last moment."""
        done = waiter.came.done() and not waiter.came.cancelled()
        if done and waiter.came.exception() is None:
            self.release(waiter.came.result())

    def _take(self, limit: int) -> list[Delivery]:
        return [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]

    def _watch(self, waiter: Waiter, at: float) -> None:
        waiter.timer = self._loop.call_at(at, self._time_is_up, waiter)

    def _time_is_up(self, waiter: Waiter) -> None:
        """End a wait that brought nothing, unless the consumer has only just begun."""
        if waiter.came.done():
            return
        now = self._loop.time()
        if self._on_at is None:
            if now < waiter.latest:
                self._watch(waiter, min(now + LOOK, waiter.latest))
                return
            waiter.came.set_exception(self._unanswered())
        elif now < self._on_at + LOOK:
            self._watch(waiter, self._on_at + LOOK)
        else:
            waiter.came.set_result([])

    def _unanswered(self) -> LongshoreError:
        message = f"RabbitMQ does not answer for the queue {self._names.queue!r}; is it reachable?"
        return self._consumers.problem or UnavailableError(message)

    def _look(self) -> None:
        """See that the consumer is alive, for as long as somebody waits."""
        self._watching = None
        if not self._waiters:
            return
        on = self._on_at is not None
        # One that was asked for a moment ago may well have nothing to say yet.
        if self._channel is not None and (on or self._loop.time() >= self._asked_at + EVERY):
            self._do(self._vigil.look(on=on, holding=bool(self._acks)))
        self._watching = self._loop.call_later(EVERY, self._look)

    def _do(self, step: Step | None) -> None:
        assert self._channel is not None  # noqa: S101 - said by who calls
        if step is None:
            return
        if step is Step.ASK:
            self._write(frames.count(self._channel, self._names.queue))
            return
        # A queue that stays silent is no reason to take from others what they hold.
        if not self._acks and (step is Step.RENEW or self._consumers.are_holding):
            _log.warning("the consumer of %s is silent, and made anew", self._names.queue)
            self._consumers.end(self._channel)
            self.lost()
            self._ask()
        else:
            # What is held on the channel would go with it just the same.
            _log.warning("the consumer of %s is silent; connecting anew", self._names.queue)
            self._consumers.drop()

    # -- what the broker may send

    def _ask(self) -> None:
        """Let the broker send as much as is asked for, and not much more."""
        want = sum(waiter.limit for waiter in self._waiters) - len(self._buffer)
        if want <= 0 or not self._consumers.is_up:
            return
        if self._channel is None:
            self._channel, self._mark = self._consumers.open(self)
            self._vigil.begin()
            self._acks = Acks()
        room = self._consumes.allowed - self._acks.fresh
        if self._consumes.allowed and self._pace.is_short(want, self._loop.time()):
            # What was acknowledged is replaced a round trip and a disk's flush later.
            want = max(want, min(max(want * AHEAD, LEAST_AHEAD), MOST_AHEAD))
        if room * 2 < want or not self._consumes.allowed:
            self._consume(want - room)

    def _consume(self, more: int) -> None:
        assert self._channel is not None  # noqa: S101 - said by who calls
        data = b""
        if self._consumes.are_many:
            data = self._cancelled()
        self._on_at = None
        self._asked_at = self._loop.time()
        held = len(self._acks)
        data += self._consumes.more(self._channel, more, held, self._consumers.arguments())
        self._write(data)

    def _cancelled(self) -> bytes:
        """Write that no consumer takes any more; what they hold is held all the same."""
        assert self._channel is not None  # noqa: S101 - there is one where there are consumers
        self._acks.mark()
        self._on_at = None
        return self._consumes.end(self._channel)

    def _stop(self) -> None:
        """Let the broker send nothing more, and give back what nobody came for."""
        self._linger = None
        if self._waiters or self._channel is None:
            return
        if self._consumes.allowed:
            self._write(self._cancelled())
        self.release([self._buffer.popleft() for _ in range(len(self._buffer))])

    def _stay(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _leave(self) -> None:
        left = self._consumes.allowed or self._buffer
        if left and not self._waiters and self._linger is None:
            self._linger = self._loop.call_later(LINGER, self._stop)

    # -- what comes

    def came(self, events: Sequence[Incoming]) -> None:
        """Take what came on the channel in one burst."""
        for event in events:
            if event.method == frames.DELIVER:
                self._vigil.came()
                self._deliver(event)
            elif event.method == frames.DECLARE_OK:
                self._count(frames.read_count(event.arguments))
            elif event.method == frames.CONSUME_OK:
                if self._consumes.is_newest(frames.read_tag(event.arguments)):
                    self._on_at = self._loop.time()
            elif event.method == frames.CANCEL:
                self._consumes.ended(frames.read_tag(event.arguments))
                if not self._consumes.allowed:
                    self._acks.mark()
                self._ask()
        self._hand_out()

    def _deliver(self, event: Incoming) -> None:
        tag, redelivered = frames.read_deliver(event.arguments)
        self._acks.came(tag)
        delivery = to_delivery(
            event.properties,
            event.body,
            queue=self._names.name,
            receipt=f"{self._mark}{tag}",
            redelivered=redelivered,
        )
        if self._consumes.allowed:
            self._buffer.append(delivery)
        else:
            self.release([delivery])

    def _count(self, ready: int) -> None:
        room = self._consumes.allowed - self._acks.fresh
        step = self._vigil.counted(ready if room > 0 else 0)
        if step is not None and self._waiters and self._channel is not None:
            self._do(step)

    def _hand_out(self) -> None:
        while self._waiters and self._buffer:
            waiter = self._waiters.popleft()
            if not waiter.came.done():
                waiter.came.set_result(self._take(waiter.limit))
        if self._waiters:
            self._ask()

    # -- the channel

    def up(self) -> None:
        """There is a connection: go on for those who wait."""
        self._ask()

    def lost(self) -> None:
        """The channel is gone, and with it every delivery; those who wait go on waiting."""
        self._channel = None
        self._mark = ""
        self._consumes.lost()
        self._on_at = None
        self._buffer.clear()
        self._acks = Acks()

    def fail(self, error: LongshoreError) -> None:
        """Tell those who wait what is the matter."""
        for waiter in self._waiters:
            if not waiter.came.done():
                waiter.came.set_exception(error)

    def close(self) -> None:
        """Acknowledge what is done, give back what nobody has, and wake who waits."""
        for timer in (self._linger, self._flush, self._watching):
            if timer is not None:
                timer.cancel()
        self._settle_all()
        what = f"the RabbitMQ queue {self._names.name!r}"
        self.fail(ClosedError(what))

    def forget(self) -> None:
        """Close the channel, as its queue was deleted."""
        self._settle_all()
        if self._channel is not None:
            self._consumers.end(self._channel)
        self.lost()
        self.fail(QueueMissingError(self._names.queue))

    # -- settling

    def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Acknowledge deliveries; those of a lost channel are another's by now."""
        answers: list[LongshoreError | None] = []
        mark, acks = self._mark, self._acks
        for delivery in deliveries:
            tag = _tag_of(delivery.receipt, mark)
            if tag is not None and acks.is_ours(tag):
                acks.done(tag)
                answers.append(None)
            elif tag is None or acks.was_released(tag):
                answers.append(_lost(delivery))
            else:
                answers.append(None)
        self._pace.done(len(deliveries), self._loop.time())
        self._settle()
        return answers

    def release(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Put deliveries back where they were."""
        answers = self.check(deliveries)
        data = bytearray()
        if self._consumes.allowed and not self._waiters and self._channel is not None:
            data += self._cancelled()  # else they would come straight back
        for delivery, answer in zip(deliveries, answers, strict=True):
            tag = _tag_of(delivery.receipt, self._mark)
            if answer is None and tag is not None and self._channel is not None:
                self._acks.release(tag)
                data += frames.give_back(self._channel, tag)
        if data:
            self._write(bytes(data))
        return answers

    def check(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Answer which of them are no longer ours."""
        ours = [_tag_of(delivery.receipt, self._mark) for delivery in deliveries]
        return [
            None if tag is not None and self._acks.is_ours(tag) else _lost(delivery)
            for delivery, tag in zip(deliveries, ours, strict=True)
        ]

    def _settle(self) -> None:
        if self._channel is None:
            return
        last = self._acks.in_turn()
        if last is not None:
            self._write(frames.ack(self._channel, last, multiple=True))
        if self._acks.waiting and self._flush is None:
            self._flush = self._loop.call_later(TOGETHER, self._settle_all)

    def _settle_all(self) -> None:
        self._flush = None
        if self._channel is None:
            return
        last = self._acks.in_turn()
        data = b"" if last is None else frames.ack(self._channel, last, multiple=True)
        rest = self._acks.out_of_turn()
        data += b"".join(frames.ack(self._channel, tag, multiple=False) for tag in rest)
        if data:
            self._write(data)

    def _write(self, data: bytes) -> None:
        self._consumers.write(data)


def _tag_of(receipt: str, mark: str) -> int | None:
    """Read the tag of a delivery of this channel; None for one of another."""
    if not mark or not receipt.startswith(mark):
        return None
    return int(receipt[len(mark) :])


def _lost(delivery: Delivery) -> LeaseLostError:
    return LeaseLostError(delivery.key or f"a message of the queue {delivery.queue!r}")
