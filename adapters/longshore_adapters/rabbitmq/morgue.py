"""Dead letters: looked at, sent again, and removed.

RabbitMQ cannot look without taking, so letters are taken, on a channel of their own, and put back
when it is closed. Two operators at once see parts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError, UnavailableError
from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.letters import read_letter, to_redrive
from longshore_adapters.rabbitmq.preparing import Prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.queue import DeadLetter
    from longshore_adapters.rabbitmq.connection import Connection
    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.sdk import Untyped

MOST: Final = 2000
"""Letters that one call looks at."""
PATIENCE: Final = 10.0
"""Seconds for the letters to come."""
BACK: Final = 1.0
"""Seconds for them to be back."""
_PAUSE: Final = 0.01
_TAG: Final = "longshore-look"


class LetterMissingError(LongshoreError):
    """No dead letter has this id, or somebody else looks at it just now."""

    def __init__(self, queue: str, id: str) -> None:  # noqa: A002 - what it is
        """`queue` is the queue whose letter it would be."""
        super().__init__(
            f"the queue {queue!r} has no dead letter {id}, or another has it in hand; see: "
            f"longshore dlq list {queue}"
        )


class Look:
    """One look into a dead-letter queue: what it took, until it is closed."""

    def __init__(self, connection: Connection, names: Names) -> None:
        """Take nothing yet."""
        self.queue = names.dead
        self._name = names.name
        self._consumers = connection.consumers
        self._channel: int | None = None
        self._taken: deque[tuple[DeadLetter, int]] = deque()
        self._wanted = 0
        self._done = False
        self._changed = asyncio.Event()
        self._problem: LongshoreError | None = None

    @property
    def held(self) -> int:
        """Nothing that anybody works on."""
        return 0

    async def take(self, count: int) -> Sequence[tuple[DeadLetter, int]]:
        """Take so many letters, each with its tag, or as many as come in time."""
        self._wanted = min(count, MOST)
        if not self._wanted:
            return ()
        self._consumers.attend(self)
        try:
            async with asyncio.timeout(PATIENCE):
                while len(self._taken) < self._wanted and self._problem is None:
                    self._changed.clear()
                    self.up()
                    await self._changed.wait()
        except TimeoutError:
            if not self._taken:
                message = f"RabbitMQ does not show what is in {self.queue!r}; is it in use?"
                raise UnavailableError(message) from None
        if self._problem is not None:
            raise self._problem
        self._done = True
        return list(self._taken)

    def up(self) -> None:
        """There is a connection: begin. What was taken already has its tags from another."""
        if self._channel is None and self._consumers.is_up and not self._done:
            self._channel, _ = self._consumers.open(self)
            data = frames.consume(self._channel, self.queue, _TAG, prefetch=self._wanted, given={})
            self._consumers.write(data)

    def came(self, events: Sequence[Incoming]) -> None:
        """Take what came."""
        for event in events:
            if event.method == frames.DELIVER:
                tag, redelivered = frames.read_deliver(event.arguments)
                letter = read_letter(
                    event.properties, event.body, queue=self._name, redelivered=int(redelivered)
                )
                self._taken.append((letter, tag))
        self._changed.set()

    def lost(self) -> None:
        """The channel is gone, and its letters are back."""
        self._channel = None
        self._taken.clear()
        self._changed.set()

    def fail(self, error: LongshoreError) -> None:
        """Say what is the matter."""
        self._problem = error
        self._changed.set()

    def ack(self, tags: Sequence[int]) -> None:
        """Remove letters. `UnavailableError` where they are back, as their channel is gone."""
        if not tags:
            return
        channel = self._channel
        if channel is None:
            message = f"the connection was lost with letters of {self.queue!r} in hand; repeat it"
            raise UnavailableError(message)
        self._consumers.write(b"".join(frames.ack(channel, tag, multiple=False) for tag in tags))

    def close(self) -> None:
        """Put back what was not removed."""
        self._consumers.leave(self)
        if self._channel is not None:
            self._consumers.end(self._channel)
            self._channel = None


class Morgue:
    """The dead letters of one queue."""

    def __init__(self, connection: Connection, names: Names) -> None:
        """Look at nothing yet."""
        self._connection = connection
        self._names = names

    async def listed(self, *, limit: int, after: str | None) -> list[DeadLetter]:
        """List letters past an id, in the order they died."""
        count = await self._count()
        look = Look(self._connection, self._names)
        try:
            letters = sorted((one for one, _ in await look.take(count)), key=lambda one: one.id)
        finally:
            look.close()
        await self._back(count)
        return [one for one in letters if after is None or one.id > after][:limit]

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Remove letters; one that is not there is gone already."""
        if ids:
            await self._settle(ids, again=False)
        return [None] * len(ids)

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send letters again, with their stamps, and remove those that are durable there."""
        return await self._settle(ids, again=True) if ids else []

    async def _settle(self, ids: Sequence[str], *, again: bool) -> list[LongshoreError | None]:
        count = await self._count()
        look = Look(self._connection, self._names)
        wanted = set(ids)
        answers: dict[str, LongshoreError | None] = {
            one: LetterMissingError(self._names.name, one) for one in ids
        }
        gone = 0
        try:
            found = [each for each in await look.take(count) if each[0].id in wanted]
            sent = await self._send([letter for letter, _ in found]) if again else None
            tags: list[int] = []
            for place, (letter, tag) in enumerate(found):
                error = None if sent is None else sent[place]
                answers[letter.id] = error
                if error is None:
                    tags.append(tag)
            look.ack(tags)
            gone = len(tags)
        finally:
            look.close()
        await self._back(count - gone)
        return [answers[one] for one in ids]

    async def _send(self, letters: Sequence[DeadLetter]) -> list[LongshoreError | None]:
        now = self._connection.clock.now()
        prepared = Prepared([None] * len(letters))
        for place, letter in enumerate(letters):
            try:
                copy = to_redrive(letter, self._connection.options, now)
            except LongshoreError as error:
                prepared.answers[place] = error
            else:
                prepared.add(place, ("", self._names.queue), copy)
        found = await self._connection.publisher.publish(prepared.targets, prepared.copies)
        for place, answer in zip(prepared.places, found, strict=True):
            prepared.answers[place] = answer
        return prepared.answers

    async def _count(self) -> int:
        def counted(channel: Untyped) -> int:
            count: int = channel.queue_declare(self._names.dead, passive=True).message_count
            return count

        return await self._connection.desk.ask(counted, self._names.dead)

    async def _back(self, count: int) -> None:
        """Wait until the letters that were only looked at can be seen again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + BACK
        while loop.time() < end and await self._count() < count:
            await self._connection.clock.sleep(_PAUSE)
