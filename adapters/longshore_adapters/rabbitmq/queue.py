"""The queue on RabbitMQ: confirmed publishing, a consumer that follows demand, grouped acks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.errors import LongshoreError
from longshore_adapters.rabbitmq import declaring, limits
from longshore_adapters.rabbitmq.capabilities import capabilities_of
from longshore_adapters.rabbitmq.depth import depth_of
from longshore_adapters.rabbitmq.ladder import route
from longshore_adapters.rabbitmq.letters import to_letter
from longshore_adapters.rabbitmq.morgue import Morgue
from longshore_adapters.rabbitmq.names import names_of
from longshore_adapters.rabbitmq.preparing import Prepared, prepare
from longshore_adapters.rabbitmq.wire import again

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from longshore.queue import (
        DeadLetter,
        Delivery,
        Depth,
        Outgoing,
        QueueCapabilities,
        Rejection,
        Release,
    )
    from longshore_adapters.rabbitmq.connection import Connection


class RabbitQueue:
    """A named queue, and its dead-letter queue."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Serve the queue `name`; `ConfigurationError` where RabbitMQ can have none of it."""
        self._connection = connection
        self._options = connection.options
        self._names = names_of(name, connection.options)
        self._capabilities = capabilities_of(connection.options)
        self._morgue = Morgue(connection, self._names)

    @property
    def name(self) -> str:
        """The queue's name, without the prefix."""
        return self._names.name

    @property
    def capabilities(self) -> QueueCapabilities:
        """As the URL has it."""
        return self._capabilities

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Publish messages; None for each that RabbitMQ has confirmed, on disk where it can be."""
        self._connection.check()
        now = self._connection.clock.now()
        return await self._publish(prepare(messages, self._names, self._options, now))

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Take messages, which are ours until we settle them or the connection ends."""
        del lease
        self._connection.check()
        if limit < 1:
            return []
        taking = self._connection.consumers.taking(self._names)
        return await taking.receive(limit, wait.total_seconds())

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Acknowledge deliveries, in few frames; RabbitMQ does not answer these."""
        self._connection.check()
        if not deliveries:
            return []
        return self._connection.consumers.taking(self._names).ack(deliveries)

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Put deliveries back in their places; with a delay, copies go to the ladder first."""
        self._connection.check()
        if not releases:
            return []
        taking = self._connection.consumers.taking(self._names)
        answers: list[LongshoreError | None] = [None] * len(releases)
        late: list[int] = []
        now: list[int] = []
        for place, release in enumerate(releases):
            (late if release.delay else now).append(place)
        back = taking.release([releases[place].delivery for place in now])
        for place, answer in zip(now, back, strict=True):
            answers[place] = answer
        return await self._delay(releases, late, answers) if late else answers

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Publish copies to the dead-letter queue, and acknowledge what has one."""
        self._connection.check()
        died_at = self._connection.clock.now()
        prepared = Prepared([None] * len(rejections))
        for place, rejection in enumerate(rejections):
            prepared.add(place, ("", self._names.dead), to_letter(rejection, died_at))
        return await self._move([one.delivery for one in rejections], prepared)

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Refuse: nothing ends by time before RabbitMQ's own consumer timeout, which is fixed."""
        self._connection.check()
        option = f"a lease of {lease}"
        instead = "a delivery is held until it is settled, up to the consumer timeout"
        return [limits.unsupported(option, instead) for _ in deliveries]

    async def depth(self) -> Depth:
        """Count: what is ready and dead exactly, what others hold only by the management API."""
        self._connection.check()
        known = self._connection.consumers.known(self._names)
        held = 0 if known is None else known.held
        return await self._connection.desk.ask(
            lambda channel: depth_of(channel, self._names, self._options, held), self._names.queue
        )

    async def declare(self) -> bool:
        """Make both queues; `ConfigurationError` where one is there in another form."""
        self._connection.check()
        return await self._connection.desk.ask(
            lambda channel: declaring.declare(channel, self._names, self._options),
            self._names.queue,
        )

    async def delete(self) -> None:
        """Remove both queues."""
        self._connection.check()
        known = self._connection.consumers.known(self._names)
        if known is not None:
            known.forget()
        await self._connection.desk.ask(
            lambda channel: declaring.delete(channel, self._names), self._names.queue
        )

    async def purge(self) -> int:
        """Remove what is ready; what is in flight and on the ladder stays."""
        self._connection.check()
        return await self._connection.desk.ask(
            lambda channel: declaring.purge(channel, self._names), self._names.queue
        )

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters, which are hidden from others meanwhile; see the README."""
        self._connection.check()
        return await self._morgue.listed(limit=limit, after=after)

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send dead letters again, stamped, and remove them."""
        self._connection.check()
        return await self._morgue.redrive(ids)

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Remove dead letters."""
        self._connection.check()
        return await self._morgue.discard(ids)

    async def _delay(
        self,
        releases: Sequence[Release],
        places: Sequence[int],
        answers: list[LongshoreError | None],
    ) -> list[LongshoreError | None]:
        """Move deliveries to the ladder; those that it cannot hold stay where they are."""
        now = self._connection.clock.now()
        moving: list[Delivery] = []
        prepared = Prepared(answers)
        for place in places:
            release = releases[place]
            try:
                target = route(release.delay, self._names, self._options)
                copy = again(release.delivery, self._options, now)
            except LongshoreError as error:
                answers[place] = error
            else:
                moving.append(release.delivery)
                prepared.add(place, target, copy)
        return await self._move(moving, prepared)

    async def _move(
        self, deliveries: Sequence[Delivery], prepared: Prepared
    ) -> list[LongshoreError | None]:
        """Publish copies, and acknowledge the deliveries of those that are durable."""
        if not deliveries:
            return prepared.answers
        taking = self._connection.consumers.taking(self._names)
        ours = Prepared(prepared.answers)
        going: list[Delivery] = []
        checked = taking.check(deliveries)
        for number, (delivery, lost) in enumerate(zip(deliveries, checked, strict=True)):
            place = prepared.places[number]
            if lost is None:
                ours.add(place, prepared.targets[number], prepared.copies[number])
                going.append(delivery)
            else:
                ours.answers[place] = lost
        await self._publish(ours)
        moved = [n for n, place in enumerate(ours.places) if ours.answers[place] is None]
        gone = taking.ack([going[number] for number in moved])
        for number, answer in zip(moved, gone, strict=True):
            ours.answers[ours.places[number]] = answer
        return ours.answers

    async def _publish(self, prepared: Prepared) -> list[LongshoreError | None]:
        found = await self._connection.publisher.publish(prepared.targets, prepared.copies)
        return prepared.answered(found)
