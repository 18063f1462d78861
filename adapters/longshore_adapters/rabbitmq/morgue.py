"""Dead letters: looked at, sent again, and removed.

RabbitMQ cannot look without taking, so letters are taken, on a channel of their own, and put back
when it is closed. Two operators at once see parts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError, UnavailableError
from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.letters import read_letter, to_redrive
from longshore_adapters.rabbitmq.preparing import Prepared
from longshore_adapters.rabbitmq.sieve import Page, Pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.queue import DeadLetter
    from longshore_adapters.rabbitmq.connection import Connection
    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.sdk import Untyped
    from longshore_adapters.rabbitmq.sieve import Sieve

AT_ONCE: Final = 2000
"""Letters that are asked for at a time."""
PATIENCE: Final = 10.0
"""Seconds for the next letters to come."""
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
    """One look into a dead-letter queue, which holds what it took until it is closed.

    It goes as far as it must: as long as its sieve wants more, another consumer brings more.
    """

    def __init__(self, connection: Connection, names: Names, sieve: Sieve) -> None:
        """Take nothing yet."""
        self._sieve = sieve
        self.queue = names.dead
        self._name = names.name
        self._consumers = connection.consumers
        self._channel: int | None = None
        self._there = 0
        self._asked = 0
        self._taken = 0
        self._done = False
        self._changed = asyncio.Event()
        self._problem: LongshoreError | None = None

    @property
    def held(self) -> int:
        """Nothing that anybody works on."""
        return 0

    async def take(self, there: int) -> None:
        """Show the sieve as many of the letters that are there as it wants, or as come in time."""
        self._there = there
        if self._is_over:
            return
        self._consumers.attend(self)
        while not self._is_over and self._problem is None:
            self._changed.clear()
            self.up()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._changed.wait()
            except TimeoutError:
                if self._taken:
                    break
                message = f"RabbitMQ does not show what is in {self.queue!r}; is it in use?"
                raise UnavailableError(message) from None
        if self._problem is not None:
            raise self._problem
        self._done = True

    @property
    def _is_over(self) -> bool:
        return self._taken >= self._there or self._sieve.enough

    def up(self) -> None:
        """There is a connection: begin. What was taken already has its tags from another."""
        if self._channel is None and self._consumers.is_up and not self._done:
            self._channel, _ = self._consumers.open(self)
            self._more()

    def _more(self) -> None:
        """Let more letters come; what a consumer has brought is held, so it brings no more."""
        if self._channel is not None:
            tag = f"{_TAG}-{self._asked}"
            more = min(self._there - self._asked, AT_ONCE)
            self._asked += more
            self._consumers.write(
                frames.consume(self._channel, self.queue, tag, prefetch=more, given={})
            )

    def came(self, events: Sequence[Incoming]) -> None:
        """Take what came."""
        for event in events:
            if event.method == frames.DELIVER:
                tag, redelivered = frames.read_deliver(event.arguments)
                letter = read_letter(
                    event.properties, event.body, queue=self._name, redelivered=int(redelivered)
                )
                self._taken += 1
                self._sieve.add(letter, tag)
        if self._taken >= self._asked and not self._is_over:
            self._more()
        self._changed.set()

    def lost(self) -> None:
        """The channel is gone, and its letters are back."""
        self._channel = None
        self._asked = self._taken = 0
        self._sieve.clear()
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
        page = Page(limit=limit, after=after)
        look = Look(self._connection, self._names, page)
        try:
            await look.take(count)
        finally:
            look.close()
        await self._back(count)
        return list(page.letters)

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
        pick = Pick(ids)
        look = Look(self._connection, self._names, pick)
        answers: dict[str, LongshoreError | None] = {
            one: LetterMissingError(self._names.name, one) for one in ids
        }
        gone = 0
        try:
            await look.take(count)
            found = pick.found
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
